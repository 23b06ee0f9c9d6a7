/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Installing what is stored. Failures are reported where they arise. */
#ifndef UNDERSEAL_INSTALL_H
#define UNDERSEAL_INSTALL_H

#include "abi.h"
#include "errors.h"

struct install_options {
	const char *patches;	/* where bundles are */
	const char *marks;	/* marks.h */
};

struct install_result {
	bool for_modules;	/* some bundles are for modules, wanted or not */
	bool awaiting;		/* modules wait for some of them when they are loaded */
	bool held;		/* some wait for the next round */
	bool retry;		/* one for a module may go in soon */
};

/*
 * One round: hand over, in their order (store.h), the stored bundles that are newer than
 * what is installed, and with @modules those for modules. A bundle that is refused does
 * not keep back others; the control domain refuses those that need it. But when it may
 * go in soon (a function is in use), later ones for the same text wait for some rounds,
 * because it could not go in behind them. Those for modules are also handed over to be
 * awaited. A bundle with a mark of another boot is left alone. OK when nothing
 * is sealed; else the first error.
 */
enum us_error install_stored(const struct install_options *options, bool modules,
			     struct install_result *result);

/* The state below. Any error of ring(), PROTOCOL. */
enum us_error install_status(struct us_status *status);

#endif
