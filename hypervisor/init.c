/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the loader's calls to the guest's first instruction under the hypervisor. */
#include <string.h>

#include "apic.h"
#include "control_domain.h"
#include "descriptors.h"
#include "host_paging.h"
#include "memory.h"
#include "pages.h"
#include "pin.h"
#include "slat.h"
#include "vcpu.h"

struct hypervisor hv;
u32 launch_error;

static const struct vmm_ops *const vendors[] = { &svm_ops, &vmx_ops };

/* Called from entry.S. */
u32 hv_init(const struct us_boot_info *info);
u64 launch_prepare(u32 index, const struct launch_state *state);
void __attribute__((noreturn)) launch_enter(u32 index);

u64 ns_from_tsc(u64 ticks)
{
	u64 khz = hv.boot.tsc_khz;

	/* In two parts, so that no product overflows for years. */
	return ticks / khz * 1000000 + ticks % khz * 1000000 / khz;
}

u64 time_ns(void)
{
	return ns_from_tsc(rdtsc() - hv.start_tsc);
}

u64 tsc_from_ms(u64 ms)
{
	return ms * hv.boot.tsc_khz;
}

static enum us_error choose_vendor(void)
{
	enum us_error error = US_E_CPU_VENDOR;

	for (u32 i = 0; i < ARRAY_SIZE(vendors); i++) {
		error = vendors[i]->probe();
		if (error == US_OK) {
			hv.ops = vendors[i];
			return US_OK;
		}
		if (error != US_E_CPU_VENDOR)
			break;
	}
	return error;
}

static bool boot_info_ok(const struct us_boot_info *info)
{
	return info->version == US_BOOT_VERSION && info->cpus >= 1 &&
		info->cpus <= MAX_CPUS && info->tsc_khz &&
		info->ram_ranges <= US_BOOT_MAX_RAM &&
		IS_ALIGNED(info->region_base, SIZE_2M) &&
		IS_ALIGNED(info->region_len | info->arena_len, PAGE_SIZE) &&
		IS_ALIGNED(info->arena_len | info->shadow_len, SIZE_2M) &&
		IS_ALIGNED(info->hpet_base | info->ioapic_base, PAGE_SIZE) &&
		info->image_base == (u64)hv_image_start &&
		info->free_base > info->image_base &&
		info->free_base <= info->region_base + info->region_len;
}

static void describe_cpus(void)
{
	struct cpuid_regs sizes = cpuid(0x80000008, 0);

	hv.phys_bits = sizes.eax & 0xff;
	hv.has_1g_pages = cpuid(0x80000001, 0).edx & (1u << 26);
	for (u32 i = 0; i < hv.boot.cpus; i++) {
		hv.cpu[i].index = i;
		hv.cpu[i].apic_id = hv.boot.apic_ids[i];
		hv.cpu[i].guest = &hv.vcpu[i];
		hv.vcpu[i].index = i;
	}
}

/* The arena is patch memory: what is not a patch stops whoever runs into it. */
static void clear_arena(void)
{
	memset(own_phys_to_virt(hv.arena), 0xcc, hv.boot.arena_len);
}

u32 hv_init(const struct us_boot_info *info)
{
	enum us_error error;

	if (!boot_info_ok(info))
		return US_E_BAD_IMAGE;
	hv.boot = *info;
	hv.base = hv.arena = info->region_base;
	hv.shadow = hv.arena + info->arena_len;
	hv.end = info->region_base + info->region_len;
	hv.start_tsc = rdtsc();
	hv.image_bytes = (u64)(hv_image_end - hv_image_start);
	error = choose_vendor();
	if (error)
		return error;
	describe_cpus();
	pages_init();
	pin_init();
	hv.ops->init();
	hv.has_slat_1g = hv.has_1g_pages && hv.ops->slat_1g();
	error = host_paging_init();
	if (!error)
		error = slat_init();
	if (!error)
		error = control_init();
	if (error)
		return error;
	clear_arena();
	apic_trap_init();
	log_write(US_LOG_INFO, MAX_CPUS, "hypervisor ready, %s, %u CPUs",
		  hv.ops->name, hv.boot.cpus);
	return US_OK;
}

/* Still on the firmware's stack and tables. Returns the top of our stack. */
u64 launch_prepare(u32 index, const struct launch_state *state)
{
	struct cpu *cpu = &hv.cpu[index];

	launch_error = US_E_CPU_START;
	if (index >= hv.boot.cpus || cpu->online)
		return 0;
	launch_error = hv.ops->probe();
	/* Leaving five-level paging takes a way through 32-bit mode. */
	if (!launch_error && (read_cr4() & CR4_LA57))
		launch_error = US_E_FIRMWARE;
	if (launch_error)
		return 0;
	hv.ops->cpu_enable(cpu);
	hv.ops->vcpu_adopt(cpu, cpu->guest, slat_guest_root());
	vcpu_adopt_registers(cpu->guest, state);
	return host_stack_top(cpu);
}

void launch_enter(u32 index)
{
	struct cpu *cpu = &hv.cpu[index];

	write_cr4(CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
	/* With FFXSR our FXSAVE would leave the guest's XMM registers where they are. */
	wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & ~(u64)EFER_FFXSR) | EFER_NXE);
	write_cr3(host_paging_root());
	descriptors_load(cpu);
	hv.ops->cpu_ready(cpu);
	if (control.state == CONTROL_NEW)
		control_start(cpu);
	cpu->online = 1;
	vcpu_loop(cpu);
}
