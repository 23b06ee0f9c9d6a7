/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text_write.h"

#include <string.h>

#include "control_domain.h"
#include "decode.h"
#include "memory.h"
#include "slat.h"
#include "vcpu.h"

enum verdict { ALLOWED, REFUSED, LATER };

#define AROUND 16u	/* bytes shown on either side of the write */

/* Show the domain the frame around the write, so that it need not ask. */
static bool fill_around(struct us_mailbox *mailbox, u64 gpa, u32 len)
{
	u32 offset = (u32)(gpa & ~PAGE_MASK);
	u32 room = (u32)PAGE_SIZE - offset - len;
	u32 before = offset < AROUND ? offset : AROUND;
	u32 after = room < AROUND ? room : AROUND;

	static_assert(sizeof(mailbox->write_around) >=
		      sizeof(mailbox->write_bytes) + 2 * AROUND,
		      "the longest write and what is around it");
	mailbox->around_before = before;
	mailbox->around_len = before + len + after;
	return !guest_read(gpa - before, mailbox->write_around,
			   mailbox->around_len);
}

static bool ask_domain(struct cpu *cpu, const struct vcpu *vcpu, u64 gpa, u64 gva,
		       const u8 *bytes, u32 len)
{
	struct us_mailbox *mailbox = control.mailbox;

	if (control.state == CONTROL_DEAD || !fill_around(mailbox, gpa, len))
		return false;
	mailbox->write_gpa = gpa;
	mailbox->write_gva = gva;
	mailbox->write_rip = vcpu->regs.rip;
	mailbox->write_len = len;
	memcpy(mailbox->write_bytes, bytes, len);
	control_post(US_EV_TEXT_WRITE, vcpu, SHORT_BUDGET_MS);
	control_run(cpu, true);
	return control.state != CONTROL_DEAD && control.text_status == US_OK;
}

/* One piece of the store, inside one page. The control lock keeps all others from
 * changing what has been judged until it is carried out. */
static enum verdict judge(struct cpu *cpu, struct vcpu *vcpu, u64 gpa,
			  u64 gva, const u8 *bytes, u32 len)
{
	bool masked = !(vcpu->regs.rflags & RFLAGS_IF);

	/* The domain may be in the middle of a request: help it along. */
	if (!control_run(cpu, masked))
		return LATER;
	/* The seal was lifted meanwhile, or never reached the second page. */
	if (slat_access_at(gpa) == SLAT_OPEN)
		vcpu->flush = 1;
	else if (!ask_domain(cpu, vcpu, gpa, gva, bytes, len))
		return REFUSED;
	return guest_store(gpa, bytes, len) ? REFUSED : ALLOWED;
}

/* The second piece of a store that crosses into the next page. */
static enum verdict judge_rest(struct cpu *cpu, struct vcpu *vcpu,
			       const struct guest_system *system,
			       const struct store *store, u32 first)
{
	struct guest_mapping mapping;
	u64 gva = store->gva + first;

	/* The processor has looked at the first page's permissions only. */
	if (guest_translate(system, gva, &mapping) || !mapping.writable ||
	    (system->cpl == 3 && !mapping.user))
		return REFUSED;
	return judge(cpu, vcpu, mapping.gpa, gva, store->bytes + first,
		     store->len - first);
}

/* A store that crosses into the next page is judged, and done, in two pieces: the
 * second one as it is once the first is there. Both are done or none. */
