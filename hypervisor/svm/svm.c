/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AMD-V backend: fills in vmm.h with VMCBs. APM volume 2, chapter 15.
 *
 * Clean bits stay 0 and every VMCB change is therefore seen; ASIDs: 1 is the
 * guest, 2 the control domain.
 */
#include <string.h>

#include "memory.h"
#include "svm/svm.h"

#define ASID_GUEST	1
#define ASID_CONTROL	2

#define MSRPM_SIZE	(2 * PAGE_SIZE)
#define IOPM_SIZE	(3 * PAGE_SIZE)
#define PAGE_ALIGNED	__attribute__((aligned(4096)))

static struct vmcb guest_vmcb[MAX_CPUS] PAGE_ALIGNED;
static struct vmcb host_vmcb[MAX_CPUS] PAGE_ALIGNED;
static u8 host_save[MAX_CPUS][PAGE_SIZE] PAGE_ALIGNED;
static struct vmcb control_vmcb PAGE_ALIGNED;
static u8 guest_msrpm[MSRPM_SIZE] PAGE_ALIGNED;
static u8 all_msrs[MSRPM_SIZE] PAGE_ALIGNED;
static u8 guest_iopm[IOPM_SIZE] PAGE_ALIGNED;
static u8 all_ports[IOPM_SIZE] PAGE_ALIGNED;
static bool have_nrips, have_flush_asid;

static struct vmcb *vmcb_of(const struct vcpu *vcpu)
{
	return vcpu->vendor;
}

static enum us_error svm_probe(void)
{
	if (cpuid(0x80000000, 0).eax < 0x8000000a ||
	    !(cpuid(0x80000001, 0).ecx & (1u << 2)))
		return US_E_CPU_VENDOR;
	if (!(cpuid(0x8000000a, 0).edx & SVM_FEATURE_NPT))
		return US_E_NO_NESTED_PAGING;
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
		return US_E_SVM_DISABLED;
	return US_OK;
}

/* Two bits for each MSR, read then write; three ranges of 8192, section 15.11. */
static void msrpm_set(u32 msr, bool write, bool on)
{
	u32 bit = (msr & 0x1fff) * 2 + write;
	u8 *byte = guest_msrpm + bit / 8;

	if (msr >= 0xc0010000)
		byte += 0x1000;
	else if (msr >= 0xc0000000)
		byte += 0x800;
	if (on)
		*byte |= 1u << (bit % 8);
	else
		*byte &= ~(1u << (bit % 8));
}

static void iopm_set(u16 port)
{
	guest_iopm[port / 8] |= 1u << (port % 8);
}

/* Where DRAM, MMIO and SMM memory lie: BIOS and kernel developer's guides, "MSRs
 * C001_xxxx". A guest that moved them could make the hypervisor's memory its own. */
static const u32 machine_map[] = {
	0xc0010010,	/* SYSCFG */
	0xc0010020,	/* microcode update: works below all of this */
	0xc0010016, 0xc0010017, 0xc0010018, 0xc0010019, /* IORR base, mask */
	0xc001001a,	/* TOP_MEM */
	0xc001001d,	/* TOP_MEM2 */
	0xc0010058,	/* MMIO configuration base */
	0xc0010111, 0xc0010112, 0xc0010113, /* SMM base, address, mask */
	0xc0010116,	/* SMM_CTL: opens SMM memory */
};

static bool svm_msr_is_machine_map(u32 msr)
{
	for (u32 i = 0; i < ARRAY_SIZE(machine_map); i++)
		if (machine_map[i] == msr)
			return true;
	return false;
}

