/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pin.h"

#include <string.h>

#include "decode.h"
#include "memory.h"
#include "vcpu.h"

#define CR0_PINNED	(CR0_PE | CR0_WP | CR0_PG)
#define CR0_DEFINED	(0x3fu | CR0_WP | 1u << 18 | CR0_NW | CR0_CD | CR0_PG)
#define CR4_PINNED	(CR4_PAE | CR4_SMEP | CR4_SMAP | CR4_UMIP)
#define EFER_PINNED	(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

/* A vCPU that was never pinned shows its own GDT and stack for this long before they
 * are taken for its final ones: Linux changes over to another GDT while it starts. */
#define SETTLE_MS	500

/* One that is not pinned for this long has its values refused, or never gets to them. */
#define LATE_MS		10000

static const struct {
	const char *name;
	u32 msr;		/* 0: none */
	bool own;		/* each vCPU has its own value */
	u64 mask;
} guarded[GUARDED] = {
	[GUARD_CR0] = { "CR0", 0, false, CR0_PINNED },
	[GUARD_CR4] = { "CR4", 0, false, CR4_PINNED },
	[GUARD_EFER] = { "EFER", 0, false, EFER_PINNED },
	[GUARD_IDTR] = { "IDTR", 0, false, ~0ull },
	[GUARD_GDTR] = { "GDTR", 0, true, ~0ull },
	[GUARD_STAR] = { "STAR", MSR_STAR, false, ~0ull },
	[GUARD_LSTAR] = { "LSTAR", MSR_LSTAR, false, ~0ull },
	[GUARD_CSTAR] = { "CSTAR", MSR_CSTAR, false, ~0ull },
	[GUARD_SFMASK] = { "SFMASK", MSR_SFMASK, false, ~0ull },
	[GUARD_SYSENTER_CS] = { "SYSENTER_CS", MSR_SYSENTER_CS, false, ~0ull },
	[GUARD_SYSENTER_ESP] = { "SYSENTER_ESP", MSR_SYSENTER_ESP, true, ~0ull },
	[GUARD_SYSENTER_EIP] = { "SYSENTER_EIP", MSR_SYSENTER_EIP, false, ~0ull },
};

/* What one vCPU has of its own. */
struct own_values {
	bool known;		/* it was pinned once */
	u64 value[GUARDED];
	u64 since;		/* not known: TSC when it showed @value first */
	u64 free_since;		/* not pinned: TSC when that was seen; 0: pinned */
	bool told;		/* that it is late */
};

static struct {
	bool active;
	u64 mask[GUARDED];
	u64 value[GUARDED];	/* masked */
	struct own_values own[MAX_CPUS];
	u64 refused;
} pins;

void pin_init(void)
{
	memset(&pins, 0, sizeof(pins));
}

bool pin_active(void)
{
	return __atomic_load_n(&pins.active, __ATOMIC_ACQUIRE);
}

u64 pin_refused(void)
{
	return __atomic_load_n(&pins.refused, __ATOMIC_RELAXED);
}

static u64 pinned_value(const struct vcpu *vcpu, enum guarded which)
{
	return guarded[which].own ? pins.own[vcpu->index].value[which] :
		pins.value[which];
}

static void pin_vcpu(struct vcpu *vcpu)
{
	pins.own[vcpu->index].known = true;
	pins.own[vcpu->index].free_since = 0;
	pins.own[vcpu->index].told = false;
	vcpu->pinned = 1;
	hv.ops->watch_registers(vcpu, pins.mask[GUARD_CR0],
				pins.mask[GUARD_CR4]);
}

/* Firmware's idea of a running CPU is another: it waits in a loop. The first CPU is
 * the operating system's from the start. */
bool pin_started(const struct vcpu *vcpu)
{
	return hv.cpu[vcpu->index].online && vcpu->state == VCPU_RUNNING &&
		(vcpu->index == 0 || vcpu->os_started);
}

static const struct vcpu *first_started(void)
{
	for (u32 i = 0; i < hv.boot.cpus; i++)
		if (pin_started(&hv.vcpu[i]))
			return &hv.vcpu[i];
	return NULL;
}

static bool agrees(const struct vcpu *vcpu, const u64 *mask, const u64 *value)
{
	for (u32 i = 0; i < GUARDED; i++) {
		u64 now = hv.ops->read_guarded(vcpu, (enum guarded)i);

		if (!guarded[i].own && (now & mask[i]) != value[i])
			return false;
	}
	return true;
}

static void read_own(const struct vcpu *vcpu, u64 *value)
{
	for (u32 i = 0; i < GUARDED; i++)
		if (guarded[i].own)
			value[i] = hv.ops->read_guarded(vcpu, (enum guarded)i);
}

