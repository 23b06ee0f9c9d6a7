# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests need on a machine under Bochs: EFI programs for it, and the VMX
# capabilities of its processor models, which the unit tests read.
#
# acpi_tables.efi, which build/run/bochs.py puts in front of what boots.
ACPI_TABLES_OBJ := $(call objects,efi,tests/bochs/acpi_tables.c \
	$(addprefix efi/,acpi.c cpus.c print.c serial.c volume.c) common/errors.c)
$(OBJ)/efi/tests/bochs/dsdt.aml: tests/bochs/dsdt.asl $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(Q)iasl -we -vs -p $@ $< > $@.log || { cat $@.log; exit 1; }
$(OBJ)/efi/tests/bochs/dsdt.o: tests/bochs/dsdt.S $(OBJ)/efi/tests/bochs/dsdt.aml
	$(Q)$(CC) $(CFLAGS_efi) -D__ASSEMBLY__ \
		-DDSDT_FILE='"$(OBJ)/efi/tests/bochs/dsdt.aml"' -c $< -o $@
$(eval $(call efi_program,tests/acpi_tables,$(ACPI_TABLES_OBJ) \
	$(OBJ)/efi/tests/bochs/dsdt.o))

# record_msrs.efi, and its runs.
$(eval $(call efi_program,tests/record_msrs,$(call objects,efi, \
	tests/bochs/record_msrs.c $(addprefix efi/,print.c serial.c) \
	common/errors.c hypervisor/vmx/controls.c)))

record-vmx: $(OUT)/tests/record_msrs.efi
	$(Q)python3 tests/bochs/record_vmx.py tests/unit/data/vmx-capabilities

PHONY += record-vmx

## make record-vmx  record anew what Bochs's processor models say of VT-x
