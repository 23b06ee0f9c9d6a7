// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel live patch as any administrator may load one: /proc/cmdline is answered
 * by this module. What a sealed kernel's own patching has to go on doing.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int live_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "live patched\n");
	return 0;
}

static struct klp_func functions[] = {
	{
		.old_name = "cmdline_proc_show",
		.new_func = live_cmdline_proc_show,
	}, { }
};

static struct klp_object objects[] = {
	{ .funcs = functions }, { }	/* no name: vmlinux */
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init live_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit live_exit(void)
{
}

module_init(live_init);
module_exit(live_exit);
MODULE_DESCRIPTION("Underseal test: a live patch");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