enum us_error pin_all(void)
{
	const struct vcpu *first = first_started();
	u64 mask[GUARDED], value[GUARDED];

	if (!first)
		return US_E_BAD_REQUEST;
	for (u32 i = 0; i < GUARDED; i++) {
		value[i] = hv.ops->read_guarded(first, (enum guarded)i) &
			guarded[i].mask;
		/* What CR4 does not have may still be switched on. */
		mask[i] = i == GUARD_CR4 ? value[i] : guarded[i].mask;
	}
	if ((value[GUARD_CR0] & CR0_PINNED) != CR0_PINNED)
		return US_E_BAD_REQUEST;
	for (u32 i = 0; i < hv.boot.cpus; i++)
		if (pin_started(&hv.vcpu[i]) && !agrees(&hv.vcpu[i], mask, value))
			return US_E_BAD_REQUEST;
	for (u32 i = 0; i < GUARDED; i++) {
		pins.mask[i] = mask[i];
		pins.value[i] = value[i];
	}
	for (u32 i = 0; i < hv.boot.cpus; i++) {
		if (!pin_started(&hv.vcpu[i]))
			continue;
		read_own(&hv.vcpu[i], pins.own[i].value);
		pin_vcpu(&hv.vcpu[i]);
	}
	hv.ops->watch_system_msrs();
	__atomic_store_n(&pins.active, true, __ATOMIC_RELEASE);
	return US_OK;
}

void pin_vcpu_reset(struct vcpu *vcpu)
{
	if (!vcpu->pinned)
		return;
	vcpu->pinned = 0;
	log_guest(vcpu->index,
		  "vCPU starts anew: registers are free until they are as before");
}

/* The same values as when we looked first, and that was long enough ago? */
static bool settled(const struct vcpu *vcpu)
{
	struct own_values *own = &pins.own[vcpu->index];
	u64 value[GUARDED] = { 0 };

	read_own(vcpu, value);
	for (u32 i = 0; i < GUARDED; i++) {
		if (!guarded[i].own || value[i] == own->value[i])
			continue;
		if (own->known)
			return false;
		read_own(vcpu, own->value);
		own->since = rdtsc();
	}
	return own->known || rdtsc() - own->since > tsc_from_ms(SETTLE_MS);
}

static void tell_late(const struct vcpu *vcpu)
{
	struct own_values *own = &pins.own[vcpu->index];

	if (!own->free_since)
		own->free_since = rdtsc();
	if (own->told || rdtsc() - own->free_since < tsc_from_ms(LATE_MS))
		return;
	own->told = true;
	log_guest(vcpu->index, "vCPU runs with registers other than before: "
		  "they are still free");
}

void pin_vcpu_poll(struct vcpu *vcpu)
{
	if (vcpu->pinned || !pin_active() || !pin_started(vcpu))
		return;
	if (!agrees(vcpu, pins.mask, pins.value) || !settled(vcpu)) {
		tell_late(vcpu);
		return;
	}
	pin_vcpu(vcpu);
	log_guest_info(vcpu->index, "vCPU is started: registers pinned");
}

/* May @vcpu have @value there? Says so in the log if not. */
static bool allows(struct vcpu *vcpu, enum guarded which, u64 value)
{
	u64 wanted = pinned_value(vcpu, which);

	if (!vcpu->pinned || (value & pins.mask[which]) == wanted)
		return true;
	__atomic_fetch_add(&pins.refused, 1, __ATOMIC_RELAXED);
	log_guest(vcpu->index, "%s <- %lx refused, pinned to %lx; rip %lx",
		  guarded[which].name, value, wanted, vcpu->regs.rip);
	return false;
}

bool pin_allows_efer(struct vcpu *vcpu, u64 value)
{
	return allows(vcpu, GUARD_EFER, value);
}

static bool canonical(const struct guest_system *system, u64 address)
{
	u32 unused = system->cr4 & CR4_LA57 ? 7 : 16;

	return (u64)((s64)(address << unused) >> unused) == address;
}

static bool holds_address(enum guarded which)
{
	return which == GUARD_LSTAR || which == GUARD_CSTAR ||
		which == GUARD_SYSENTER_ESP || which == GUARD_SYSENTER_EIP;
}

bool pin_write_msr(struct vcpu *vcpu, u32 msr, u64 value, bool *done)
{
	struct guest_system system;
	u32 i = 0;

	while (i < GUARDED && guarded[i].msr != msr)
		i++;
	if (!msr || i == GUARDED)
		return false;
	hv.ops->get_system(vcpu, &system);
	*done = (!holds_address((enum guarded)i) || canonical(&system, value)) &&
		allows(vcpu, (enum guarded)i, value);
	if (*done)
		hv.ops->write_guarded(vcpu, (enum guarded)i, value);
	return true;
}

