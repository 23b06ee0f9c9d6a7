/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs every suite. With one argument: only the suite of that name. */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

#include "suites.h"

static const struct {
	const char *name;
	const struct test *tests;
} suites[] = {
#define LIST_SUITE(name) { #name, name##_tests },
	SUITES(LIST_SUITE)
#undef LIST_SUITE
};

int suite_has_test(const char *suite, const char *test)
{
	const struct test *at;
	unsigned int i;

	for (i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		if (strcmp(suites[i].name, suite))
			continue;
		for (at = suites[i].tests; at->name; at++)
			if (!strcmp(at->name, test))
				return 1;
	}
	return 0;
}

static int register_all(const char *only)
{
	const struct test *at;
	unsigned int i;

	for (i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		CU_pSuite suite;

		if (only && strcmp(only, suites[i].name))
			continue;
		suite = CU_add_suite(suites[i].name, NULL, NULL);
		if (!suite)
			return -1;
		for (at = suites[i].tests; at->name; at++)
			if (!CU_add_test(suite, at->name, at->run))
				return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int run, failed;

	if (CU_initialize_registry() || register_all(argc > 1 ? argv[1] : NULL)) {
		fprintf(stderr, "%s\n", CU_get_error_msg());
		return 2;
	}
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	printf("unit: %u passed, %u failed\n", run - failed, failed);
	return failed || !run;
}
