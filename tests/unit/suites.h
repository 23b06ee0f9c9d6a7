/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All CUnit suites. To add one: write a file with a `const struct test NAME[]`
 * ending in { 0 }, add a SUITE line here, and the file to tests/unit/module.mk.
 */
#ifndef UNDERSEAL_SUITES_H
#define UNDERSEAL_SUITES_H

#include <CUnit/CUnit.h>

struct test {
	const char *name;
	void (*run)(void);
};

#define SUITES(SUITE)		\
	SUITE(page_walk)	\
	SUITE(bundle)		\
	SUITE(baseline)		\
	SUITE(minisign)		\
	SUITE(request)		\
	SUITE(seal)		\
	SUITE(apply)		\
	SUITE(in_use)		\
	SUITE(revert)		\
	SUITE(change)		\
	SUITE(data)		\
	SUITE(sequences)	\
	SUITE(text_write)	\
	SUITE(site_rule)	\
	SUITE(probes)		\
	SUITE(audit)		\
	SUITE(modules)		\
	SUITE(health)		\
	SUITE(await)		\
	SUITE(gate)		\
	SUITE(module_patches)	\
	SUITE(dropped)		\
	SUITE(module_file)	\
	SUITE(guards)		\
	SUITE(decode)		\
	SUITE(nmi)		\
	SUITE(pin)		\
	SUITE(slat)		\
	SUITE(commit)		\
	SUITE(task_lists)	\
	SUITE(faults)		\
	SUITE(vmx)		\
	SUITE(vmx_models)	\
	SUITE(events)		\
	SUITE(mtrr)		\
	SUITE(unwind)		\
	SUITE(agent)		\
	SUITE(errors)

#define DECLARE_SUITE(name) extern const struct test name##_tests[];
SUITES(DECLARE_SUITE)
#undef DECLARE_SUITE

/* Is there a test with this name in the suite of that name? */
int suite_has_test(const char *suite, const char *test);

#endif
