/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test images only: breaks the control domain on request, to prove that what it
 * does then stays inside it. */
#include "fault.h"
#include "state.h"

#ifdef UNDERSEAL_FAULTS

static struct {
	u8 how;			/* enum us_fault */
	u8 step;		/* 0: nothing is armed */
} armed;

void fault_reset(void)
{
	armed.step = 0;
}

void fault_point(enum us_step step)
{
	if (armed.step != (u8)step)
		return;
	armed.step = 0;
	host_break(armed.how);
}

static enum us_error arm(u64 arg)
{
	u8 how = (u8)arg, step = (u8)(arg >> 8);

	if (arg >> 16 || step >= US_STEPS ||
	    (how != US_FAULT_HANG && how != US_FAULT_CRASH))
		return control_fail(US_E_BAD_REQUEST, arg, US_STEPS, NULL);
	armed.how = how;
	armed.step = step;
	return US_OK;
}

enum us_error fault_request(const struct control_call *call)
{
	u64 arg = call->request.arg;

	if (arg >> 8)
		return arm(arg);
	if (arg == US_FAULT_HANG_STOPPED && host_stop())
		return control_fail(US_E_STOP_FAILED, 0, 0, NULL);
	if (arg == US_FAULT_HANG_STOPPED || arg == US_FAULT_HANG)
		host_break(US_FAULT_HANG);
	if (arg == US_FAULT_CRASH)
		host_break(US_FAULT_CRASH);
	return control_fail(US_E_BAD_REQUEST, arg, 0, NULL);
}

#endif
