// SPDX-License-Identifier: GPL-2.0-or-later
/* What the processor says and does in ring 0 under Underseal. */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/io.h>
#include <asm/msr.h>

/* The kernel's own types take the place of common/types.h. */
#define UNDERSEAL_TYPES_H
#include "abi.h"
#include "attack.h"

/* Answer: `error=ERRNO value=HEX`. */
static void msr_read(const u64 *args)
{
	u64 value = 0;
	int error = rdmsrl_safe(args[0], &value);

	answer("error=%d value=%#llx", error, value);
}

static void msr_write(const u64 *args)
{
	answer("error=%d", wrmsrl_safe(args[0], args[1]));
}

#define TRY(name, instruction)						\
static bool try_##name(u64 rax)						\
{									\
	bool fault = true;						\
									\
	asm volatile("1: " instruction "\n\tmovb $0, %0\n2:\n"		\
		     _ASM_EXTABLE(1b, 2b)				\
		     : "+m"(fault), "+a"(rax) : "c"(0) : "memory");	\
	return fault;							\
}

TRY(vmrun, "vmrun %%rax")
TRY(vmload, "vmload %%rax")
TRY(vmsave, "vmsave %%rax")
TRY(stgi, "stgi")
TRY(clgi, "clgi")
TRY(invlpga, "invlpga %%rax, %%ecx")

/* Each instruction of SVM has to fault. Answer: `name=1` for those that do. */
static void svm_instructions(const u64 *args)
{
	u64 page = get_zeroed_page(GFP_KERNEL);
	u64 physical = __pa(page);

	answer("vmrun=%d vmload=%d vmsave=%d stgi=%d clgi=%d invlpga=%d",
	       try_vmrun(physical), try_vmload(physical), try_vmsave(physical),
	       try_stgi(0), try_clgi(0), try_invlpga(page));
	free_page(page);
}

TRY(vmxon, "vmxon (%%rax)")
TRY(vmxoff, "vmxoff")
TRY(vmclear, "vmclear (%%rax)")
TRY(vmptrld, "vmptrld (%%rax)")
TRY(vmptrst, "vmptrst (%%rax)")
TRY(vmread, "vmread %%rcx, %%rax")
TRY(vmwrite, "vmwrite %%rcx, %%rax")
TRY(vmlaunch, "vmlaunch")
TRY(vmresume, "vmresume")
TRY(invept, "invept (%%rax), %%rcx")
TRY(invvpid, "invvpid (%%rax), %%rcx")
TRY(vmfunc, "vmfunc")

/* The same for VMX. Those that take an address get one that they may use. */
static void vmx_instructions(const u64 *args)
{
	u64 page = get_zeroed_page(GFP_KERNEL);

	answer("vmxon=%d vmxoff=%d vmclear=%d vmptrld=%d vmptrst=%d vmread=%d "
	       "vmwrite=%d vmlaunch=%d vmresume=%d invept=%d invvpid=%d "
	       "vmfunc=%d",
	       try_vmxon(page), try_vmxoff(0), try_vmclear(page),
	       try_vmptrld(page), try_vmptrst(page), try_vmread(0),
	       try_vmwrite(0), try_vmlaunch(0), try_vmresume(0),
	       try_invept(page), try_invvpid(page), try_vmfunc(0));
	free_page(page);
}

