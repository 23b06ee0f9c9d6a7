/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the isolated domain. */
#ifndef UNDERSEAL_DOMAIN_H
#define UNDERSEAL_DOMAIN_H

#include "control_abi.h"

/* Called by start.S, once. */
void domain_main(struct us_mailbox *box) __attribute__((noreturn));

/* End the domain for good: an invalid instruction, which the hypervisor sees. */
void domain_crash(void) __attribute__((noreturn));

#endif