static void svm_init(void)
{
	static const u32 hidden[] = {
		MSR_EFER, MSR_VM_CR, MSR_VM_HSAVE_PA, MSR_SVM_KEY,
		MSR_TSC_RATIO, MSR_TSC_ADJUST, /* the host keeps time by the TSC */
	};

	memset(all_msrs, 0xff, sizeof(all_msrs));
	memset(all_ports, 0xff, sizeof(all_ports));
	for (u32 i = 0; i < ARRAY_SIZE(hidden); i++) {
		msrpm_set(hidden[i], false, true);
		msrpm_set(hidden[i], true, true);
	}
	for (u32 i = 0; i < ARRAY_SIZE(machine_map); i++)
		msrpm_set(machine_map[i], true, true);
	msrpm_set(MSR_APIC_BASE, true, true);
	/* Deadlines are kept by the TSC; the guest gets an offset. */
	msrpm_set(MSR_TSC, true, true);
	/* Ports beyond 64 Ki in the last byte of a wide access: always trapped. */
	guest_iopm[0x2000] = 0x0f;
	iopm_set(0x70);
	iopm_set(0x71);
	for (u16 i = 0; i < 4; i++)
		iopm_set(US_DOORBELL_PORT + i);
	for (u32 i = 0; i < ARRAY_SIZE(hv.boot.sleep_port); i++)
		if (hv.boot.sleep_port[i])
			iopm_set(hv.boot.sleep_port[i]);
	have_nrips = cpuid(0x8000000a, 0).edx & SVM_FEATURE_NRIPS;
	have_flush_asid = cpuid(0x8000000a, 0).edx & SVM_FEATURE_FLUSH_ASID;
}

static void svm_cpu_enable(struct cpu *cpu)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, virt_to_phys(host_save[cpu->index]));
	/* A pending INIT becomes #SX, which can be taken and dropped: 15.30.1. The
	 * lock that firmware may have set is on SVMDIS and itself only. */
	wrmsr(MSR_VM_CR, rdmsr(MSR_VM_CR) | VM_CR_R_INIT);
	cpu->host_vmcb_pa = virt_to_phys(&host_vmcb[cpu->index]);
}

static void svm_cpu_ready(struct cpu *cpu)
{
	asm volatile("clgi");
	asm volatile("vmsave" :: "a"(cpu->host_vmcb_pa) : "memory");
}

static void set_guest_controls(struct vmcb *vmcb, u64 slat_root)
{
	vmcb->intercept1 = INTERCEPT_NMI | INTERCEPT_SMI | INTERCEPT_INIT |
		INTERCEPT_CPUID | INTERCEPT_INVD | INTERCEPT_INVLPGA |
		INTERCEPT_IOIO | INTERCEPT_MSR | INTERCEPT_SHUTDOWN;
	vmcb->intercept2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL |
		INTERCEPT_VMLOAD | INTERCEPT_VMSAVE | INTERCEPT_STGI |
		INTERCEPT_CLGI | INTERCEPT_SKINIT;
	/* Their handlers can be made to raise them again while they are delivered, for
	 * ever and without a look at NMIs (CVE-2015-5307, CVE-2015-8104). */
	vmcb->exceptions = 1u << VECTOR_DB | 1u << VECTOR_AC;
	vmcb->iopm = virt_to_phys(guest_iopm);
	vmcb->msrpm = virt_to_phys(guest_msrpm);
	vmcb->asid = ASID_GUEST;
	vmcb->np_enable = 1;
	vmcb->n_cr3 = slat_root;
	vmcb->tlb_control = TLB_FLUSH_ALL;
	vmcb->g_pat = rdmsr(MSR_PAT);
}

static void read_segment(struct vmcb_segment *seg, u16 selector,
			 const u64 *gdt)
{
	u64 low = gdt[selector >> 3];

	memset(seg, 0, sizeof(*seg));
	seg->selector = selector;
	if (!(selector & ~3u))
		return;
	seg->attributes = (low >> 40 & 0xff) | (low >> 44 & 0xf00);
	seg->limit = (low & 0xffff) | (low >> 32 & 0xf0000);
	if (low >> 55 & 1)
		seg->limit = seg->limit << 12 | 0xfff;
	seg->base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000);
	if (!(low >> 44 & 1))	/* system descriptor: 16 bytes in long mode */
		seg->base |= gdt[(selector >> 3) + 1] << 32;
}

struct table_register {
	u16 limit;
	u64 base;
} __attribute__((packed));

#define READ_SELECTOR(name) ({					\
	u16 sel_;						\
	asm volatile("mov %%" #name ", %0" : "=r"(sel_));	\
	sel_; })

