/* SPDX-License-Identifier: GPL-2.0-or-later */
/* underseal: the whole command, for build boxes and administrators. */
#include "cli.h"
#include "cmd.h"

const struct command commands[] = {
	{ "baseline", "make the baseline of a kernel build", cmd_baseline },
	{ "inspect", "show a bundle, baseline or revert authorisation",
	  cmd_inspect },
	{ 0 }
};

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