static enum verdict judge_pieces(struct cpu *cpu, struct vcpu *vcpu,
				 const struct guest_system *system, u64 gpa,
				 const struct store *store)
{
	u64 at = gpa & ~PAGE_MASK;
	u32 first = store->len < PAGE_SIZE - at ? store->len :
		(u32)(PAGE_SIZE - at);
	u8 before[sizeof(store->bytes)];
	enum verdict verdict;

	/* The fault's address may be that of the second page. */
	if ((store->gva & ~PAGE_MASK) != at ||
	    (first < store->len && guest_read(gpa, before, first)))
		return REFUSED;
	verdict = judge(cpu, vcpu, gpa, store->gva, store->bytes, first);
	if (verdict != ALLOWED || first == store->len)
		return verdict;
	verdict = judge_rest(cpu, vcpu, system, store, first);
	/* The domain is asked once more, since it keeps count of probes. */
	if (verdict != ALLOWED && judge(cpu, vcpu, gpa, store->gva, before,
					first) != ALLOWED)
		guest_store(gpa, before, first);
	return verdict;
}

static void refuse(struct vcpu *vcpu, const struct guest_system *system,
		   const struct store *store)
{
	struct guest_mapping mapping = { 0 };

	if (guest_translate(system, store->gva, &mapping))
		mapping.writable = false;
	inject_access_fault(vcpu, store->gva, PF_WRITE, mapping.writable,
			    system->cpl == 3);
}

static void refuse_unknown(struct vcpu *vcpu, const struct guest_system *system,
			   const struct vmexit *exit)
{
	u8 insn[8] = { 0 };

	guest_read_linear(system, vcpu->regs.rip, insn, sizeof(insn));
	log_guest(vcpu->index,
		  "write to sealed memory refused: gpa %lx rip %lx "
		  "insn %02x%02x%02x%02x%02x%02x%02x%02x", exit->slat.gpa,
		  vcpu->regs.rip, insn[0], insn[1], insn[2], insn[3], insn[4],
		  insn[5], insn[6], insn[7]);
	inject_gp(vcpu);
}

/* An instruction may begin in the page before the one that it cannot be read from. */
static u64 fetch_address(const struct guest_system *system, u64 rip, u64 gpa)
{
	struct guest_mapping mapping;

	if (!guest_translate(system, rip, &mapping) &&
	    ALIGN_DOWN(mapping.gpa ^ gpa, PAGE_SIZE))
		return ALIGN_DOWN(rip, PAGE_SIZE) + PAGE_SIZE;
	return rip;
}

/* May what the guest wanted to execute be executed now? */
static bool fetch_is_fine(u64 gpa)
{
	switch (slat_access_at(gpa)) {
	case SLAT_SEALED: return true;
	case SLAT_OPEN: return !slat_execution_guarded();
	default: return false;
	}
}

void sealed_fetch(struct vcpu *vcpu, const struct vmexit *exit)
{
	struct guest_mapping mapping = { 0 };
	struct guest_system system;
	u64 gva;

	if (fetch_is_fine(exit->slat.gpa)) {
		vcpu->flush = 1;	/* what it knows of the frame is old */
		return;
	}
	hv.ops->get_system(vcpu, &system);
	gva = vcpu->regs.rip + (system.code_bits == 64 ? 0 : system.cs_base);
	gva = fetch_address(&system, gva, exit->slat.gpa);
	log_guest(vcpu->index,
		  "fetch from what is not sealed code refused: gpa %lx rip %lx",
		  exit->slat.gpa, vcpu->regs.rip);
	if (guest_translate(&system, gva, &mapping))
		mapping.executable = false;
	inject_access_fault(vcpu, gva, PF_FETCH, mapping.executable,
			    system.cpl == 3);
}

void text_write(struct cpu *cpu, struct vcpu *vcpu, const struct vmexit *exit)
{
	struct guest_system system;
	enum verdict verdict;
	struct store store;

	hv.ops->get_system(vcpu, &system);
	if (!exit->slat.write || exit->slat.table_walk ||
	    decode_store(vcpu, &system, &store)) {
		refuse_unknown(vcpu, &system, exit);
		return;
	}
	if (!control_lock())
		return;
	verdict = judge_pieces(cpu, vcpu, &system, exit->slat.gpa, &store);
	control_unlock();
	if (verdict == ALLOWED)
		decode_complete(vcpu, &store);
	else if (verdict == REFUSED)
		refuse(vcpu, &system, &store);
}
