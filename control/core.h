/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control core as its host sees it. One thread: a host never enters the core
 * while it is inside, with one exception: control_text_write(), control_tick() and
 * control_reset() from within host_backoff(). No call takes memory that it does not
 * give back; all of the core's memory is static.
 */
#ifndef UNDERSEAL_CORE_H
#define UNDERSEAL_CORE_H

#include "host.h"

/* Who rang the doorbell: registers of the calling vCPU at that instruction. */
struct control_caller {
	u32 vcpu;		/* index */
	u32 cpl;		/* 0 .. 3 */
	u64 cr0, cr3, cr4, efer;
	u64 request_gva;	/* of a struct us_request */
};

/*
 * Forget everything and start: reads the trusted keys and fills the arena with
 * int3. Keys that cannot be read are logged, and then nothing is trusted.
 * Called once before all others (by tests: again, to start afresh).
 * US_E_HOST_FAILED when the arena cannot be written.
 */
enum us_error control_init(void);

/*
 * Carry out the request of @who and keep its result for control_claim(). Returns
 * the request's status: of the call, of formats, seal, apply or revert (errors.h).
 * May stop vCPUs and back off; has released everything on return.
 */
enum us_error control_request(const struct control_caller *who);

/*
 * The caller of the last request is back, and its vCPU is held: write status and
 * response into its memory. Returns the request's status, GUEST_ADDRESS when
 * the memory is not there any more, or BAD_REQUEST when there is nothing to claim.
 */
enum us_error control_claim(const struct control_caller *who);

/* A guest's write to a frame that is not open. */
struct text_write {
	u64 gpa;		/* first byte */
	u64 gva;		/* linear address that the guest used */
	u64 rip;		/* its instruction */
	u32 vcpu;
	u32 len;		/* 1 .. 64, in one frame */
	const u8 *bytes;
	/* The frame as it is now: @around_len bytes from @gpa - @around_before on,
	 * cut at the frame's ends; 8 bytes on either side of the write at least
	 * where the frame has them. */
	const u8 *around;
	u32 around_before, around_len;
};

/*
 * Judge @write. OK: the host carries it out before any other vCPU writes there.
 * BAD_REQUEST: it is refused, and the guest sees a page fault. Changes no guest
 * memory itself; may open frames whose seal has lapsed (a module that is gone).
 */
enum us_error control_text_write(const struct text_write *write);

/* Called at least once a second while sealed, with the registers of the vCPU that
 * happens to be there: looks whether sealed pages are still mapped as at seal, and
 * clears what patches of modules that are gone have left in the arena. */
void control_tick(const struct control_caller *who);

/* The guest is about to reset the machine: says what has to be said before. */
void control_reset(void);

#endif
