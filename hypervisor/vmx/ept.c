/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EPT: SDM volume 3, 29.3. Accessed and dirty flags stay off. With them, every walk of
 * the guest's page tables would count as a write to them (29.3.3.2), and a guest page
 * table in a frame that is read-only could not even be used.
 *
 * MTRRs do not count under EPT (29.3.7), so that its entries have to say what they
 * would have said.
 */
#include "vmx/mtrr.h"
#include "vmx/vmx.h"

#define POINTER_WRITE_BACK	6u
#define POINTER_LEVELS_4	(3u << 3)

#define TYPE_SHIFT	3

#define MSR_MTRR_CAP		0x0feu
#define CAP_VARIABLE(cap)	((cap) & 0xff)
#define MSR_MTRR_BASE(n)	(0x200u + 2 * (n))
#define MSR_MTRR_MASK(n)	(0x201u + 2 * (n))
#define MSR_MTRR_DEFAULT	0x2ffu

static struct mtrrs mtrrs;

void vmx_ept_init(void)
{
	static const u32 fixed[MTRR_FIXED] = {
		0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d,
		0x26e, 0x26f
	};
	u32 count = CAP_VARIABLE(rdmsr(MSR_MTRR_CAP));

	mtrrs.count = count < MTRR_VARIABLE ? count : MTRR_VARIABLE;
	mtrrs.default_type = rdmsr(MSR_MTRR_DEFAULT);
	for (u32 i = 0; i < mtrrs.count; i++) {
		mtrrs.variable[i].base = rdmsr(MSR_MTRR_BASE(i));
		mtrrs.variable[i].mask = rdmsr(MSR_MTRR_MASK(i));
	}
	for (u32 i = 0; i < MTRR_FIXED; i++)
		if (mtrrs.default_type & MTRR_FIXED_ON)
			mtrrs.fixed[i] = rdmsr(fixed[i]);
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
	struct memory_type type = { MTRR_WB << TYPE_SHIFT, true };
	bool partly, uniform;
	u8 mtrr;

	if (is_ram(pa, len, &partly))
		return type;
	mtrr = mtrr_type(&mtrrs, pa, len, &uniform);
	type.bits = (u64)mtrr << TYPE_SHIFT;
	type.uniform = uniform && (!partly || mtrr == MTRR_WB);
	return type;
}

bool vmx_slat_1g(void)
{
	return vmx_setup.large_1g;
}

bool vmx_guards_execution(void)
{
	return vmx_setup.guest.proc2 & PROC2_MODE_EXECUTE;
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
