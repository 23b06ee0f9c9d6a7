/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vcpu.h"

#include <string.h>

#include "apic.h"
#include "nmi.h"
#include "pin.h"
#include "stop.h"
#include "tick.h"

void vcpu_adopt_registers(struct vcpu *vcpu, const struct launch_state *at)
{
	u64 *gpr = vcpu->regs.gpr;

	vcpu->regs.rip = at->rip;
	vcpu->regs.rflags = at->rflags;
	gpr[GPR_RAX] = US_OK;
	gpr[GPR_RSP] = at->rsp;
	gpr[GPR_RBX] = at->rbx;
	gpr[GPR_RBP] = at->rbp;
	gpr[GPR_R12] = at->r12;
	gpr[GPR_R13] = at->r13;
	gpr[GPR_R14] = at->r14;
	gpr[GPR_R15] = at->r15;
}

void vcpu_reset_registers(struct vcpu *vcpu)
{
	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.gpr[GPR_RDX] = cpuid(1, 0).eax;
	vcpu->regs.rflags = RFLAGS_FIXED;
}

void vcpu_flush_all(void)
{
	for (u32 i = 0; i < hv.boot.cpus; i++)
		hv.vcpu[i].flush = 1;
}

void inject_gp(struct vcpu *vcpu)
{
	hv.ops->inject(vcpu, VECTOR_GP, true, 0, 0);
}

void inject_ud(struct vcpu *vcpu)
{
	hv.ops->inject(vcpu, VECTOR_UD, false, 0, 0);
}

void inject_access_fault(struct vcpu *vcpu, u64 gva, u32 access, bool mapped,
			 bool user)
{
	u32 error = PF_PRESENT | access;

	if (user)
		error |= PF_USER;
	/* Where the guest's own page tables allow the access, Linux would take an
	 * ordinary fault for a stale translation and try again for ever
	 * (spurious_kernel_fault); a reserved-bit fault it takes seriously. */
	if (mapped)
		error |= PF_RESERVED;
	hv.ops->inject(vcpu, VECTOR_PF, true, error, gva);
}

static void take_init(struct vcpu *vcpu)
{
	vcpu->pending_init = 0;
	vcpu->state = VCPU_WAIT_SIPI;
	vcpu->nmi_pending = 0;
	apic_reset_self();
	/* One that was not announced: its SIPI has to be seen. */
	apic_watch_starts();
}

static void wait_for_sipi(struct cpu *cpu, struct vcpu *vcpu)
{
	u32 sipi = __atomic_exchange_n(&vcpu->pending_sipi, 0, __ATOMIC_SEQ_CST);

	if (!sipi) {
		hv.ops->wait_for_nmi(cpu);
		return;
	}
	hv.ops->vcpu_sipi(vcpu, (u8)sipi);
	vcpu_reset_registers(vcpu);
	pin_vcpu_reset(vcpu);
	vcpu->state = VCPU_RUNNING;
	vcpu->nmi_pending = 0;
	vcpu->in_handler = false;
	vcpu->host_since = rdtsc();	/* the wait does not count */
	apic_vcpu_started(vcpu);
}

static void deliver_nmi(struct vcpu *vcpu)
{
	/* Another one that comes in between is the same to the guest. */
	if (vcpu->nmi_pending && hv.ops->inject_nmi(vcpu))
		vcpu->nmi_pending = 0;
}

/* All that others may have asked of this vCPU; returns when it may run. */
static void prepare(struct cpu *cpu, struct vcpu *vcpu)
{
	for (;;) {
		stop_poll();
		if (vcpu->pending_init)
			take_init(vcpu);
		if (vcpu->state == VCPU_RUNNING)
			break;
		wait_for_sipi(cpu, vcpu);
	}
	pin_vcpu_poll(vcpu);
	if (vcpu->flush) {
		vcpu->flush = 0;
		hv.ops->flush(vcpu);
	}
	tick_prepare(vcpu);
	deliver_nmi(vcpu);
}

void vcpu_loop(struct cpu *cpu)
{
	struct vcpu *vcpu = cpu->guest;
	struct vmexit exit;

	vcpu->host_since = rdtsc();
	for (;;) {
		prepare(cpu, vcpu);
		vcpu->host_tsc += rdtsc() - vcpu->host_since;
		nmi_entering(cpu);
		/* A kick from here on ends the run at once: vmm.h. */
		hv.ops->run(cpu, vcpu, true, &exit);
		vcpu->host_since = rdtsc();
		handle_exit(cpu, vcpu, &exit);
		tick_poll(cpu, vcpu);
	}
}
