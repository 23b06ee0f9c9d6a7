/* SPDX-License-Identifier: GPL-2.0-or-later */
/* underseal: the whole command, for build boxes and administrators. */
#include "cli.h"
#include "cmd.h"

const struct command commands[] = {
	{ "baseline", "make the baseline of a kernel build or its modules", cmd_baseline },
	{ "bundle", "make a bundle from an object file", cmd_bundle },
	{ "diff", "compare two builds; make a bundle of what changed",
	  cmd_diff },
	{ "build", "make a bundle from a source fix", cmd_build },
	{ "unwind", "make the bundle for stack traces through bundles' code",
	  cmd_unwind },
	{ "gate", "make the bundle that lets modules wait for theirs", cmd_gate },
	{ "sign", "sign a file as minisign does", cmd_sign },
	{ "verify", "check a file's signature", cmd_verify },
	{ "authorize-revert", "make the authorisation to take a bundle back",
	  cmd_revert_auth },
	{ "inspect", "show a bundle, baseline or revert authorisation",
	  cmd_inspect },
	{ "seal", "verify the running kernel and protect its code", cmd_seal },
	{ "seal-module", "verify a loaded module and protect its code",
	  cmd_seal_module },
	{ "apply", "install a signed bundle", cmd_apply },
	{ "await", "let a module wait for a signed bundle", cmd_await },
	{ "revert", "take a bundle back", cmd_revert },
	{ "health", "confirm that the server is well with a patch", cmd_health },
	{ "retry", "try a bundle again that the server went down with", cmd_retry },
	{ "list", "list installed patches", cmd_list },
	{ "modules", "list modules and how they are protected", cmd_modules },
	{ "status", "show Underseal's state", cmd_status },
	{ "log", "show Underseal's log", cmd_log },
	{ "counters", "show exits and memory use", cmd_counters },
	{ 0 }
};

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
