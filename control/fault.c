/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test images only: breaks the control domain on request, to prove that what it
 * does then stays inside it. */
#include "state.h"

#ifdef UNDERSEAL_FAULTS

static void hang(void)
{
	for (;;)
		__asm__ volatile("pause");
}

static void crash(void)
{
	/* Page 0 is not mapped (control_abi.h). */
	__asm__ volatile("movl $0, 0" ::: "memory");
}

enum us_error fault_request(const struct control_call *call)
{
	switch (call->request.arg) {
	case US_FAULT_HANG_STOPPED:
		if (host_stop())
			return control_fail(US_E_STOP_FAILED, 0, 0, NULL);
		hang();
		break;
	case US_FAULT_HANG:
		hang();
		break;
	case US_FAULT_CRASH:
		crash();
		break;
	}
	return control_fail(US_E_BAD_REQUEST, call->request.arg, 0, NULL);
}

#endif