static void adopt_segments(struct vmcb *vmcb)
{
	struct table_register gdtr, idtr;
	const u64 *gdt;
	u16 tr, ldt;

	asm volatile("sgdt %0" : "=m"(gdtr));
	asm volatile("sidt %0" : "=m"(idtr));
	asm volatile("str %0" : "=r"(tr));
	asm volatile("sldt %0" : "=r"(ldt));
	gdt = (const u64 *)gdtr.base;
	vmcb->gdtr.base = gdtr.base;
	vmcb->gdtr.limit = gdtr.limit;
	vmcb->idtr.base = idtr.base;
	vmcb->idtr.limit = idtr.limit;
	read_segment(&vmcb->cs, READ_SELECTOR(cs), gdt);
	read_segment(&vmcb->ds, READ_SELECTOR(ds), gdt);
	read_segment(&vmcb->es, READ_SELECTOR(es), gdt);
	read_segment(&vmcb->ss, READ_SELECTOR(ss), gdt);
	read_segment(&vmcb->fs, READ_SELECTOR(fs), gdt);
	read_segment(&vmcb->gs, READ_SELECTOR(gs), gdt);
	read_segment(&vmcb->tr, tr, gdt);
	read_segment(&vmcb->ldtr, ldt, gdt);
	if (!tr)
		vmcb->tr.attributes = SEG_TSS64;
	vmcb->fs.base = rdmsr(MSR_FS_BASE);
	vmcb->gs.base = rdmsr(MSR_GS_BASE);
}

static void svm_vcpu_adopt(struct cpu *cpu, struct vcpu *vcpu,
			   const struct launch_state *at, u64 slat_root)
{
	struct vmcb *vmcb = &guest_vmcb[cpu->index];
	u64 *gpr = vcpu->regs.gpr;

	vcpu->vendor = vmcb;
	vcpu->vendor_pa = virt_to_phys(vmcb);
	/* Also fills LSTAR and its kin, which the firmware does not use. */
	asm volatile("vmsave" :: "a"(vcpu->vendor_pa) : "memory");
	set_guest_controls(vmcb, slat_root);
	adopt_segments(vmcb);
	vmcb->efer = rdmsr(MSR_EFER) | EFER_SVME;
	vmcb->cr0 = read_cr0();
	vmcb->cr2 = read_cr2();
	vmcb->cr3 = read_cr3();
	vmcb->cr4 = read_cr4();
	vmcb->dr6 = read_dr6();
	vmcb->dr7 = read_dr7();
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

static void set_segment(struct vmcb_segment *seg, u16 selector, u16 attributes,
			u32 limit, u64 base)
{
	seg->selector = selector;
	seg->attributes = attributes;
	seg->limit = limit;
	seg->base = base;
}

/* INIT leaves the MSRs as they are. */
static void keep_msrs(struct vmcb *vmcb, const struct vmcb *old)
{
	vmcb->tsc_offset = old->tsc_offset;
	vmcb->star = old->star;
	vmcb->lstar = old->lstar;
	vmcb->cstar = old->cstar;
	vmcb->sfmask = old->sfmask;
	vmcb->kernel_gs_base = old->kernel_gs_base;
	vmcb->sysenter_cs = old->sysenter_cs;
	vmcb->sysenter_esp = old->sysenter_esp;
	vmcb->sysenter_eip = old->sysenter_eip;
	vmcb->g_pat = old->g_pat;
}

/* State after INIT and SIPI: APM volume 2, section 14.1.3 and table 14-1. */
static void svm_vcpu_sipi(struct vcpu *vcpu, u8 vector)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct vmcb_segment *data[] = {
		&vmcb->ds, &vmcb->es, &vmcb->ss, &vmcb->fs, &vmcb->gs
	};
	struct vmcb old = *vmcb;

	memset(vmcb, 0, sizeof(*vmcb));
	set_guest_controls(vmcb, old.n_cr3);
	keep_msrs(vmcb, &old);
	set_segment(&vmcb->cs, vector << 8, SEG_CODE16, 0xffff, (u64)vector << 12);
	for (u32 i = 0; i < ARRAY_SIZE(data); i++)
		set_segment(data[i], 0, SEG_DATA, 0xffff, 0);
	set_segment(&vmcb->tr, 0, SEG_TSS64, 0xffff, 0);
	set_segment(&vmcb->ldtr, 0, SEG_LDT, 0xffff, 0);
	vmcb->gdtr.limit = 0xffff;
	vmcb->idtr.limit = 0xffff;
	vmcb->efer = EFER_SVME;
	vmcb->cr0 = CR0_CD | CR0_NW | CR0_ET;
	vmcb->dr6 = DR6_RESET;
	vmcb->dr7 = DR7_RESET;
	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.gpr[GPR_RDX] = cpuid(1, 0).eax;
	vcpu->regs.rflags = RFLAGS_FIXED;
}

