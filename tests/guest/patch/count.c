// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/loadavg that counts who reads it: a variable that the kernel did not have. */
#include <linux/seq_file.h>

static unsigned long reads;

int loadavg_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "read %lu times\n", ++reads);
	return 0;
}
