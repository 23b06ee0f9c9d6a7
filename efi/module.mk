# SPDX-License-Identifier: GPL-2.0-or-later
# underseal.efi: the loader, with hypervisor, control domain and trusted keys inside.
#
# Settings: KEYS          minisign public keys to trust, by default a test key
#           HYPERVISOR_BIN, CONTROL_BIN   the images to embed
KEYS ?= $(OUT)/keys/test.pub
HYPERVISOR_BIN ?= $(OUT)/hypervisor.bin
CONTROL_BIN ?= $(OUT)/control.bin
GNU_EFI_LIB ?= /usr/lib

LOADER := $(OUT)/underseal.efi
LOADER_KEYS := $(OBJ)/efi/keys.txt
LOADER_SRC := $(addprefix efi/,config.c cpus.c initrd.c launch.c main.c \
	memory.c next.c print.c probe.c serial.c volume.c) common/errors.c

# GNU-EFI builds the image as a shared object that relocates itself, which
# objcopy turns into PE. The compiler knows the firmware's calling convention.
# APs run parts of this on the firmware's stack: no vector registers.
CFLAGS_efi := $(BASE_CFLAGS) $(FREESTANDING) -fpic -fvisibility=hidden \
	-fshort-wchar -mgeneral-regs-only -DGNU_EFI_USE_MS_ABI \
	-isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -Iefi
$(eval $(call compile_kind,efi))

LOADER_OBJ := $(call objects,efi,$(LOADER_SRC))
LOADER_BLOBS := $(OBJ)/efi/efi/blobs.o

ALL += $(LOADER)

$(LOADER_BLOBS): CFLAGS_efi += -DHYPERVISOR_FILE='"$(HYPERVISOR_BIN)"' \
	-DCONTROL_FILE='"$(CONTROL_BIN)"' -DKEYS_FILE='"$(LOADER_KEYS)"'
$(LOADER_BLOBS): $(HYPERVISOR_BIN) $(CONTROL_BIN) $(LOADER_KEYS) efi/module.mk

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

$(LOADER:.efi=.so): $(LOADER_OBJ) $(LOADER_BLOBS)
	$(Q)$(LD) -nostdlib -shared -Bsymbolic -znocombreloc --no-undefined \
		--build-id=none -T $(GNU_EFI_LIB)/elf_x86_64_efi.lds \
		$(GNU_EFI_LIB)/crt0-efi-x86_64.o $(LOADER_OBJ) $(LOADER_BLOBS) \
		-L$(GNU_EFI_LIB) -lefi -lgnuefi -o $@

$(LOADER): $(LOADER:.efi=.so)
	$(Q)$(OBJCOPY) -S -j .text -j .sdata -j .data -j .dynamic -j .dynsym \
		-j '.rel*' -j .reloc --target efi-app-x86_64 $< $@

.PHONY: FORCE
FORCE:

## KEYS="a.pub b.pub"  the minisign public keys that underseal.efi trusts
