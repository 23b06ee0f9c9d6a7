/* SPDX-License-Identifier: GPL-2.0-or-later */
/* underseal-guest: what a server needs of the command, in one static program. */
#include "cli.h"
#include "cmd.h"
#include "inspect.h"

const struct command commands[] = {
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
	{ "verify", "check a file's signature", cmd_verify },
	{ "inspect", "show a bundle, baseline or revert authorisation",
	  cmd_inspect },
	{ 0 }
};

/* A reviewer works elsewhere. */
enum us_error (*const inspect_code)(const struct inspect_options *options,
				    const struct us_bundle *bundle,
				    json_t *object) = NULL;

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
