// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The demonstration: /proc/version with one more line. The old body is
 * version_proc_show() of fs/proc/version.c.
 */
#include <linux/seq_file.h>
#include <linux/utsname.h>

extern const char linux_proc_banner[];

int version_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, linux_proc_banner, utsname()->sysname,
		   utsname()->release, utsname()->version);
	seq_puts(m, "Patched by Underseal while it ran\n");
	return 0;
}
