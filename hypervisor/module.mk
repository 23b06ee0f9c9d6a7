# SPDX-License-Identifier: GPL-2.0-or-later
# hypervisor.bin: freestanding, position independent. hypervisor-test.bin can be told
# to fail, to prove what then happens.
HYPERVISOR_BIN := $(OUT)/hypervisor.bin
HYPERVISOR_SOURCES := $(wildcard hypervisor/*.[cS] hypervisor/*/*.[cS]) \
	common/page_walk.c
# Page tables and the control domain's memory: its image with bss (8.5 MiB at the
# most, see build/control.lds), stack, heap. What is too little is refused at boot.
HYPERVISOR_HEAP := 0x9a0000

CFLAGS_hvtest := $(CFLAGS_hv) -DUNDERSEAL_FAULTS
$(eval $(call compile_kind,hvtest))

define link_hypervisor
$(OUT)/$(1).elf: $(call objects,$(2),$(HYPERVISOR_SOURCES)) build/hypervisor.lds \
		hypervisor/module.mk
	$(Q)$$(CC) -nostdlib -static-pie -Wl,-z,text,-z,max-page-size=4096 \
		-Wl,--build-id=none,--no-dynamic-linker \
		-Wl,--no-warn-rwx-segments -Wl,--defsym=HEAP_FIXED=$(HYPERVISOR_HEAP) \
		-T build/hypervisor.lds $$(filter %.o,$$^) -o $$@
	$(Q)if readelf -rW $$@ 2> /dev/null | grep R_X86_64 | \
		grep -v R_X86_64_RELATIVE; then \
		echo "hypervisor: relocations that entry.S does not know"; \
		rm -f $$@; exit 1; fi

$(OUT)/$(1).bin: $(OUT)/$(1).elf
	$(Q)$$(OBJCOPY) -O binary $$< $$@
endef

$(eval $(call link_hypervisor,hypervisor,hv))
$(eval $(call link_hypervisor,hypervisor-test,hvtest))

ALL += $(HYPERVISOR_BIN) $(OUT)/hypervisor-test.bin
