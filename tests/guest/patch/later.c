// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/filesystems with one line: replaced while a CPU is offline. */
#include <linux/seq_file.h>

int filesystems_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "later\n");
	return 0;
}