/* Answer: `fault=1 set=0` when CR4.VMXE cannot be set. */
static void vmx_enable(const u64 *args)
{
	unsigned long old, wanted, now, flags;
	bool fault = true;

	local_irq_save(flags);
	asm volatile("mov %%cr4, %0" : "=r"(old));
	wanted = old | X86_CR4_VMXE;
	asm volatile("1: mov %1, %%cr4\n\tmovb $0, %0\n2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : "+m"(fault) : "r"(wanted) : "memory");
	asm volatile("mov %%cr4, %0" : "=r"(now));
	local_irq_restore(flags);
	answer("fault=%d set=%d", fault, (now & X86_CR4_VMXE) != 0);
}

#define CALL_AGAIN	1	/* US_E_AGAIN */

struct calls {
	u64 count, again, ok, other;
};

static u32 hypercall(u64 rax, u64 rbx, u64 rcx, u64 rdx)
{
	if (boot_cpu_data.x86_vendor == X86_VENDOR_INTEL)
		asm volatile("vmcall"
			     : "+a"(rax)
			     : "b"(rbx), "c"(rcx), "d"(rdx)
			     : "memory");
	else
		asm volatile("vmmcall"
			     : "+a"(rax)
			     : "b"(rbx), "c"(rcx), "d"(rdx)
			     : "memory");
	return rax;
}

static u64 random_address(const struct us_request *request)
{
	switch (get_random_u32() % 6) {
	case 0:
		return get_random_u64();
	case 1:		/* somewhere in kernel text */
		return (u64)&random_address + get_random_u32() % 65536;
	case 2:
		return (u64)request + get_random_u32() % 4096;
	case 3:		/* end of the canonical lower half */
		return 0x7ffffffff000 + get_random_u32() % 8192;
	case 4:
		return 0;
	default:
		return get_random_u32();
	}
}

/*
 * A request of random content, but for one thing: answers go to @room or to an
 * address that is not canonical. A kernel that asks for an answer into its own
 * stack gets it, and that would prove nothing.
 */
static void random_request(struct us_request *request, u8 *room)
{
	int i;

	get_random_bytes(request, sizeof(*request));
	if (get_random_u32() % 8) {
		request->magic = US_REQUEST_MAGIC;
		request->version = US_ABI_VERSION;
		request->op = get_random_u32() % 9;
	}
	if (get_random_u32() % 2)
		request->arg = get_random_u32() % 1000;
	for (i = 0; i < 2; i++) {
		request->in[i].gva = random_address(request);
		if (get_random_u32() % 2)
			request->in[i].len = get_random_u32() % 65536;
	}
	request->out.gva = get_random_u32() % 2 ? (u64)room : 1ull << 62;
	request->out.len = PAGE_SIZE;
}

static void one_random_call(struct us_request *request, u8 *room,
			    struct calls *calls)
{
	u64 ticket = get_random_u64() | 1, rax = US_CALL_MAGIC;
	u64 rbx = (u64)request;
	u32 result, tries = 0;

	random_request(request, room);
	if (get_random_u32() % 4 == 0)
		rax = get_random_u64();
	if (get_random_u32() % 16 == 0)
		rbx = 1ull << 62 | get_random_u32();
	do {
		result = hypercall(rax, rbx, ticket, get_random_u64());
		calls->count++;
		if (result == CALL_AGAIN) {
			calls->again++;
			cond_resched();
		}
	} while (result == CALL_AGAIN && ++tries < 100000);
	if (result == 0)
		calls->ok++;
	else
		calls->other++;
}

/* Random hypercalls from ring 0 for @args[0] seconds. */
static void random_calls(const u64 *args)
{
	unsigned long end = jiffies + args[0] * HZ;
	struct us_request *request = (void *)get_zeroed_page(GFP_KERNEL);
	u8 *room = (u8 *)get_zeroed_page(GFP_KERNEL);
	struct calls calls = { 0 };

	while (request && room && time_before(jiffies, end)) {
		one_random_call(request, room, &calls);
		cond_resched();
	}
	free_page((unsigned long)request);
	free_page((unsigned long)room);
	answer("calls=%llu again=%llu ok=%llu other=%llu", calls.count,
	       calls.again, calls.ok, calls.other);
}

const struct command processor_commands[] = {
	{ "rdmsr", 1, msr_read },
	{ "wrmsr", 2, msr_write },
	{ "svm", 0, svm_instructions },
	{ "vmx", 0, vmx_instructions },
	{ "vmx_enable", 0, vmx_enable },
	{ "random_calls", 1, random_calls },
	{ }
};
