# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests under load and the benchmark of the stop need of one kernel: bundles and
# live patches of the same functions, in numbers. Included by tests/module.mk.
COUNTS := 1 2 10 100

$(G)/many/.built: $(wildcard tests/guest/many/*) tests/guest/load.mk $(K)/version
	@mkdir -p $(@D)
	$(Q)cp tests/guest/many/Makefile $(@D)
	$(Q)for count in $(COUNTS); do tests/guest/many/generate $$count plain \
		> $(@D)/many-$$count.c || exit 1; done
	$(KBUILD) M=$(abspath $(@D)) COUNTS="$(COUNTS)" $(COUNTS:%=many-%.o)
	$(Q)touch $@
$(COUNTS:%=$(G)/many/many-%.o): $(G)/many/.built ;

# One of each; tests/system/bundle_sets.py numbers as many as are needed.
$(COUNTS:%=$(G)/many-%.upatch): $(G)/many-%.upatch: $(G)/many/many-%.o \
		$(G)/baseline.ubase $(UNDERSEAL)
	$(Q)$(UNDERSEAL) bundle $< --baseline $(G)/baseline.ubase \
		--system-map $(K)/System.map --generation 1 --name many-$* -o $@

$(G)/bench/.built: $(wildcard tests/guest/bench/* tests/guest/many/*) \
		tests/guest/load.mk $(K)/version
	@mkdir -p $(@D)
	$(Q)cp $(wildcard tests/guest/bench/*) $(@D)
	$(Q)for count in $(COUNTS); do tests/guest/many/generate $$count live \
		> $(@D)/us_klp_$$count.c || exit 1; done
	$(KBUILD) M=$(abspath $(@D)) COUNTS="$(COUNTS)" \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules \
		> $(@D).log 2>&1 || { cat $(@D).log; exit 1; }
	$(Q)strip --strip-debug $(@D)/*.ko && touch $@

LOAD_READY := $(COUNTS:%=$(G)/many-%.upatch) $(G)/bench/.built
