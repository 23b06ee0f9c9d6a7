# SPDX-License-Identifier: GPL-2.0-or-later
# The control domain: one core (CONTROL_CORE, also used by the simulated machine of
# the tests) and its first host, the isolated domain.
CONTROL_CORE := $(wildcard control/*.c) \
	$(addprefix common/,baseline.c module_baseline.c bundle.c errors.c minisign.c page_walk.c)
CONTROL_DOMAIN := $(CONTROL_CORE) $(wildcard control/domain/*.[cS])
SODIUM_ARCHIVE := /usr/lib/x86_64-linux-gnu/libsodium.a

CFLAGS_control += -ffunction-sections -fdata-sections -fno-builtin-strlen \
	-fno-tree-loop-distribute-patterns
# clang knows the same switch under another name.
ifneq ($(findstring clang,$(CC)),)
CFLAGS_control := $(filter-out -fno-tree-loop-distribute-patterns,$(CFLAGS_control)) \
	-fno-builtin
endif
# Test images, which can be told to break (control/fault.c).
CFLAGS_controltest = $(CFLAGS_control) -DUNDERSEAL_FAULTS
$(eval $(call compile_kind,controltest))

control_link = $(LD) -static -nostdlib --gc-sections -z noexecstack \
	-z max-page-size=4096 --orphan-handling=error -T build/control.lds

$(OUT)/control.elf: $(call objects,control,$(CONTROL_DOMAIN)) build/control.lds
	$(Q)$(control_link) -o $@ $(filter %.o,$^) $(SODIUM_ARCHIVE)
$(OUT)/control-test.elf: $(call objects,controltest,$(CONTROL_DOMAIN)) build/control.lds
	$(Q)$(control_link) -o $@ $(filter %.o,$^) $(SODIUM_ARCHIVE)
$(OUT)/control.bin $(OUT)/control-test.bin: $(OUT)/%.bin: $(OUT)/%.elf
	$(Q)$(OBJCOPY) -O binary $< $@

ALL += $(OUT)/control.bin $(OUT)/control-test.bin
