# SPDX-License-Identifier: GPL-2.0-or-later
# hypervisor.bin: freestanding, position independent.
HYPERVISOR_BIN := $(OUT)/hypervisor.bin
HYPERVISOR_SOURCES := $(wildcard hypervisor/*.[cS] hypervisor/*/*.[cS]) \
	common/page_walk.c
# Page tables and the control domain's memory; with arena and images it keeps the
# whole region within 8 MiB.
HYPERVISOR_HEAP := 0x500000

HYPERVISOR_OBJECTS := $(call objects,hv,$(HYPERVISOR_SOURCES))

$(OUT)/hypervisor.elf: $(HYPERVISOR_OBJECTS) build/hypervisor.lds
	$(Q)$(CC) -nostdlib -static-pie -Wl,-z,text,-z,max-page-size=4096 \
		-Wl,--build-id=none,--no-dynamic-linker \
		-Wl,--no-warn-rwx-segments -Wl,--defsym=HEAP_FIXED=$(HYPERVISOR_HEAP) \
		-T build/hypervisor.lds $(HYPERVISOR_OBJECTS) -o $@
	$(Q)if readelf -rW $@ | grep R_X86_64 | grep -v R_X86_64_RELATIVE; then \
		echo "hypervisor: relocations that entry.S does not know"; \
		rm -f $@; exit 1; fi

$(HYPERVISOR_BIN): $(OUT)/hypervisor.elf
	$(Q)$(OBJCOPY) -O binary $< $@

ALL += $(HYPERVISOR_BIN)