static void svm_vcpu_control(struct vcpu *vcpu, u64 rip, u64 rsp, u64 cr3,
			     u64 slat_root)
{
	struct vmcb *vmcb = &control_vmcb;
	struct vmcb_segment *data[] = {
		&vmcb->ds, &vmcb->es, &vmcb->ss, &vmcb->fs, &vmcb->gs
	};

	vcpu->vendor = vmcb;
	vcpu->vendor_pa = virt_to_phys(vmcb);
	set_guest_controls(vmcb, slat_root);
	vmcb->exceptions = ~0u;
	vmcb->cr_read = vmcb->cr_write = 0xffff;
	vmcb->dr_read = vmcb->dr_write = 0xffff;
	vmcb->intercept1 |= INTERCEPT_INTR | INTERCEPT_HLT | INTERCEPT_IRET |
		INTERCEPT_TASK_SWITCH;
	vmcb->intercept2 |= INTERCEPT_WBINVD | INTERCEPT_MONITOR |
		INTERCEPT_MWAIT | INTERCEPT_XSETBV;
	vmcb->int_ctl = INT_CTL_INTR_MASKING;
	vmcb->iopm = virt_to_phys(all_ports);
	vmcb->msrpm = virt_to_phys(all_msrs);
	vmcb->asid = ASID_CONTROL;
	set_segment(&vmcb->cs, 0x08, SEG_CODE64, ~0u, 0);
	for (u32 i = 0; i < ARRAY_SIZE(data); i++)
		set_segment(data[i], 0x10, SEG_DATA32, ~0u, 0);
	set_segment(&vmcb->tr, 0, SEG_TSS64, 0x67, 0);
	set_segment(&vmcb->ldtr, 0, SEG_LDT, 0, 0);
	vmcb->efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE;
	vmcb->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
	vmcb->cr3 = cr3;
	vmcb->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	vmcb->dr6 = DR6_RESET;
	vmcb->dr7 = DR7_RESET;
	vcpu->regs.rip = rip;
	vcpu->regs.rflags = RFLAGS_FIXED;
	vcpu->regs.gpr[GPR_RSP] = rsp;
}

static void decode_io(const struct vmcb *vmcb, struct vmexit *exit)
{
	u32 info = (u32)vmcb->exit_info1;

	exit->kind = VMEXIT_IO;
	exit->io.port = info >> 16;
	exit->io.size = info >> 4 & 7;
	exit->io.in = info & IOIO_IN;
	exit->io.string = info & IOIO_STRING;
	exit->io.next_rip = vmcb->exit_info2;
}

static void decode_slat(const struct vmcb *vmcb, struct vmexit *exit)
{
	u64 info = vmcb->exit_info1;

	exit->kind = VMEXIT_SLAT;
	exit->slat.gpa = vmcb->exit_info2;
	exit->slat.present = info & NPF_PRESENT;
	exit->slat.write = info & NPF_WRITE;
	exit->slat.fetch = info & NPF_FETCH;
	exit->slat.table_walk = info & NPF_TABLE_WALK;
}

