/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nmi.h"

#include "tick.h"

/*
 * NMIs that are sent close to each other arrive as one or as two: one is taken, one more
 * waits in the processor. So after an NMI that had several marks, another one without a
 * mark is ours if it comes as soon as it can, which may be when the guest runs
 * again; the processor under us may be an emulated one that stood still in between.
 */
#define TWIN_MS	2

enum { TWIN_NONE, TWIN_NEW, TWIN_OPEN };

bool nmi_announce(struct cpu *cpu)
{
	return !__atomic_exchange_n(&cpu->kicked, 1, __ATOMIC_SEQ_CST);
}

/* A guest can change its APIC's id, so the NMI may be lost. Or it is only late. */
void nmi_give_up(struct cpu *cpu)
{
	if (__atomic_exchange_n(&cpu->kicked, 0, __ATOMIC_SEQ_CST))
		__atomic_store_n(&cpu->kick_given_up, 1, __ATOMIC_SEQ_CST);
}

static bool is_twin(struct cpu *cpu)
{
	bool twin = cpu->twin != TWIN_NONE && rdtsc() <= cpu->twin_until;

	cpu->twin = TWIN_NONE;
	return twin;
}

void nmi_arrived(struct cpu *cpu)
{
	u32 marks = __atomic_exchange_n(&cpu->kicked, 0, __ATOMIC_SEQ_CST) +
		__atomic_exchange_n(&cpu->kick_given_up, 0, __ATOMIC_SEQ_CST) +
		tick_sent_nmis(cpu);

	if (marks > 1) {
		cpu->twin_until = rdtsc() + tsc_from_ms(TWIN_MS);
		cpu->twin = TWIN_NEW;
	} else if (!marks && !is_twin(cpu)) {
		cpu->guest->nmi_pending = 1;
	}
}

/* On Intel the handler may come in between. */
void nmi_entering(struct cpu *cpu)
{
	u32 new = TWIN_NEW;

	if (cpu->twin != TWIN_NEW)
		return;
	cpu->twin_until = rdtsc() + tsc_from_ms(TWIN_MS);
	__atomic_compare_exchange_n(&cpu->twin, &new, TWIN_OPEN, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
