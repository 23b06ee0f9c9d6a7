# SPDX-License-Identifier: GPL-2.0-or-later
# libFuzzer targets in build/out/fuzz/, one program each. efi/module.mk has one more,
# for underseal.conf, tools/module.mk those for ELF files and for diffs.
PARSER_FUZZERS := bundle revert baseline_head baseline_block module \
	minisign_signature minisign_key
FUZZ_PROGRAMS := $(PARSER_FUZZERS:%=$(OUT)/fuzz/%) $(OUT)/fuzz/request \
	$(OUT)/fuzz/elf $(OUT)/fuzz/fix $(if $(wildcard efi/config_fuzz.c),$(OUT)/fuzz/config)
FUZZ_PARSERS := common/bundle.c common/baseline.c common/module_baseline.c \
	common/minisign.c
FUZZ_MACHINE := $(wildcard tests/sim/*.c) tests/unit/maker.c
# The machine is not what is looked for faults in: no coverage, which costs time.
CFLAGS_fuzzmachine = $(filter-out -fsanitize=fuzzer,$(CFLAGS_fuzz))
CC_fuzzmachine := $(CLANG)
$(eval $(call compile_kind,fuzzmachine))
# With the operation that arms faults, which the core has in test images.
CFLAGS_host += -Itests/sim -Itests/unit -DUNDERSEAL_FAULTS
CFLAGS_asan += -Itests/sim -Itests/unit -DUNDERSEAL_FAULTS
CFLAGS_fuzz += -Itests/sim -Itests/unit -Itests/fuzz

define parser_fuzzer
CFLAGS_fuzz_$(1) = $$(CFLAGS_fuzz) -DFUZZ_$(1)
CC_fuzz_$(1) := $$(CLANG)
$$(eval $$(call compile_kind,fuzz_$(1)))
$(OUT)/fuzz/$(1): $$(call objects,fuzz_$(1),tests/fuzz/parsers.c) \
		$$(call objects,fuzz,$(FUZZ_PARSERS))
	@mkdir -p $$(@D)
	$$(Q)$$(CLANG) $$(CFLAGS_fuzz) $$^ -o $$@ -lsodium
endef
$(foreach name,$(PARSER_FUZZERS),$(eval $(call parser_fuzzer,$(name))))

$(OUT)/fuzz/request: $(call objects,fuzz,$(CONTROL_CORE)) \
		$(call objects,fuzzmachine,tests/fuzz/request.c $(FUZZ_MACHINE))
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CFLAGS_fuzz) $^ -o $@ -lsodium

$(OUT)/tests/seeds: $(call objects,host,tests/fuzz/seeds.c tests/unit/maker.c \
		tests/unit/module_maker.c $(wildcard tests/sim/*.c) $(CONTROL_CORE))
	@mkdir -p $(@D)
	$(Q)$(CC) $^ -o $@ -lsodium
