# SPDX-License-Identifier: GPL-2.0-or-later
# What carries requests to the control domain (tools/ uses it too), and the agent.
## make install-agent  put the agent into a server's file system (DESTDIR=)
CFLAGS_host += -Iguest-agent

CARRIER := guest-agent/fail.c guest-agent/file.c guest-agent/ring.c \
	guest-agent/carry.c guest-agent/doorbell.c guest-agent/bundle_id.c \
	guest-agent/marks.c
AGENT := $(CARRIER) guest-agent/agent.c guest-agent/install.c guest-agent/health.c \
	guest-agent/store.c guest-agent/loaded_modules.c guest-agent/clock.c \
	guest-agent/journal.c common/errors.c common/bundle.c

# Static: it also runs in an initramfs that has no libraries.
$(OUT)/underseal-agent: $(call objects,host,$(AGENT))
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_host) -static $^ -o $@ -lsodium -lpthread

INITRAMFS_TOOLS := $(DESTDIR)/etc/initramfs-tools

# README.md says what is left to do then.
install-agent: $(OUT)/underseal-agent $(OUT)/underseal-guest
	$(Q)install -D -s -m 755 -t $(DESTDIR)/usr/sbin $^
	$(Q)install -D -m 644 -t $(DESTDIR)/usr/share/man/man8 \
		guest-agent/underseal-agent.8
	$(Q)install -D -m 644 -t $(DESTDIR)/etc/systemd/system \
		guest-agent/underseal-agent.service
	$(Q)install -D -m 755 guest-agent/initramfs/hook \
		$(INITRAMFS_TOOLS)/hooks/underseal
	$(Q)install -D -m 755 guest-agent/initramfs/init-premount \
		$(INITRAMFS_TOOLS)/scripts/init-premount/underseal
	$(Q)install -d -m 755 $(DESTDIR)/etc/underseal
	$(Q)install -d -m 700 $(DESTDIR)/var/lib/underseal/patches \
		$(DESTDIR)/var/lib/underseal/marks

ALL += $(OUT)/underseal-agent
PHONY += install-agent
