/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to control/. */
#ifndef UNDERSEAL_REVERT_H
#define UNDERSEAL_REVERT_H

#include "errors.h"
#include "types.h"

/*
 * Take installed patch @index out with the control domain's own authority: one attempt,
 * outside of requests. Touches no response; the error's details are in
 * control.result. Errors of US_OP_REVERT.
 */
enum us_error revert_aside(u32 index);

#endif
