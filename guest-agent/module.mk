# SPDX-License-Identifier: GPL-2.0-or-later
# What carries requests to the control domain (tools/ uses it too), and the agent.
CFLAGS_host += -Iguest-agent

CARRIER := guest-agent/fail.c guest-agent/file.c guest-agent/ring.c \
	guest-agent/carry.c guest-agent/doorbell.c
AGENT := $(CARRIER) guest-agent/agent.c guest-agent/store.c \
	guest-agent/journal.c common/errors.c common/bundle.c

# Static: it also runs in an initramfs that has no libraries.
$(OUT)/underseal-agent: $(call objects,host,$(AGENT))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) -static $^ -o $@

ALL += $(OUT)/underseal-agent
