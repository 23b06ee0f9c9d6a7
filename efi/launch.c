/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_abi.h"
#include "control_abi.h"
#include "cpu.h"
#include "launch.h"
#include "mapping.h"
#include "memory.h"
#include "print.h"
#include "sleep.h"
#include "timer.h"

/* efi/blobs.S */
extern const u8 hypervisor_blob[], hypervisor_blob_end[];
extern const u8 control_blob[], control_blob_end[];
extern const u8 keys_blob[], keys_blob_end[];

static struct us_boot_info boot_info;

struct launch_call {
	us_hv_launch_fn *launch;
	u32 cpu;
	u32 error;	/* what launch returned */
	bool is_guest;	/* what CPUID says afterwards */
};

static bool header_valid(const struct us_hv_header *header, u64 size)
{
	return size >= sizeof(*header) && header->magic == US_HV_MAGIC &&
		header->version == US_BOOT_VERSION &&
		header->header_size == sizeof(*header) &&
		header->file_size == size && header->mem_size >= size &&
		header->mem_size <= SIZE_1G &&
		IS_ALIGNED(header->mem_size, PAGE_SIZE) &&
		header->init >= sizeof(*header) && header->init < size &&
		header->launch >= sizeof(*header) && header->launch < size;
}

static enum us_error check_images(const struct us_hv_header *header)
{
	const struct us_control_header *control = (const void *)control_blob;
	u64 control_len = (u64)(control_blob_end - control_blob);

	if (!header_valid(header, (u64)(hypervisor_blob_end - hypervisor_blob)))
		return fail(US_E_BAD_IMAGE, "The hypervisor's header is wrong.");
	if (control_len < sizeof(*control) ||
	    control->magic != US_CONTROL_MAGIC)
		return fail(US_E_BAD_IMAGE,
			    "The control domain's header is wrong.");
	if (&keys_blob[0] == &keys_blob_end[0])
		return fail(US_E_BAD_IMAGE, "It holds no trusted key.");
	return US_E_OK;
}

/*
 * Lengths and places relative to region_base, which is not known yet and 0 at this
 * point. Returns where the heap starts.
 */
static u64 lay_out(struct us_boot_info *info, const struct us_hv_header *header)
{
	info->arena_len = US_ARENA_LEN;
	info->shadow_len = US_SHADOW_LEN;
	info->image_base = info->arena_len + info->shadow_len;
	info->control_image = info->image_base + header->mem_size;
	info->control_image_len = (u64)(control_blob_end - control_blob);
	info->keys = ALIGN_UP(info->control_image + info->control_image_len,
			      PAGE_SIZE);
	info->keys_len = (u64)(keys_blob_end - keys_blob);
	info->free_base = ALIGN_UP(info->keys + info->keys_len, PAGE_SIZE);
	return info->free_base;
}

/* memory_reserve() has cleared all that is not written here. */
static void place_images(struct us_boot_info *info)
{
	info->image_base += info->region_base;
	info->control_image += info->region_base;
	info->keys += info->region_base;
	info->free_base += info->region_base;
	CopyMem((VOID *)info->image_base, (VOID *)hypervisor_blob,
		(UINTN)(hypervisor_blob_end - hypervisor_blob));
	CopyMem((VOID *)info->control_image, (VOID *)control_blob,
		info->control_image_len);
	CopyMem((VOID *)info->keys, (VOID *)keys_blob, info->keys_len);
}

static void describe_machine(struct us_boot_info *info,
			     const struct cpus *cpus,
			     const struct machine *machine)
{
	info->version = US_BOOT_VERSION;
	info->cpus = cpus->count;
	for (u32 i = 0; i < cpus->count; i++)
		info->apic_ids[i] = cpus->apic_id[i];
	info->tsc_khz = machine->tsc_khz;
	info->serial_port = serial_port();
	sleep_describe(info);
	if (!machine->own_timer)
		timer_describe(info);
}

static enum us_error init_hypervisor(const struct us_hv_header *header)
{
	us_hv_init_fn *init =
		(us_hv_init_fn *)(boot_info.image_base + header->init);
	u64 flags = interrupts_off();
	u32 error = init(&boot_info);

	interrupts_restore(flags);
	return error ? fail(error, "The hypervisor does not initialise.") :
		US_E_OK;
}

/* On each CPU: touches no firmware service. */
static void launch_cpu(void *argument)
{
	struct launch_call *call = argument;
	u64 flags = interrupts_off();

	call->error = call->launch(call->cpu);
	interrupts_restore(flags);
	call->is_guest = probe_is_guest();
}

/*
 * Sets *@entered once the CPU may be under the hypervisor; also after a timeout, when
 * nobody can tell.
 */
static enum us_error launch_one(struct cpus *cpus, u32 cpu,
				us_hv_launch_fn *fn, bool *entered)
{
	struct launch_call call = { .launch = fn, .cpu = cpu };
	EFI_STATUS status = cpus_call(cpus, cpu, launch_cpu, &call);

	if (EFI_ERROR(status)) {
		*entered = *entered || status == EFI_TIMEOUT;
		return fail(US_E_CPU_START, "CPU %u (APIC id %u): %s.", cpu,
			    cpus->apic_id[cpu], status_text(status));
	}
	if (call.error)
		return fail(US_E_CPU_START, "CPU %u (APIC id %u): %s: %s", cpu,
			    cpus->apic_id[cpu], us_error_name(call.error),
			    us_error_text(call.error));
	*entered = true;
	if (!call.is_guest)
		return fail(US_E_CPU_START, "CPU %u (APIC id %u) does not "
			    "show Underseal's CPUID leaf.", cpu,
			    cpus->apic_id[cpu]);
	return US_E_OK;
}

/*
 * The boot CPU last: what it does as a guest is trapped from then on, and the
 * firmware's way to start the other CPUs must not be. An AP that has been launched
 * is never called again.
 */
static enum us_error launch_all(struct cpus *cpus, us_hv_launch_fn *fn,
				bool *entered)
{
	enum us_error error = US_E_OK;

	for (u32 i = 1; i < cpus->count && !error; i++)
		error = launch_one(cpus, i, fn, entered);
	return error ? error : launch_one(cpus, 0, fn, entered);
}

enum us_error launch(struct cpus *cpus, const struct machine *machine)
{
	const struct us_hv_header *header = (const void *)hypervisor_blob;
	bool entered = false;
	enum us_error error;

	error = check_images(header);
	if (error)
		return error;
	error = memory_reserve(&boot_info, lay_out(&boot_info, header), header,
			       machine->page_1gib);
	if (error)
		return error;
	place_images(&boot_info);
	describe_machine(&boot_info, cpus, machine);
	print("underseal: %u KiB reserved at 0x%lx\n",
	      (u32)(boot_info.region_len / 1024), boot_info.region_base);
	error = mapping_make_executable(boot_info.image_base, header->mem_size);
	if (!error)
		error = init_hypervisor(header);
	if (!error)
		error = launch_all(cpus, (us_hv_launch_fn *)
				   (boot_info.image_base + header->launch),
				   &entered);
	if (error && !entered)
		memory_release(&boot_info);
	return error;
}
