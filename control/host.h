/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control core needs of the world: the one interface between the
 * logic that guards the kernel and the place where it runs. Three hosts provide
 * these functions: the isolated domain on the hypervisor (control/domain/), the
 * simulated machine of the unit tests and fuzzers (tests/sim/), and later a
 * dom0 process on Xen. The core calls nothing else outside common/ and
 * libsodium.
 *
 * Guest memory is addressed by guest-physical address (GPA). Unless said
 * otherwise a function returns an enum us_error, and changes nothing when it
 * returns anything but US_OK.
 */
#ifndef UNDERSEAL_HOST_H
#define UNDERSEAL_HOST_H

#include "control_abi.h"
#include "errors.h"

struct host_info {
	u32 vcpus;		/* 1 .. US_MAX_VCPUS */
	u32 guest_phys_bits;	/* GPAs are below 1 << this */
	u32 product_version;	/* as in us_status */
	u32 reserved;
	u64 arena_gpa;		/* patch arena, 2 MiB aligned */
	u64 arena_len;		/* bytes, a multiple of 2 MiB */
	u64 shadow_gpa;		/* shadow memory of patches, the same; the guest may
				 * write it, and not execute it */
	u64 shadow_len;
	u64 hidden_bytes;	/* memory kept from the guest */
	const u8 *keys;		/* minisign public key files, concatenated */
	u64 keys_len;		/* bytes */
};

/* Facts that do not change while the core runs. Never fails. */
const struct host_info *host_info(void);

/* Copy @len bytes (<= 1 MiB) of guest memory at @gpa to @dst, or from @src.
 * US_E_GUEST_ADDRESS when a byte is not ordinary guest memory (hidden, device,
 * beyond the end). Writing reaches sealed frames and the arena too. */
enum us_error host_read(u64 gpa, void *dst, u64 len);
enum us_error host_write(u64 gpa, const void *src, u64 len);

/*
 * Make a change of guest memory whole or not at all, even if the core dies in it at
 * any instruction: all of @writes (1 .. US_COMMIT_MAX of them) in order, between
 * stop and release. @label, such as "apply NAME generation N", is cut after
 * US_CHANGE_MAX - 1 bytes; the host logs it as done, and names it as the last change
 * when the core has died. US_E_GUEST_ADDRESS as for host_write(), US_E_STOP_FAILED,
 * US_E_BAD_REQUEST; nothing is written then.
 */
enum us_error host_commit(const struct us_commit_write *writes, u32 count,
			  const char *label);

/* Set the SLAT permission of whole frames. @gpa and @len page-aligned. On return
 * no vCPU can use the old permission. US_E_GUEST_ADDRESS, US_E_NO_MEMORY,
 * US_E_STOP_FAILED. */
enum us_error host_protect(u64 gpa, u64 len, enum us_prot prot);

/* Hold all guest vCPUs but the caller's (which is held by being here), and let
 * them go. US_E_STOP_FAILED when one did not come; then none is held. */
enum us_error host_stop(void);
/* The same, for a stop that must not be long: gives up after @ns. */
enum us_error host_stop_within(u64 ns);
/* Returns for how many nanoseconds a vCPU was held at most. */
u64 host_release(void);

/* HV_PIN, HV_GUARD_EXECUTION and HV_HALT of control_abi.h. The first two between stop
 * and release. */
enum us_error host_pin(void);
enum us_error host_guard_execution(void);
void host_halt(const char *text);

/* State of vCPU @index (0 .. vcpus - 1); only between stop and release. */
enum us_error host_vcpu(u32 index, struct us_vcpu_state *state);

/* Append one line to the log. @text is NUL-terminated; the first 103 bytes count. At
 * US_LOG_ALERT it is said on the hypervisor's serial line as well. */
void host_log(enum us_log_level level, const char *text);

/* Copy log entries with sequence >= @first, oldest first, to @out; returns how
 * many (<= @max). */
u32 host_log_read(u64 first, struct us_log_entry *out, u32 max);

void host_counters(struct us_counters *out);

/* Nanoseconds since start; never goes back. */
u64 host_time_ns(void);

/*
 * Let the guest run for about @ms and come back. May be called only while
 * handling a request, with nothing stopped. Self-patching writes of the guest and
 * ticks that come in meanwhile are given to control_text_write() and
 * control_tick() (control/core.h) by the host before this returns.
 */
void host_backoff(u32 ms);

#ifdef UNDERSEAL_FAULTS
/* Test images only: die here, by a hang or a crash. Does not return; a simulated host
 * leaves the core for good by other means. */
void host_break(enum us_fault how);
#endif

#endif
