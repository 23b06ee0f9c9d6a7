/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpus.h"
#include "print.h"

#define CALL_TIMEOUT_US	10000000

static EFI_GUID mp_services_guid = MP_SERVICES_GUID;

struct call {
	void (*function)(void *argument);
	void *argument;
};

static enum us_error add_cpu(struct cpus *cpus, UINTN number)
{
	struct mp_cpu_info info;
	u32 index;
	EFI_STATUS status;

	status = cpus->mp->get_info(cpus->mp, number, &info);
	if (EFI_ERROR(status))
		return fail(US_E_FIRMWARE, "MP services: processor %lu: %s.",
			    (u64)number, status_text(status));
	/* An operating system could start it all the same, outside the hypervisor. */
	if (!(info.status & MP_CPU_IS_ENABLED))
		return fail(US_E_FIRMWARE, "MP services: processor %lu "
			    "(APIC id %u) is switched off and cannot be "
			    "brought under the hypervisor.", (u64)number,
			    (u32)info.id);
	if (info.status & MP_CPU_IS_BSP)
		index = 0;
	else if (cpus->count < US_MAX_VCPUS)
		index = cpus->count++;
	else
		return fail(US_E_TOO_MANY_CPUS,
			    "More than %u CPUs are enabled.", US_MAX_VCPUS);
	cpus->number[index] = number;
	cpus->apic_id[index] = (u32)info.id;
	return US_E_OK;
}

enum us_error cpus_find(struct cpus *cpus)
{
	UINTN number, enabled, self;
	enum us_error error = US_E_OK;
	EFI_STATUS status;

	status = BS->LocateProtocol(&mp_services_guid, NULL,
				    (VOID **)&cpus->mp);
	if (!EFI_ERROR(status))
		status = cpus->mp->get_number(cpus->mp, &number, &enabled);
	if (!EFI_ERROR(status))
		status = cpus->mp->who_am_i(cpus->mp, &self);
	if (EFI_ERROR(status))
		return fail(US_E_FIRMWARE, "MP services: %s.",
			    status_text(status));
	cpus->count = 1;	/* the boot CPU's place is taken */
	cpus->number[0] = number;
	for (UINTN i = 0; i < number && !error; i++)
		error = add_cpu(cpus, i);
	if (!error && cpus->number[0] != self)
		return fail(US_E_FIRMWARE, "MP services name no boot CPU.");
	return error;
}

static VOID EFIAPI run_call(VOID *argument)
{
	struct call *call = argument;

	call->function(call->argument);
}

EFI_STATUS cpus_call(struct cpus *cpus, u32 index,
		     void (*function)(void *argument), void *argument)
{
	struct call call = { function, argument };

	if (!index) {
		function(argument);
		return EFI_SUCCESS;
	}
	return cpus->mp->startup_this_ap(cpus->mp, run_call,
					 cpus->number[index], NULL,
					 CALL_TIMEOUT_US, &call, NULL);
}
