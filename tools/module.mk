# SPDX-License-Identifier: GPL-2.0-or-later
# The `underseal` command: whole, and as a static one for the guest.
CFLAGS_host += -Itools

TOOLS_COMMON := common/errors.c common/minisign.c common/bundle.c \
	common/baseline.c common/module_baseline.c
# What every program here links.
TOOLS_LIB := $(TOOLS_COMMON) $(CARRIER) tools/cli.c tools/policy.c tools/report.c \
	tools/baseline_shares.c \
	tools/report_bundle.c tools/report_module.c
TOOLS_BASE := $(TOOLS_LIB) tools/dispatch.c tools/answer.c tools/answer_seal.c \
	tools/cmd_inspect.c \
	tools/cmd_online.c tools/cmd_health.c tools/cmd_verify.c
TOOLS_BUILD := tools/cmd_build.c tools/build.c tools/build_units.c \
	tools/build_includes.c tools/build_judge.c tools/build_changes.c \
	tools/build_types.c tools/build_others.c tools/build_carry.c tools/source_tree.c \
	tools/source_kbuild.c tools/source_module.c tools/source_change.c tools/fix_file.c \
	tools/fix_apply.c tools/archive.c tools/process.c
TOOLS_INSPECT := tools/inspect_review.c tools/inspect_listing.c \
	tools/inspect_bundle.c tools/inspect_writes.c
# What underseal diff reads and compares with.
DIFF_READER := tools/diff_side.c tools/diff_lookup.c tools/diff_sites.c \
	tools/diff_code.c tools/diff_match.c tools/diff_equal.c \
	tools/diff_compare.c tools/diff_tables.c tools/diff_data.c \
	tools/diff_files.c tools/decoder.c tools/kernel_image.c
TOOLS_AUTHOR := $(TOOLS_INSPECT) tools/cmd_baseline.c tools/kernel_image.c \
	tools/kernel_relocs.c tools/kernel_vmlinuz.c tools/decompress.c \
	tools/kernel_types.c tools/kernel_facts.c tools/kernel_memory.c \
	tools/kernel_insn.c tools/kernel_tables.c tools/kernel_nops.c \
	tools/kernel_patch.c tools/kernel_values.c tools/kernel_runtime.c \
	tools/kernel_entries.c tools/kernel_classes.c \
	tools/kernel_prototypes.c tools/kernel_gates.c tools/kernel_ranges.c \
	tools/kernel_probes.c tools/kernel_strings.c tools/module_file.c tools/module_set.c \
	tools/module_link.c tools/module_make.c tools/module_command.c \
	tools/baseline_write.c tools/symbol_map.c \
	tools/baseline_read.c tools/object_file.c tools/bundle_functions.c \
	tools/bundle_payload.c tools/bundle_data.c tools/bundle_shadow.c \
	tools/bundle_write.c tools/bundle_options.c tools/write_spec.c \
	tools/variable.c tools/bundle_writes.c tools/cmd_bundle.c \
	tools/secret_key.c tools/cmd_sign.c tools/cmd_revert_auth.c \
	$(filter-out tools/kernel_image.c,$(DIFF_READER)) \
	tools/diff_module.c tools/diff_shapes.c tools/diff_types.c tools/diff_use.c tools/diff_place.c \
	tools/diff_body.c tools/diff_special.c tools/diff_warn.c \
	tools/diff_flags.c tools/diff_author.c tools/diff_unwind.c \
	tools/diff_entry.c \
	tools/diff_plan.c tools/diff_together.c \
	tools/diff_bundle.c tools/diff_report.c \
	tools/cmd_diff.c tools/cmd_unwind.c tools/unwind_hook.S tools/cmd_gate.c tools/gate_hook.S \
	tools/hook_bundle.c $(TOOLS_BUILD)

$(OUT)/underseal: $(call objects,host,tools/main.c $(TOOLS_BASE) $(TOOLS_AUTHOR))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) $^ -o $@ -ldw -lelf -ljansson -lsodium -lzstd \
		-llz4 -llzma -lZydis -lZycore -lbpf

# Static: it also runs in an initramfs that has no libraries.
$(OUT)/underseal-guest: $(call objects,host,tools/main_guest.c $(TOOLS_BASE))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) -static $^ -o $@ -ljansson -lsodium -lpthread

ALL += $(OUT)/underseal $(OUT)/underseal-guest

# Compares a dump of a kernel's text with a baseline; see tests/tools/live_text.py.
$(OUT)/tests/check_text: $(call objects,host,tests/tools/check_text.c \
		tools/baseline_read.c $(TOOLS_LIB))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) $^ -o $@ -ljansson -lsodium

# The same for a module; see tests/tools/live_modules.py.
$(OUT)/tests/check_module: $(call objects,host,tests/tools/check_module.c $(TOOLS_LIB))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) $^ -o $@ -ljansson -lsodium

$(OUT)/tests/test_ring: $(call objects,host,tests/tools/test_ring.c \
		guest-agent/ring.c guest-agent/fail.c common/errors.c)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) $^ -o $@

CFLAGS_fuzzelf = $(CFLAGS_fuzz) -Itools -Iguest-agent
CC_fuzzelf := $(CLANG)
$(eval $(call compile_kind,fuzzelf))
$(OUT)/fuzz/elf: $(call objects,fuzzelf,tests/fuzz/elf.c $(DIFF_READER) \
		tools/cli.c guest-agent/fail.c common/errors.c)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CFLAGS_fuzz) $^ -o $@ -lZydis -ljansson -lelf

$(OUT)/fuzz/fix: $(call objects,fuzzelf,tests/fuzz/fix.c tools/fix_file.c \
		tools/fix_apply.c tools/cli.c guest-agent/fail.c guest-agent/file.c \
		common/errors.c)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CFLAGS_fuzz) $^ -o $@ -ljansson

# A good input for the one that reads ELF.
$(OUT)/tests/elf-seed.o: tests/tools/author/kernel.c tests/tools/author/kernel.h
	@mkdir -p $(@D)
	$(Q)gcc -O1 -fno-pic -mcmodel=kernel -ffreestanding -w -DRELEASE='"1"' -c $< -o $@
unit: $(OUT)/tests/elf-seed.o

# Tests of the command and of the doorbell's client.
UNIT_PROGRAMS += tests/tools/run tests/tools/run-author
unit: $(OUT)/underseal $(OUT)/tests/test_ring

## make live-text  compare running kernels' text with their baselines, no hypervisor
live-text: $(OUT)/underseal $(OUT)/tests/check_text
	$(Q)tests/tools/live_kernels $(OUT)

## make test-author  the tests of underseal diff and build alone
test-author: $(OUT)/underseal
	$(Q)OUT=$(OUT) tests/tools/run-author

## make live-modules  the same for the modules that these kernels load
live-modules: $(OUT)/underseal $(OUT)/tests/check_module
	$(Q)tests/tools/live_kernels_modules $(OUT)

PHONY += live-text live-modules test-author