static void decode_exit(const struct vmcb *vmcb, struct vmexit *exit)
{
	/* TCG reports VMEXIT_INVALID in the low half only. */
	u32 code = (u32)vmcb->exit_code;

	memset(exit, 0, sizeof(*exit));
	exit->code = code;
	exit->info1 = vmcb->exit_info1;
	exit->info2 = vmcb->exit_info2;
	switch (code) {
	case SVM_EXIT_INTR: exit->kind = VMEXIT_INTERRUPT; break;
	case SVM_EXIT_NMI: exit->kind = VMEXIT_NMI; break;
	case SVM_EXIT_SMI: exit->kind = VMEXIT_SMI; break;
	case SVM_EXIT_INIT: exit->kind = VMEXIT_INIT; break;
	case SVM_EXIT_CR0_SELECTIVE: exit->kind = VMEXIT_CR_WRITE; break;
	case SVM_EXIT_IDTR_WRITE:
	case SVM_EXIT_GDTR_WRITE: exit->kind = VMEXIT_TABLE_LOAD; break;
	case SVM_EXIT_CPUID: exit->kind = VMEXIT_CPUID; break;
	case SVM_EXIT_IRET: exit->kind = VMEXIT_IRET; break;
	case SVM_EXIT_IOIO: decode_io(vmcb, exit); break;
	case SVM_EXIT_MSR:
		exit->kind = vmcb->exit_info1 ? VMEXIT_WRMSR : VMEXIT_RDMSR;
		break;
	case SVM_EXIT_SHUTDOWN: exit->kind = VMEXIT_SHUTDOWN; break;
	case SVM_EXIT_VMMCALL: exit->kind = VMEXIT_HYPERCALL; break;
	case SVM_EXIT_INVD: exit->kind = VMEXIT_INVD; break;
	case SVM_EXIT_INVLPGA: exit->kind = VMEXIT_HIDDEN_FEATURE; break;
	case SVM_EXIT_NPF: decode_slat(vmcb, exit); break;
	default:
		exit->kind = VMEXIT_OTHER;
		if (code >= SVM_EXIT_CR_WRITE && code <= SVM_EXIT_CR_WRITE + 15)
			exit->kind = VMEXIT_CR_WRITE;
		else if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_INTR) {
			exit->kind = VMEXIT_EXCEPTION;
			exit->code = code - SVM_EXIT_EXCEPTION;
		} else if (code >= SVM_EXIT_VMRUN && code <= SVM_EXIT_SKINIT) {
			exit->kind = VMEXIT_HIDDEN_FEATURE;
		}
	}
}

/* INT n, INT3, INTO: RIP is still at the instruction, which runs again by itself.
 * The latter two are told as exceptions. */
static bool is_software_event(u32 event)
{
	u32 type = event & EVENT_TYPE_MASK, vector = event & 0xff;

	return type == EVENT_TYPE_INTN ||
		(type == EVENT_TYPE_EXC &&
		 (vector == VECTOR_BP || vector == VECTOR_OF));
}

static void svm_run(struct cpu *cpu, struct vcpu *vcpu, bool masked,
		    struct vmexit *exit)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct guest_regs *regs = &vcpu->regs;

	vmcb->rax = regs->gpr[GPR_RAX];
	vmcb->rsp = regs->gpr[GPR_RSP];
	if (vmcb->rip != regs->rip)	/* an instruction was completed by us */
		vmcb->interrupt_shadow = 0;
	vmcb->rip = regs->rip;
	vmcb->rflags = regs->rflags;
	svm_enter(vcpu->vendor_pa, regs, cpu->host_vmcb_pa,
		  vcpu->is_control && !masked);
	regs->gpr[GPR_RAX] = vmcb->rax;
	regs->gpr[GPR_RSP] = vmcb->rsp;
	regs->rip = vmcb->rip;
	regs->rflags = vmcb->rflags;
	vmcb->tlb_control = 0;
	/* An event whose delivery was cut short is delivered again: 15.7.2. The
	 * upper half of the field may be stale, so it is read as two halves. */
	vmcb->event = (u32)vmcb->exit_int_info;
	vmcb->event_error = (u32)(vmcb->exit_int_info >> 32);
	if (!(vmcb->event & EVENT_VALID) || is_software_event(vmcb->event))
		vmcb->event = 0;
	decode_exit(vmcb, exit);
}

static u32 code_bits(const struct vmcb *vmcb)
{
	if (!(vmcb->cr0 & CR0_PE))
		return 16;
	if ((vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & SEG_LONG))
		return 64;
	return vmcb->cs.attributes & SEG_DB ? 32 : 16;
}

static void svm_get_system(const struct vcpu *vcpu, struct guest_system *system)
{
	const struct vmcb *vmcb = vmcb_of(vcpu);

	*system = (struct guest_system) {
		.cr0 = vmcb->cr0, .cr2 = vmcb->cr2, .cr3 = vmcb->cr3,
		.cr4 = vmcb->cr4, .efer = vmcb->efer & ~(u64)EFER_SVME,
		.fs_base = vmcb->fs.base, .gs_base = vmcb->gs.base,
		.kernel_gs_base = vmcb->kernel_gs_base, .lstar = vmcb->lstar,
		.cs_base = vmcb->cs.base, .ds_base = vmcb->ds.base,
		.es_base = vmcb->es.base, .ss_base = vmcb->ss.base,
		.idtr_base = vmcb->idtr.base, .idtr_limit = vmcb->idtr.limit,
		.gdtr_base = vmcb->gdtr.base,
		.cpl = vmcb->cpl, .code_bits = code_bits(vmcb),
	};
}

