# SPDX-License-Identifier: GPL-2.0-or-later
# Underseal. `make help` lists the targets.
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
Q := $(if $(V),,@)

include build/config.mk
DEPS_STAMP := $(OUT)/.packages-$(shell cksum < build/packages.txt | cut -d' ' -f1)

all:

$(DEPS_STAMP): build/packages.txt
	$(Q)build/install-packages $@

$(foreach kind,hv control host asan fuzz,$(eval $(call compile_kind,$(kind))))

include $(wildcard */module.mk)

all: $(ALL)

clean:
	rm -rf $(OUT)

help:
	@sed -n 's/^## //p' Makefile */module.mk

.PHONY: all clean help $(PHONY)

-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)

## make            build everything into build/out/
## make clean      remove build/out/
