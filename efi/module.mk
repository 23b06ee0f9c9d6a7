# SPDX-License-Identifier: GPL-2.0-or-later
# underseal.efi: the loader, with hypervisor, control domain and trusted keys inside.
# underseal-test.efi: the same with images that can be told to break.
#
# Settings: KEYS               minisign public keys to trust, by default a test key
#           LOADER_HYPERVISOR  the images to embed, if not the ones built here
#           LOADER_CONTROL
KEYS ?= $(OUT)/keys/test.pub
LOADER_HYPERVISOR ?= $(OUT)/hypervisor.bin
LOADER_CONTROL ?= $(OUT)/control.bin
LOADER_HYPERVISOR_TEST ?= $(OUT)/hypervisor-test.bin
LOADER_CONTROL_TEST ?= $(OUT)/control-test.bin
GNU_EFI_LIB ?= /usr/lib

LOADER_KEYS := $(OBJ)/efi/keys.txt
LOADER_SRC := $(addprefix efi/,acpi.c config.c cpus.c initrd.c launch.c main.c \
	mapping.c memory.c next.c print.c probe.c serial.c sleep.c timer.c volume.c) \
	$(addprefix common/,errors.c page_walk.c) hypervisor/vmx/controls.c

# GNU-EFI builds the image as a shared object that relocates itself, which
# objcopy turns into PE. The compiler knows the firmware's calling convention.
# APs run parts of this on the firmware's stack: no vector registers.
CFLAGS_efi := $(BASE_CFLAGS) $(FREESTANDING) -fpic -fvisibility=hidden \
	-fshort-wchar -mgeneral-regs-only -DGNU_EFI_USE_MS_ABI \
	-isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -Iefi \
	-iquote efi -iquote hypervisor
$(eval $(call compile_kind,efi))

LOADER_OBJ := $(call objects,efi,$(LOADER_SRC))

# $(call efi_program,NAME,OBJECTS): build/out/NAME.efi.
define efi_program
$(OBJ)/efi/$(1).so: $(2)
	@mkdir -p $$(@D)
	$$(Q)$$(LD) -nostdlib -shared -Bsymbolic -znocombreloc --no-undefined \
		--build-id=none -T $(GNU_EFI_LIB)/elf_x86_64_efi.lds \
		$(GNU_EFI_LIB)/crt0-efi-x86_64.o $$^ \
		-L$(GNU_EFI_LIB) -lefi -lgnuefi -o $$@

$(OUT)/$(1).efi: $(OBJ)/efi/$(1).so
	@mkdir -p $$(@D)
	$$(Q)$$(OBJCOPY) -S -j .text -j .sdata -j .data -j .dynamic -j .dynsym \
		-j '.rel*' -j .reloc --target efi-app-x86_64 $$< $$@

ALL += $(OUT)/$(1).efi
endef

# $(call loader_image,NAME,HYPERVISOR,CONTROL): build/out/NAME.efi with those images.
define loader_image
$(OBJ)/efi/$(1)-blobs.o: efi/blobs.S $(2) $(3) $(LOADER_KEYS)
	$$(Q)$$(CC) $$(CFLAGS_efi) -D__ASSEMBLY__ \
		-DHYPERVISOR_FILE='"$(2)"' \
		-DCONTROL_FILE='"$(3)"' -DKEYS_FILE='"$(LOADER_KEYS)"' \
		-c $$< -o $$@
$(call efi_program,$(1),$(LOADER_OBJ) $(OBJ)/efi/$(1)-blobs.o)
endef
$(eval $(call loader_image,underseal,$(LOADER_HYPERVISOR),$(LOADER_CONTROL)))
$(eval $(call loader_image,underseal-test,$(LOADER_HYPERVISOR_TEST),$(LOADER_CONTROL_TEST)))

# Rewritten only when the keys differ, also when KEYS= names others. `sed` rather
# than `cat`: a file that lacks its last line end must not swallow the next.
$(LOADER_KEYS): $(KEYS) FORCE
	@mkdir -p $(@D)
	$(Q)sed -e '$$a\' $(KEYS) > $@.new
	$(Q)if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# A key pair for tests and demonstrations, made once. Not for production: its
# secret half lies beside it without a password.
$(OUT)/keys/test.pub: $(DEPS_STAMP)
	@mkdir -p $(@D)
	$(Q)[ -s $@ ] || minisign -G -W -f -p $@ -s $(OUT)/keys/test.key > /dev/null
	$(Q)touch $@

# The fuzz target of the configuration's parser: build/out/fuzz/config.
$(OUT)/fuzz/config: $(call objects,fuzz,efi/config.c efi/config_fuzz.c)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CFLAGS_fuzz) $^ -o $@

.PHONY: FORCE
FORCE:

## KEYS="a.pub b.pub"  the minisign public keys that underseal.efi trusts
