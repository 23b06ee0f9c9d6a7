# SPDX-License-Identifier: GPL-2.0-or-later
# Tests on emulated machines, the demonstration and the benchmarks. What they need
# of one kernel lies in $(OUT)/guest/RELEASE; those rules exist only in the
# recursive call that knows RELEASE (as KREL), after build/run/fetch-kernel.
include $(wildcard tests/*/module.mk)

## make run        boot a server under Underseal in QEMU, to a prompt (SMP= MEM= KERNEL=;
##                 ACCEL=kvm: on this machine's own processor, if its KVM nests)
## make demo       show the main job, unattended, in plain sentences
## make unit       the tests that need no emulator, some minutes (FUZZ_SECONDS=)
## make test       all tests: unit tests, then emulated machines (JOBS= LOAD_MINUTES=)
## make test-bochs  an Intel machine in Bochs alone; make test-qemu: AMD ones in QEMU
## make author-guest  a bundle made by underseal diff of two Debian kernels, in a guest
## make soak       a sealed server traces, loads modules, works (SOAK_MINUTES=120)
## make load       1,000 applies under load with 1, 2, 4 and 8 CPUs (LOAD_CPUS= APPLY_TIMES=)
## make bench      measure boot time, exits, stops, memory and code size
## make debian-server  the agent in a Debian with systemd (root, debootstrap)
UNIT_PROGRAMS += tests/system/test_emulators.py
GUEST := $(OUT)/guest
GUEST_PROGRAMS := $(addprefix $(GUEST)/,us-probe us-load us-ring us-bpf us-klp \
	us-tables)

$(GUEST_PROGRAMS): $(GUEST)/%: $(OBJ)/host/tests/guest/%.o $(OBJ)/host/common/errors.o
	@mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^

$(GUEST)/initramfs.img: build/run/make-initramfs tests/guest/init \
		$(GUEST_PROGRAMS) $(OUT)/underseal-guest $(OUT)/underseal-agent
	$(Q)build/run/make-initramfs $@ $(filter-out $<,$^)

$(GUEST)/grub.efi: build/run/make-grub tests/module.mk
	$(Q)build/run/make-grub $@ "console=ttyS0,115200 us.agent no_timer_check cryptomgr.notests"

# Tracers, and what else makes a kernel patch itself, as Debian ships them.
TOOLS := perf trace-cmd bpftrace nft kexec stress-ng modprobe rmmod insmod
$(GUEST)/tools.img: build/run/make-tools build/packages.txt tests/module.mk
	$(Q)build/run/make-tools $@ $(TOOLS)

# A key that no image trusts.
$(GUEST)/stranger.key:
	@mkdir -p $(@D)
	$(Q)minisign -G -W -f -p $(GUEST)/stranger.pub -s $@ > /dev/null

ifdef KREL
K := $(OUT)/kernels/$(KREL)
G := $(GUEST)/$(KREL)
KBUILD = +$(Q)env -u MAKEFLAGS $(MAKE) -s -C $(K)/headers

PATCHES := version pause cmdline busy later count
generation_version := 1
generation_pause := 2
generation_cmdline := 3
generation_busy := 4
generation_later := 5
generation_count := 6
TEST_KEY := $(OUT)/keys/test.key
UNDERSEAL := $(OUT)/underseal

# Made together with its public half, see efi/module.mk.
$(TEST_KEY): $(OUT)/keys/test.pub ;

# kbuild writes beside its sources: it gets copies. Nobody reads BTF of these modules,
# and making it takes pahole.
$(G)/us_attack.ko: $(wildcard tests/guest/module/*) common/abi.h $(K)/version
	@mkdir -p $(G)/module
	$(Q)cp $(wildcard tests/guest/module/*) $(G)/module/
	$(KBUILD) M=$(abspath $(G)/module) COMMON=$(abspath common) \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules \
		> $(G)/module.log 2>&1 || { cat $(G)/module.log; exit 1; }
	$(Q)objcopy --strip-debug $(G)/module/us_attack.ko $@

$(G)/us_live.ko: $(wildcard tests/guest/livepatch/*) $(K)/version
	@mkdir -p $(G)/livepatch
	$(Q)cp $(wildcard tests/guest/livepatch/*) $(G)/livepatch/
	$(KBUILD) M=$(abspath $(G)/livepatch) \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules \
		> $(G)/livepatch.log 2>&1 || { cat $(G)/livepatch.log; exit 1; }
	$(Q)objcopy --strip-debug $(G)/livepatch/us_live.ko $@

# The test userland with modules of this kernel: those of the disks, where they are
# not built in, and some to load and unload.
GUEST_MODULES := nvme ata_piix sd_mod ext4 crc32c_generic dummy veth loop nf_tables msr
$(G)/initramfs.img: $(GUEST)/initramfs.img build/run/make-modules $(K)/version \
		tests/module.mk
	@mkdir -p $(@D)
	$(Q)build/run/make-modules $(G)/modules.img $(K)/modules $(KREL) $(GUEST_MODULES)
	$(Q)cat $(GUEST)/initramfs.img $(G)/modules.img > $@

$(G)/patch/.built: $(wildcard tests/guest/patch/*) $(K)/version
	@mkdir -p $(@D)
	$(Q)cp $(wildcard tests/guest/patch/*) $(@D)
	$(KBUILD) M=$(abspath $(@D)) $(PATCHES:=.o)
	$(Q)touch $@
$(PATCHES:%=$(G)/patch/%.o): $(G)/patch/.built ;

$(G)/baseline.ubase: $(K)/version $(UNDERSEAL)
	@mkdir -p $(@D)
	@echo "Making the baseline of $(KREL)"
	$(Q)$(UNDERSEAL) baseline $(K)/vmlinux --image $(K)/vmlinuz -o $@

# Some of the package's modules and one of the tests' own, with their baselines.
MODULES := libcrc32c nfnetlink nf_tables us_attack
$(G)/modules/.made: $(G)/us_attack.ko $(K)/version $(UNDERSEAL) $(TEST_KEY)
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	@echo "Making the baselines of some modules"
	$(Q)set -e; cp $(G)/us_attack.ko $(@D); for name in $(MODULES); do \
		file=$$(find $(K)/modules -name $$name.ko -o -name $$name.ko.xz); \
		case $$file in \
		*.xz) xz -dc $$file > $(@D)/$$name.ko ;; \
		?*) cp $$file $(@D)/ ;; \
		esac; \
		$(UNDERSEAL) baseline $(@D)/$$name.ko --kernel $(K)/vmlinux \
			--modules $(K)/modules -o $(@D)/$$name.umod; \
		$(UNDERSEAL) sign $(@D)/$$name.umod --key $(TEST_KEY); \
	done
	$(Q)touch $@

# A module of the tests' own with a fault, and the bundle that takes it away.
$(G)/patched/.made: $(wildcard tests/guest/patched/*) $(K)/version $(UNDERSEAL) \
		$(TEST_KEY)
	$(Q)rm -rf $(@D) $(G)/patched-new && mkdir -p $(@D)
	$(Q)cp -r tests/guest/patched $(G)/patched-new
	$(Q)for fixed in "" 1; do \
		env -u MAKEFLAGS $(MAKE) -s -C $(K)/headers \
			M=$(abspath $(G)/patched-new) FIXED=$$fixed \
			CONFIG_DEBUG_INFO_BTF_MODULES= clean modules \
			> $(G)/patched.log 2>&1 || { cat $(G)/patched.log; exit 1; }; \
		test "$$fixed" || cp $(G)/patched-new/us_patched.ko $(@D); \
	done
	$(Q)$(UNDERSEAL) baseline $(@D)/us_patched.ko --kernel $(K)/vmlinux \
		-o $(@D)/us_patched.umod
	$(Q)set -e; generation=0; for name in answer second; do \
		generation=$$((generation + 1)); \
		$(UNDERSEAL) diff $(@D)/us_patched.ko \
			$(G)/patched-new/us_patched.ko --kernel $(K)/vmlinux \
			--generation $$generation --name $$name \
			-o $(@D)/$$name.upatch > $(G)/patched.log; \
		$(UNDERSEAL) authorize-revert $(@D)/$$name.upatch \
			-o $(@D)/$$name.revert; done
	$(Q)set -e; for file in $(@D)/*.umod $(@D)/*.upatch $(@D)/*.revert; do \
		$(UNDERSEAL) sign $$file --key $(TEST_KEY) 2> /dev/null; done
	$(Q)strip --strip-debug $(@D)/us_patched.ko && touch $@

# Modules wait for their bundles; and a bundle that goes again by itself.
# Those of 6.12 carry no relocations, which `underseal gate` needs.
GATE := $(if $(filter 6.1.%,$(KREL)),$(G)/gate)
$(G)/gate/.made: $(K)/version $(G)/patch/version.o $(G)/baseline.ubase $(UNDERSEAL) \
		$(TEST_KEY)
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)$(UNDERSEAL) gate $(K)/vmlinux --generation 100 -o $(@D)/gate.upatch
	$(Q)$(UNDERSEAL) authorize-revert $(@D)/gate.upatch -o $(@D)/gate.revert
	$(Q)set -e; for n in 1 2 3; do \
		$(UNDERSEAL) bundle $(G)/patch/version.o \
		--baseline $(G)/baseline.ubase --system-map $(K)/System.map \
		--generation $$((100 + n)) --name hasty$$n \
		--probation 10 --watch die_counter/4 -o $(@D)/hasty$$n.upatch; done
	$(Q)set -e; for file in $(@D)/*.upatch $(@D)/*.revert; do \
		$(UNDERSEAL) sign $$file --key $(TEST_KEY) 2> /dev/null; done
	$(Q)touch $@

$(PATCHES:%=$(G)/%.upatch): $(G)/%.upatch: $(G)/patch/%.o $(G)/baseline.ubase \
		$(UNDERSEAL)
	$(Q)$(UNDERSEAL) bundle $< --baseline $(G)/baseline.ubase \
		--system-map $(K)/System.map --generation $(generation_$*) \
		--name $* -o $@

$(PATCHES:%=$(G)/%.revert): $(G)/%.revert: $(G)/%.upatch
	$(Q)$(UNDERSEAL) authorize-revert $< -o $@

SIGNED := $(G)/baseline.ubase $(PATCHES:%=$(G)/%.upatch) $(PATCHES:%=$(G)/%.revert)
$(SIGNED:=.minisig): %.minisig: % $(TEST_KEY) $(UNDERSEAL)
	$(Q)said=$$($(UNDERSEAL) sign $< --key $(TEST_KEY) 2>&1) || \
		{ echo "$$said"; exit 1; }

# The baseline with another policy for a changed mapping: tests/system/audit_checks.py
# alters the byte in the guest, which needs no second copy of a large file.
MAPPING_BYTE := 287
MAPPING_VALUES := report halt
mapping_report := 0
mapping_halt := 2
$(MAPPING_VALUES:%=$(G)/mapping-%.minisig): $(G)/mapping-%.minisig: \
		$(G)/baseline.ubase $(TEST_KEY) $(UNDERSEAL)
	$(Q)cp $< $@.ubase
	$(Q)printf '\$(mapping_$*)' | dd of=$@.ubase bs=1 seek=$(MAPPING_BYTE) \
		conv=notrunc status=none
	$(Q)$(UNDERSEAL) sign $@.ubase --key $(TEST_KEY) --signature $@ 2> /dev/null
	$(Q)rm $@.ubase

# Every kind of input that has to be refused; see tests/system/bad_inputs.py.
$(G)/bad/.made: tests/system/bad_inputs.py $(SIGNED) $(SIGNED:=.minisig) \
		$(GUEST)/stranger.key
	$(Q)python3 tests/system/bad_inputs.py $(G) $(@D) $(TEST_KEY) \
		$(GUEST)/stranger.key
	$(Q)touch $@

$(G)/data.img: $(G)/us_attack.ko $(G)/us_live.ko $(SIGNED) $(SIGNED:=.minisig) \
		$(G)/bad/.made $(MAPPING_VALUES:%=$(G)/mapping-%.minisig) \
		$(G)/modules/.made $(G)/patched/.made $(GATE:=/.made) \
		| $(G)/initramfs.img
	$(Q)rm -rf $(G)/data && mkdir $(G)/data
	$(Q)cp -r $(filter-out %/.made,$^) $(G)/bad $(G)/modules $(G)/patched \
		$(GATE) \
		$(K)/vmlinuz $(G)/data/
	$(Q)rm -f $@
	$(Q)mke2fs -q -F -t ext4 -d $(G)/data -L data $@ \
		$$(($$(du -sm $(G)/data | cut -f1) * 17 / 16 + 16))M > /dev/null
	$(Q)rm -rf $(G)/data

include tests/guest/load.mk

GUEST_READY := $(G)/data.img $(G)/initramfs.img $(GUEST)/grub.efi
TEST_READY := $(GUEST_READY) $(GUEST)/tools.img $(OUT)/tests/check_text \
	$(LOAD_READY)

do-run: all $(GUEST_READY)
	$(Q)build/run/run-server $(KREL)
do-demo: all $(GUEST_READY)
	$(Q)python3 tests/system/demo.py $(KREL)
do-test: all $(TEST_READY)
	$(Q)python3 tests/system/run_tests.py $(KREL)
do-load: all $(TEST_READY)
	$(Q)set -e; for cpus in $${LOAD_CPUS:-1 2 4 8}; do LOAD_CPUS=$$cpus \
		APPLY_TIMES=$${APPLY_TIMES:-1000} python3 \
		tests/system/run_tests.py $(KREL) load$$cpus; done
do-soak: all $(TEST_READY)
	$(Q)python3 tests/system/soak.py $(KREL)
# What the other kernels of `make test` need.
do-prepare: $(GUEST_READY)
do-bench: all $(TEST_READY)
	$(Q)python3 tests/system/bench.py $(KREL)
do-debian-server: all $(GUEST_READY)
	$(Q)python3 tests/system/debian_server.py $(KREL)
do-author-guest: all $(GUEST_READY) $(GUEST)/tools.img
	$(Q)python3 tests/system/author_guest.py $(KREL) $(NEXT)
.PHONY: do-run do-demo do-test do-load do-soak do-prepare do-bench do-debian-server do-author-guest
endif

run demo bench soak load debian-server:
	$(Q)release=$$(build/run/fetch-kernel $(KERNEL)) && \
		$(MAKE) --no-print-directory KREL=$$release do-$@

# Two releases whose difference a running system shows.
author-guest: NEXT := 6.1.0-56-cloud-amd64
author-guest:
	$(Q)if old=$$(build/run/fetch-kernel 6.1.0-55-cloud-amd64) && \
		build/run/fetch-kernel $(NEXT) > /dev/null; then \
		$(MAKE) --no-print-directory KREL=$$old NEXT=$(NEXT) \
			do-author-guest; \
	else \
		echo "0 passed, 0 failed, 1 skipped: the archive has dropped" \
			"6.1.0-55 or 6.1.0-56"; \
	fi

# Kernels that `make test` has a short look at; `make test MORE_KERNELS=` at none.
MORE_KERNELS := 6.12-cloud-amd64 6.1-amd64

# The unit tests' count is added to the system tests' by run_tests.py.
MACHINES ?= bochs qemu
test:
	$(Q)mkdir -p $(OUT)
	$(Q)$(MAKE) --no-print-directory unit 2>&1 | tee $(OUT)/unit.log; \
		echo $${PIPESTATUS[0]} > $(OUT)/unit.status
	$(Q)$(MAKE) --no-print-directory test-machines

test-qemu test-bochs: test-%:
	$(Q)$(MAKE) --no-print-directory MACHINES=$* \
		$(if $(filter bochs,$*),MORE_KERNELS=) test-machines

test-machines:
	$(Q)release=$$(build/run/fetch-kernel $(KERNEL)) || exit 1; \
		for kind in $(MORE_KERNELS); do \
			if other=$$(build/run/fetch-kernel $$kind); then \
				$(MAKE) --no-print-directory KREL=$$other \
					do-prepare || exit 1; \
				more="$$more $$other"; \
			else missing="$$missing $$kind"; fi; \
		done; \
		OTHER_KERNELS="$$more" MISSING_KERNELS="$$missing" \
		MACHINES="$(MACHINES)" \
		$(MAKE) --no-print-directory KREL=$$release do-test
test: SHELL := /bin/bash

PHONY += run demo test test-qemu test-bochs test-machines load bench soak debian-server author-guest
