// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module with a fault, and without it when FIXED is defined. Its answer is a
 * parameter: /sys/module/us_patched/parameters/answer. What the fixed function needs:
 * its module's own data and functions, the kernel's functions, a new string.
 */
#include <linux/module.h>

static int limit = 40;
module_param(limit, int, 0644);

static noinline int bounded(int value)
{
	return value < limit ? value : limit;
}

static int get_answer(char *text, const struct kernel_param *param)
{
#ifdef FIXED
	return scnprintf(text, PAGE_SIZE, "fixed %d of %d\n",
			 bounded(limit + 1000), limit);
#else
	return scnprintf(text, PAGE_SIZE, "faulty %d\n",
			 bounded(limit + 1000) + 1000);
#endif
}

/* How the module was when its first code ran. */
static char *born = "unborn";
module_param(born, charp, 0444);

static noinline void be_born(void)
{
#ifdef FIXED
	WRITE_ONCE(born, "fixed");
#else
	WRITE_ONCE(born, "faulty");
#endif
}

static const struct kernel_param_ops answer_ops = {
	.get = get_answer,
};
module_param_cb(answer, &answer_ops, NULL, 0444);

static int __init patched_init(void)
{
	be_born();
	return 0;
}

static void __exit patched_exit(void)
{
}

module_init(patched_init);
module_exit(patched_exit);
MODULE_DESCRIPTION("Underseal test: a module that is patched");
MODULE_LICENSE("GPL");
