/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text_write.h"

#include <string.h>

#include "control_domain.h"
#include "decode.h"
#include "memory.h"
#include "vcpu.h"

enum verdict { ALLOWED, REFUSED, LATER };

/* One piece of the store, inside one page. */
static enum verdict judge(struct cpu *cpu, const struct vcpu *vcpu, u64 gpa,
			  u64 gva, const u8 *bytes, u32 len)
{
	struct us_mailbox *mailbox = control.mailbox;
	bool masked = !(vcpu->regs.rflags & RFLAGS_IF);

	/* The domain may be in the middle of a request: help it along. */
	if (!control_run(cpu, masked))
		return LATER;
	if (control.state == CONTROL_DEAD)
		return REFUSED;
	mailbox->write_gpa = gpa;
	mailbox->write_gva = gva;
	mailbox->write_rip = vcpu->regs.rip;
	mailbox->write_len = len;
	memcpy(mailbox->write_bytes, bytes, len);
	control_post(US_EV_TEXT_WRITE, vcpu, SHORT_BUDGET_MS);
	control_run(cpu, true);
	if (control.state == CONTROL_DEAD)
		return REFUSED;
	return control.text_status == US_OK ? ALLOWED : REFUSED;
}

/* A store that crosses into the next page is judged, and done, in two pieces. */
static enum verdict judge_pieces(struct cpu *cpu, const struct vcpu *vcpu,
				 const struct guest_system *system, u64 gpa,
				 const struct store *store)
{
	u64 at = gpa & ~PAGE_MASK;
	u32 first = store->len < PAGE_SIZE - at ? store->len :
		(u32)(PAGE_SIZE - at);
	u64 next_gva = store->gva + first;
	struct guest_mapping mapping;
	enum verdict verdict;

	/* The fault's address may be that of the second page. */
	if ((store->gva & ~PAGE_MASK) != at)
		return REFUSED;
	verdict = judge(cpu, vcpu, gpa, store->gva, store->bytes, first);
	if (verdict != ALLOWED || first == store->len)
		return verdict;
	/* The processor has looked at the first page's permissions only. */
	if (guest_translate(system, next_gva, &mapping) || !mapping.writable ||
	    (system->cpl == 3 && !mapping.user))
		return REFUSED;
	return judge(cpu, vcpu, mapping.gpa, next_gva, store->bytes + first,
		     store->len - first);
}

static void refuse(struct vcpu *vcpu, const struct guest_system *system,
		   const struct store *store)
{
	struct guest_mapping mapping = { 0 };

	if (guest_translate(system, store->gva, &mapping))
		mapping.writable = false;
	inject_write_fault(vcpu, store->gva, mapping.writable, system->cpl == 3);
}

static void refuse_unknown(struct vcpu *vcpu, const struct guest_system *system,
			   const struct vmexit *exit)
{
	u8 insn[8] = { 0 };

	guest_read_linear(system, vcpu->regs.rip, insn, sizeof(insn));
	log_write(US_LOG_WARNING, vcpu->index,
		  "write to sealed memory refused: gpa %lx rip %lx "
		  "insn %02x%02x%02x%02x%02x%02x%02x%02x", exit->slat.gpa,
		  vcpu->regs.rip, insn[0], insn[1], insn[2], insn[3], insn[4],
		  insn[5], insn[6], insn[7]);
	inject_gp(vcpu);
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