static void svm_set_efer(struct vcpu *vcpu, u64 guest_value)
{
	vmcb_of(vcpu)->efer = guest_value | EFER_SVME;
}

/* The fields that can be read and written as they are. */
static u64 *guarded_field(struct vmcb *vmcb, enum guarded which)
{
	switch (which) {
	case GUARD_CR0: return &vmcb->cr0;
	case GUARD_CR4: return &vmcb->cr4;
	case GUARD_IDTR: return &vmcb->idtr.base;
	case GUARD_GDTR: return &vmcb->gdtr.base;
	case GUARD_STAR: return &vmcb->star;
	case GUARD_LSTAR: return &vmcb->lstar;
	case GUARD_CSTAR: return &vmcb->cstar;
	case GUARD_SFMASK: return &vmcb->sfmask;
	case GUARD_SYSENTER_CS: return &vmcb->sysenter_cs;
	case GUARD_SYSENTER_ESP: return &vmcb->sysenter_esp;
	case GUARD_SYSENTER_EIP: return &vmcb->sysenter_eip;
	case GUARD_EFER:
	case GUARDED: break;
	}
	return NULL;
}

static u64 svm_read_guarded(const struct vcpu *vcpu, enum guarded which)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	return which == GUARD_EFER ? vmcb->efer & ~(u64)EFER_SVME :
		*guarded_field(vmcb, which);
}

static void svm_write_guarded(struct vcpu *vcpu, enum guarded which, u64 value)
{
	*guarded_field(vmcb_of(vcpu), which) = value;
}

static void svm_load_table(struct vcpu *vcpu, enum guarded which, u64 base,
			   u16 limit)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	struct vmcb_segment *table = which == GUARD_IDTR ? &vmcb->idtr :
		&vmcb->gdtr;

	table->base = base;
	table->limit = limit;
}

#define WATCHED_CR	(1u << 4)
#define WATCHED_REGISTERS (INTERCEPT_CR0_SELECTIVE | INTERCEPT_IDTR_WRITE | \
			   INTERCEPT_GDTR_WRITE)

static void svm_watch_registers(struct vcpu *vcpu, bool on)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->cr_write = on ? WATCHED_CR : 0;
	vmcb->intercept1 &= ~WATCHED_REGISTERS;
	if (on)
		vmcb->intercept1 |= WATCHED_REGISTERS;
}

static void svm_watch_system_msrs(void)
{
	static const u32 watched[] = {
		MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SFMASK,
		MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP,
	};

	for (u32 i = 0; i < ARRAY_SIZE(watched); i++)
		msrpm_set(watched[i], true, true);
}

static void svm_set_tsc(struct vcpu *vcpu, u64 value)
{
	vmcb_of(vcpu)->tsc_offset = value - rdtsc();
}

enum fault_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum fault_class fault_class(u8 vector)
{
	switch (vector) {
	case VECTOR_DE: case VECTOR_TS: case VECTOR_NP: case VECTOR_SS:
	case VECTOR_GP:
		return CONTRIBUTORY;
	case VECTOR_PF:
	case VECTOR_DF:
		return PAGE_FAULT;
	}
	return BENIGN;
}

/*
 * What becomes of exception @vector that came while @event was delivered: APM
 * volume 2, 8.2.9. An interrupt or NMI that cannot be delivered would be lost, which
 * only a guest brings about that has its stack where it may not write: double
 * fault. False: the first event is tried again and nothing else happens.
 */
static bool combine(u32 event, u8 *vector)
{
	enum fault_class second = fault_class(*vector);

	if (!(event & EVENT_VALID))
		return true;
	if ((event & EVENT_TYPE_MASK) != EVENT_TYPE_EXC) {
		if (second == BENIGN)
			return false;
		*vector = VECTOR_DF;
		return true;
	}
	switch (fault_class(event & 0xff)) {
	case BENIGN:
		break;
	case CONTRIBUTORY:
		if (second == CONTRIBUTORY)
			*vector = VECTOR_DF;
		break;
	case PAGE_FAULT:
		if (second != BENIGN)
			*vector = VECTOR_DF;
		break;
	}
	return true;
}

