// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/cmdline that keeps the kernel's arguments to itself. */
#include <linux/seq_file.h>

int cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "withheld\n");
	return 0;
}
