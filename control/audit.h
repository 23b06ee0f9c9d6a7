/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit: do the kernel's page tables still lead to what was sealed?
 *
 * The SLAT protects frames. Which frame a linear address means is the guest's
 * business, and AMD treats a table walk as a write, so its tables cannot be
 * write-protected. Instead what every sealed page translated to at seal is
 * noted, and looked at again: in every stop, at writes to sealed text, and on
 * every tick. What is compared is the translation: frame, and whether the page
 * may be written, used from CPL 3 and executed. Which tables lead there does
 * not matter: kernels split large pages and join them again
 * (arch/x86/mm/pat/set_memory.c). What a difference does is US_POLICY_MAPPING
 * of the baseline.
 */
#ifndef UNDERSEAL_AUDIT_H
#define UNDERSEAL_AUDIT_H

#include "baseline.h"
#include "kernel_map.h"

/* Forget everything: control_init(), and a seal that failed. */
void audit_reset(void);

/*
 * The last step of seal, with every range of @kernel frozen and compared. Stops
 * the vCPUs; verifies the IDT's gates, the registers of all started vCPUs and
 * the mapping of every sealed page in their address spaces; pins; notes the
 * mapping; releases. Sets report->idt_gates. KERNEL_IDT, KERNEL_REGISTERS,
 * KERNEL_MAPPING, STOP_FAILED, HOST_FAILED; nothing is pinned or noted then.
 * After success the seal cannot fail any more, since pins cannot be taken back.
 */
enum us_error audit_begin(const struct kernel *kernel,
			  const struct us_baseline_head *head,
			  struct us_seal_report *report);

/*
 * More pages to look at: all of @frames (offsets from 0 on, without gaps; stays
 * the caller's and as it is until removed) from @gva on, mapped with the
 * PTE_WRITE, PTE_USER and PTE_NX of @flags. @gone is asked, at times while all
 * vCPUs are held, when they are found mapped otherwise: true says that they
 * were given up meanwhile, and they are forgotten. KERNEL_MAPPING when they are
 * not mapped so now; MODULE_ROOM.
 */
enum us_error audit_add(u64 gva, const struct frames *frames, u64 flags,
			bool (*gone)(u64 gva));

/* The same for [gpa, gpa + @len) in one piece, which is never given up. */
enum us_error audit_add_run(u64 gva, u64 len, u64 gpa, u64 flags);

/* Would audit_add_run() have room for what lies in the 2 MiB of @gva, twice? */
bool audit_has_room(u64 gva);

/* No more pages at @gva, as given to one of the above. */
void audit_remove(u64 gva);

/*
 * With all vCPUs held: look at everything, in the address space of every
 * started vCPU, and do what the policy says. MAPPING_CHANGED when sealed pages
 * are not mapped as noted and the policy is to report; OK else. Not sealed: OK.
 */
enum us_error audit_stopped(void);

/* The same for the kernel's own address space with the vCPUs running; they are
 * stopped when something differs. STOP_FAILED counts as changed. */
enum us_error audit_now(void);

/* Of control_tick(): at @who's address space too. What a request is about to be told
 * stays as it is. */
void audit_tick(const struct control_caller *who);

/*
 * At an arbitrated write to sealed text at @gva, its address in the image:
 * cheap, and not always done for a page that was just looked at. Does what the
 * policy says.
 */
void audit_write(u64 gva);

/* Numbers for the status. */
struct audit_counts {
	u64 audits;		/* looks at all pages */
	u64 changes;		/* differences found */
	u64 gva;		/* of the last one, else 0 */
	u32 pinned;		/* vCPUs with pinned registers now; when they could not
				 * be stopped, at the last stop */
};
/* Stops the vCPUs. */
void audit_get_counts(struct audit_counts *counts);

#endif
