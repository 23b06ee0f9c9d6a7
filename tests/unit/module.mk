# SPDX-License-Identifier: GPL-2.0-or-later
# CUnit tests, plain and under sanitizers, other test programs, and a short run of
# every fuzz target. Another module adds a test program of its own with
#	UNIT_PROGRAMS += $(OUT)/tests/NAME
#	unit: $(OUT)/tests/NAME
# Its last line says "N passed, N failed, N skipped".
# Of the hypervisor, what needs no machine under it.
UNIT_SOURCES := $(wildcard tests/unit/*.c) $(wildcard tests/sim/*.c) $(CONTROL_CORE) \
	$(addprefix hypervisor/,commit.c decode.c events.c nmi.c pages.c pin.c slat.c window.c \
		vmx/controls.c vmx/mtrr.c) \
	$(addprefix guest-agent/,install.c health.c store.c marks.c bundle_id.c \
		carry.c file.c fail.c) \
	tools/unwind_hook.S tools/gate_hook.S
CFLAGS_asan += -Iguest-agent
UNIT_PROGRAMS += $(OUT)/tests/unit $(OUT)/tests/unit-asan
UNIT_LIBS := -lcunit -lsodium
FUZZ_SECONDS ?= 2

$(OUT)/tests/unit: $(call objects,host,$(UNIT_SOURCES))
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(UNIT_LIBS)
$(OUT)/tests/unit-asan: $(call objects,asan,$(UNIT_SOURCES))
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=address,undefined -o $@ $^ $(UNIT_LIBS)

unit: $(OUT)/tests/unit $(OUT)/tests/unit-asan $(FUZZ_PROGRAMS) $(OUT)/tests/seeds
	$(Q)tests/unit/run $(OUT) $(FUZZ_SECONDS) $(UNIT_PROGRAMS) -- $(FUZZ_PROGRAMS)

PHONY += unit
