/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hook of the module gate is made of; also for assembly, which cannot read
 * the ABI's own headers. cmd_gate.c compares the two.
 */
#ifndef UNDERSEAL_GATE_HOOK_H
#define UNDERSEAL_GATE_HOOK_H

/* How long a module waits: so often, with a pause in between, which in a kernel with
 * 250 ticks a second takes 12 to 16 ms. Less in all than the 30 s after which the
 * kernel gives up on loading others that need it (resolve_symbol_wait()). */
#define GATE_TRIES		1250
#define GATE_PAUSE_MS		10

/* The kernel's EAGAIN, negative. */
#define GATE_REFUSED		(-11)

/* struct us_request, and where on the stack; the ticket lies behind it. */
#define GATE_MAGIC		0x51525355
#define GATE_VERSION		4
#define GATE_OP			12
#define GATE_AT_VERSION		4
#define GATE_AT_OP		6
#define GATE_AT_NAME		16
#define GATE_AT_LEN		24
#define GATE_AT_TICKET		152
#define GATE_ROOM		160	/* a multiple of 16 */

/* The doorbell, and its answers. */
#define GATE_PORT		0x780
#define GATE_CALL		0x55534c31
#define GATE_AGAIN		1
#define GATE_BUSY		2
#define GATE_WAITS		99
#define GATE_NAME_MAX		64

/* Marks: at this offset of the code @depth bytes lie on the stack; or the bytes of a
 * call are there that is to lead to the function that the hook calls. */
#define GATE_MARK_CALL		0x80000000

#endif
