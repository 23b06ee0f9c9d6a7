/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Confirming that the server is well with patches that are on probation. Failures are
 * reported where they arise.
 */
#ifndef UNDERSEAL_HEALTH_H
#define UNDERSEAL_HEALTH_H

#include "errors.h"
#include "types.h"

struct health_options {
	const char *marks;	/* marks.h */
	const char *command;	/* for /bin/sh; NULL: being up is enough */
};

/* Look which patches are on probation. Each has a mark from then on; one whose health
 * somebody else has confirmed has none. Any error of ring(). */
enum us_error health_look(const struct health_options *options);

/*
 * Do what is due at @now (clock.h): shortly before a patch's probation is over run the
 * command, which gets the patch's name in UNDERSEAL_PATCH, and confirm if it ends with
 * status 0. Until the time is over a command that fails is run again each second.
 * Returns when it wants to be called next.
 */
u64 health_tick(const struct health_options *options, u64 now);

/* The agent ends in good order: what is still on probation and has not failed may be
 * tried after the next boot, so its mark goes. */
void health_end(const struct health_options *options);

#endif