static void svm_inject(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		       u64 cr2)
{
	struct vmcb *vmcb = vmcb_of(vcpu);
	u8 wanted = vector;

	if (!combine(vmcb->event, &vector))
		return;
	if (vector != wanted) {
		has_error = true;
		error = 0;
	}
	/* In real mode no exception has an error code. */
	has_error = has_error && (vmcb->cr0 & CR0_PE);
	vmcb->event = EVENT_VALID | EVENT_TYPE_EXC | vector |
		(has_error ? EVENT_HAS_ERROR : 0);
	vmcb->event_error = error;
	if (vector == VECTOR_PF)
		vmcb->cr2 = cr2;
}

static void svm_inject_nmi(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->event = EVENT_VALID | EVENT_TYPE_NMI | VECTOR_NMI;
	vmcb->intercept1 |= INTERCEPT_IRET;	/* tells when it is over */
}

static void svm_watch_interrupts(struct vcpu *vcpu, bool on)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	vmcb->intercept1 &= ~INTERCEPT_INTR;
	if (on)
		vmcb->intercept1 |= INTERCEPT_INTR;
}

static void svm_watch_iret(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->intercept1 |= INTERCEPT_IRET;
}

static void svm_nmi_done(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->intercept1 &= ~INTERCEPT_IRET;
}

static bool svm_event_waits(const struct vcpu *vcpu)
{
	return vmcb_of(vcpu)->event & EVENT_VALID;
}

static void svm_flush(struct vcpu *vcpu)
{
	vmcb_of(vcpu)->tlb_control = TLB_FLUSH_ALL;
}

static void svm_flush_guest(struct vcpu *vcpu)
{
	struct vmcb *vmcb = vmcb_of(vcpu);

	if (vmcb->tlb_control != TLB_FLUSH_ALL)
		vmcb->tlb_control = have_flush_asid ? TLB_FLUSH_GUEST :
			TLB_FLUSH_ALL;
}

static u64 svm_next_rip(const struct vcpu *vcpu)
{
	return have_nrips ? vmcb_of(vcpu)->next_rip : 0;
}

static void svm_trap_x2apic_icr(bool on)
{
	msrpm_set(MSR_X2APIC_BASE + 0x30, true, on);
}

static bool svm_is_halt(u64 rip)
{
	return rip == (u64)svm_halt_insn;
}

const struct vmm_ops svm_ops = {
	.name = "AMD-V",
	.slat = {
		/* NPT entries are ordinary ones; user bit set: 15.25.5. Accessed and
		 * dirty are set ahead, so that the walker never writes. */
		.table = 0x27,
		.open = 0x67,
		.sealed = 0x65,
		.read_only = 0x65 | 1ull << 63,
		.large = 1u << 7,
	},
	.probe = svm_probe,
	.init = svm_init,
	.cpu_enable = svm_cpu_enable,
	.cpu_ready = svm_cpu_ready,
	.vcpu_adopt = svm_vcpu_adopt,
	.vcpu_sipi = svm_vcpu_sipi,
	.vcpu_control = svm_vcpu_control,
	.run = svm_run,
	.get_system = svm_get_system,
	.set_efer = svm_set_efer,
	.set_tsc = svm_set_tsc,
	.msr_is_machine_map = svm_msr_is_machine_map,
	.watch_interrupts = svm_watch_interrupts,
	.watch_iret = svm_watch_iret,
	.inject = svm_inject,
	.inject_nmi = svm_inject_nmi,
	.nmi_done = svm_nmi_done,
	.event_waits = svm_event_waits,
	.read_guarded = svm_read_guarded,
	.write_guarded = svm_write_guarded,
	.load_table = svm_load_table,
	.watch_registers = svm_watch_registers,
	.watch_system_msrs = svm_watch_system_msrs,
	.flush = svm_flush,
	.flush_guest = svm_flush_guest,
	.next_rip = svm_next_rip,
	.trap_x2apic_icr = svm_trap_x2apic_icr,
	.accept_pending = svm_accept_pending,
	.accept_interrupts = svm_accept_interrupts,
	.wait_for_nmi = svm_halt_until_nmi,
	.is_halt = svm_is_halt,
};
