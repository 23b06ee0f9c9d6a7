/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EPT: SDM volume 3, 29.3. Accessed and dirty flags stay off. With them, every walk of
 * the guest's page tables would count as a write to them (29.3.3.2), and a guest page
 * table in a frame that is read-only could not even be used.
 *
 * MTRRs do not count under EPT (29.3.7), so that its entries have to say what they
 * would have said.
 */
#include "vmx/vmx.h"

#define POINTER_WRITE_BACK	6u
#define POINTER_LEVELS_4	(3u << 3)

#define TYPE_SHIFT	3
#define TYPE_UC		0u
#define TYPE_WT		4u
#define TYPE_WB		6u

/* SDM volume 3, 12.11. */
#define MSR_MTRR_CAP		0x0feu
#define MSR_MTRR_BASE(n)	(0x200u + 2 * (n))
#define MSR_MTRR_MASK(n)	(0x201u + 2 * (n))
#define MSR_MTRR_DEFAULT	0x2ffu
#define CAP_VARIABLE(cap)	((cap) & 0xff)
#define DEFAULT_ON		(1u << 11)
#define DEFAULT_FIXED_ON	(1u << 10)
#define MASK_VALID		(1u << 11)
#define MAX_VARIABLE		32u
#define FIXED_END		0x100000u
#define FIXED_MSRS		11u

static struct {
	u64 base, mask;
	u8 type;
} variable[MAX_VARIABLE];
static u32 variables;
static u64 default_type;
static u64 fixed[FIXED_MSRS];

void vmx_ept_init(void)
{
	static const u32 msrs[FIXED_MSRS] = {
		0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d,
		0x26e, 0x26f
	};
	u32 count = CAP_VARIABLE(rdmsr(MSR_MTRR_CAP));

	default_type = rdmsr(MSR_MTRR_DEFAULT);
	variables = 0;
	for (u32 i = 0; i < count && i < MAX_VARIABLE; i++) {
		u64 base = rdmsr(MSR_MTRR_BASE(i)), mask = rdmsr(MSR_MTRR_MASK(i));

		if (!(mask & MASK_VALID))
			continue;
		variable[variables].base = base & PAGE_MASK;
		variable[variables].mask = mask & PAGE_MASK;
		variable[variables++].type = base & 0xff;
	}
	for (u32 i = 0; i < FIXED_MSRS; i++)
		fixed[i] = default_type & DEFAULT_FIXED_ON ? rdmsr(msrs[i]) : 0;
}

/* Below 1 MiB: a byte for each 64, 16 or 4 KiB. */
static u8 fixed_type(u64 pa)
{
	u64 msr, byte;

	if (pa < 0x80000) {
		msr = 0;
		byte = pa >> 16;
	} else if (pa < 0xc0000) {
		msr = 1 + (pa - 0x80000) / 0x20000;
		byte = pa >> 14 & 7;
	} else {
		msr = 3 + (pa - 0xc0000) / 0x8000;
		byte = pa >> 12 & 7;
	}
	return (u8)(fixed[msr] >> byte * 8);
}

/* Several at a place: uncached wins, then write-through; others do not overlap. */
static u8 stronger(u8 a, u8 b)
{
	if (a == TYPE_UC || b == TYPE_UC)
		return TYPE_UC;
	return a == TYPE_WT ? a : b;
}

/* @len: a power of two, @pa a multiple of it. */
static u8 mtrr_type(u64 pa, u64 len, bool *uniform)
{
	u8 type = default_type & 0xff;
	bool found = false;

	*uniform = true;
	if (!(default_type & DEFAULT_ON))
		return TYPE_UC;
	if (pa < FIXED_END && (default_type & DEFAULT_FIXED_ON)) {
		*uniform = len <= PAGE_SIZE;
		return fixed_type(pa);
	}
	for (u32 i = 0; i < variables; i++) {
		if ((pa ^ variable[i].base) & variable[i].mask & ~(len - 1))
			continue;
		if (variable[i].mask & (len - 1))
			*uniform = false;
		if ((pa ^ variable[i].base) & variable[i].mask)
			continue;
		type = found ? stronger(type, variable[i].type) :
			variable[i].type;
		found = true;
	}
	return type;
}

static bool is_ram(u64 pa, u64 len, bool *partly)
{
	*partly = spans_overlap(pa, len, hv.base, hv.end - hv.base);
	if (pa >= hv.base && span_inside(pa - hv.base, len, hv.end - hv.base))
		return true;
	for (u32 i = 0; i < hv.boot.ram_ranges; i++) {
		const struct us_ram_range *ram = &hv.boot.ram[i];

		if (pa >= ram->base && span_inside(pa - ram->base, len, ram->len))
			return true;
		*partly = *partly || spans_overlap(pa, len, ram->base, ram->len);
	}
	return false;
}

/* Memory is write-back, whatever the MTRRs say: so is the hypervisor's view of it. */
struct memory_type vmx_memory_type(u64 pa, u64 len)
{
	struct memory_type type = { TYPE_WB << TYPE_SHIFT, true };
	bool partly, uniform;
	u8 mtrr;

	if (is_ram(pa, len, &partly))
		return type;
	mtrr = mtrr_type(pa, len, &uniform);
	type.bits = (u64)mtrr << TYPE_SHIFT;
	type.uniform = uniform && (!partly || mtrr == TYPE_WB);
	return type;
}

bool vmx_slat_1g(void)
{
	return vmx_setup.large_1g;
}

u64 vmx_ept_pointer(u64 slat_root)
{
	return slat_root | POINTER_LEVELS_4 | POINTER_WRITE_BACK;
}

struct invalidation {
	u64 what, address;
};

/* 29.4.3: of one EPT, or of all. */
static void invept(u64 pointer)
{
	struct invalidation one = { pointer, 0 };
	u64 how = vmx_setup.invept_one ? 1 : 2;

	asm volatile("invept %0, %1" :: "m"(one), "r"(how) : "cc", "memory");
}

static void invvpid(u16 vpid)
{
	struct invalidation one = { vpid, 0 };
	u64 how = vmx_setup.invvpid_one ? 1 : 2;

	asm volatile("invvpid %0, %1" :: "m"(one), "r"(how) : "cc", "memory");
}

/* Without VPIDs every entry and exit forgets what the guest's tables have made. */
void vmx_flush_guest(struct vcpu *vcpu)
{
	const struct vmx_vcpu *v = vmx_of(vcpu);

	if (v->controls->proc2 & PROC2_VPID)
		invvpid(v->vpid);
}

void vmx_flush(struct vcpu *vcpu)
{
	invept(vmx_ept_pointer(vmx_of(vcpu)->slat_root));
	vmx_flush_guest(vcpu);
}
