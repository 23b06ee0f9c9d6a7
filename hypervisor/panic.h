/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HV_PANIC_H
#define HV_PANIC_H

#include "descriptors.h"

/* An exception in the hypervisor's own code: dump all state on serial, stop. */
void __attribute__((noreturn)) panic_exception(const struct exception_frame *frame);

/* The control domain's last word (HV_HALT): @why on serial, and nothing runs again. */
void __attribute__((noreturn)) halt_machine(const char *why);

#endif