/* The processor's own rules: APM volume 2, 3.1.1. */
static bool set_cr0(struct vcpu *vcpu, u64 value)
{
	if (value >> 32 || ((value & CR0_NW) && !(value & CR0_CD)) ||
	    ((value & CR0_PG) && !(value & CR0_PE)) ||
	    !allows(vcpu, GUARD_CR0, value))
		return false;
	hv.ops->write_guarded(vcpu, GUARD_CR0, (value & CR0_DEFINED) | CR0_ET);
	return true;
}

/* Bits of CR4 that this processor knows; an entry with another one would fail. */
static u64 cr4_known(void)
{
	static u64 known;
	struct cpuid_regs one, seven = { 0 };

	if (known)
		return known;
	one = cpuid(1, 0);
	if (cpuid(0, 0).eax >= 7)
		seven = cpuid(7, 0);
	known = CR4_ALWAYS |
		(one.ecx & CPUID_1_ECX_PCID ? CR4_PCIDE : 0) |
		(one.ecx & CPUID_1_ECX_XSAVE ? CR4_OSXSAVE : 0) |
		(seven.ebx & CPUID_7_EBX_FSGSBASE ? CR4_FSGSBASE : 0) |
		(seven.ebx & CPUID_7_EBX_SMEP ? CR4_SMEP : 0) |
		(seven.ebx & CPUID_7_EBX_SMAP ? CR4_SMAP : 0) |
		(seven.ecx & CPUID_7_ECX_UMIP ? CR4_UMIP : 0) |
		(seven.ecx & CPUID_7_ECX_PKU ? CR4_PKE : 0) |
		(seven.ecx & CPUID_7_ECX_LA57 ? CR4_LA57 : 0) |
		(seven.ecx & CPUID_7_ECX_CET ? CR4_CET : 0);
	return known;
}

/* APM volume 2, 3.1.3 and 5.5.1. Only pinned vCPUs come here: in long mode, with
 * CR0.WP set, and with CR4.PAE pinned. */
static bool set_cr4(struct vcpu *vcpu, u64 value)
{
	struct guest_system system;
	u64 changed;

	hv.ops->get_system(vcpu, &system);
	changed = value ^ system.cr4;
	if ((value & ~cr4_known()) || (changed & CR4_LA57) ||
	    ((changed & value & CR4_PCIDE) && (system.cr3 & 0xfff)) ||
	    !allows(vcpu, GUARD_CR4, value))
		return false;
	hv.ops->write_guarded(vcpu, GUARD_CR4, value);
	/* Linux flushes global translations this way where it has no INVPCID. */
	if (changed & CR4_FLUSHING)
		hv.ops->flush_guest(vcpu);
	return true;
}

/* A table without entries is no table: that is how Linux makes a triple fault to
 * reboot. The base stays. */
static bool load_table(struct vcpu *vcpu, enum guarded which,
		       const struct system_load *load)
{
	struct guest_system system;
	u64 base = load->value;

	hv.ops->get_system(vcpu, &system);
	if (which == GUARD_IDTR && !load->limit)
		base = pinned_value(vcpu, which);
	if (!canonical(&system, base) || !allows(vcpu, which, base))
		return false;
	hv.ops->load_table(vcpu, which, base, load->limit);
	return true;
}

static enum us_error find_load(const struct vcpu *vcpu,
			       const struct vmexit *exit,
			       struct system_load *load)
{
	struct guest_system system;

	if (exit->cr.told) {
		*load = (struct system_load) {
			.target = exit->cr.target, .value = exit->cr.value,
			.insn_len = exit->cr.insn_len,
		};
		return US_OK;
	}
	hv.ops->get_system(vcpu, &system);
	return decode_system_load(vcpu, &system, load);
}

void pin_exit(struct vcpu *vcpu, const struct vmexit *exit)
{
	struct system_load load;
	bool done = false;

	switch (find_load(vcpu, exit, &load)) {
	case US_OK:
		break;
	case US_E_GUEST_ADDRESS:
		hv.ops->inject(vcpu, VECTOR_PF, true, 0, load.fault_gva);
		return;
	default:
		log_guest(vcpu->index, "instruction not known, refused: rip %lx",
			  vcpu->regs.rip);
		inject_gp(vcpu);
		return;
	}
	switch (load.target) {
	case GUARD_CR0: done = set_cr0(vcpu, load.value); break;
	case GUARD_CR4: done = set_cr4(vcpu, load.value); break;
	default: done = load_table(vcpu, load.target, &load); break;
	}
	if (!done) {
		inject_gp(vcpu);
		return;
	}
	vcpu->regs.rflags &= ~(u64)RFLAGS_RF;
	vcpu->regs.rip += load.insn_len;
}
