# SPDX-License-Identifier: GPL-2.0-or-later
# The `underseal` command: whole, and as a static one for the guest.
CFLAGS_host += -Itools -Iguest-agent

TOOLS_COMMON := common/errors.c common/minisign.c common/bundle.c \
	common/baseline.c
TOOLS_BASE := tools/cli.c tools/file.c tools/report.c tools/cmd_inspect.c
TOOLS_AUTHOR := tools/main.c tools/cmd_baseline.c tools/kernel_image.c \
	tools/kernel_relocs.c tools/kernel_vmlinuz.c tools/decompress.c \
	tools/kernel_types.c tools/kernel_sites.c tools/kernel_facts.c \
	tools/baseline_write.c tools/symbol_map.c

TOOLS_OBJECTS := $(call objects,host,$(TOOLS_COMMON) $(TOOLS_BASE) \
	$(TOOLS_AUTHOR))

$(OUT)/underseal: $(TOOLS_OBJECTS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) $^ -o $@ -ldw -lelf -ljansson -lsodium -lzstd \
		-llz4 -llzma

ALL += $(OUT)/underseal

# Compares a dump of a kernel's text with a baseline; see tests/tools/live_text.py.
CHECK_TEXT := $(call objects,host,tests/tools/check_text.c \
	$(filter-out tools/cmd_inspect.c,$(TOOLS_BASE)) $(TOOLS_COMMON))

$(OUT)/tests/check_text: $(CHECK_TEXT)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) $^ -o $@ -ljansson -lsodium
