# SPDX-License-Identifier: GPL-2.0-or-later
# Compiler flags, one set per kind of code. CC=clang works as well as gcc.
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG := clang
OBJCOPY := objcopy
AR := ar

OUT := build/out
OBJ := $(OUT)/obj

WARNINGS := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow \
	-Wundef -Wvla -Wpointer-arith -Wwrite-strings -Werror
BASE_CFLAGS := -std=gnu17 -O2 -g $(WARNINGS) -Icommon -MMD -MP
FREESTANDING := -ffreestanding -fno-stack-protector -mno-red-zone -fno-common \
	-fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing

# hypervisor/: position independent, no vector registers (they are the guest's).
CFLAGS_hv := $(BASE_CFLAGS) $(FREESTANDING) -fPIE -fvisibility=hidden \
	-mgeneral-regs-only -Ihypervisor
# control/ as the isolated domain: fixed address, SSE2 allowed.
CFLAGS_control := $(BASE_CFLAGS) $(FREESTANDING) -fno-pie -mcmodel=small -Icontrol
# Hosted code: tools, agent, unit tests.
CFLAGS_host := $(BASE_CFLAGS) -D_GNU_SOURCE -fstack-protector-strong -Icontrol \
	-iquote hypervisor
CFLAGS_asan := $(CFLAGS_host) -O1 -fsanitize=address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_fuzz := $(CFLAGS_asan) -fsanitize=fuzzer

# $(call objects,KIND,SOURCES): the object files of SOURCES compiled as KIND.
objects = $(patsubst %.c,$(OBJ)/$(1)/%.o,$(patsubst %.S,%.c,$(2)))

# One rule per kind; module.mk files add to CFLAGS_x or define kinds of their own.
define compile_kind
$(OBJ)/$(1)/%.o: %.c $(DEPS_STAMP)
	@mkdir -p $$(@D)
	$(Q)$$(if $$(CC_$(1)),$$(CC_$(1)),$$(CC)) $$(CFLAGS_$(1)) -c $$< -o $$@
$(OBJ)/$(1)/%.o: %.S $(DEPS_STAMP)
	@mkdir -p $$(@D)
	$(Q)$$(if $$(CC_$(1)),$$(CC_$(1)),$$(CC)) $$(CFLAGS_$(1)) -D__ASSEMBLY__ -c $$< -o $$@
endef
CC_fuzz := $(CLANG)
