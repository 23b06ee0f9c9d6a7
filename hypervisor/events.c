/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "events.h"

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
 * volume 2, 8.2.9; SDM volume 3, table 6-5. An interrupt or NMI that cannot be
 * delivered would be lost, which only a guest brings about that has its stack where it
 * may not write: double fault. False: the first event is tried again.
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
	switch (fault_class(EVENT_VECTOR(event))) {
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

bool event_add(struct event *event, u8 vector, bool has_error, u32 error,
	       bool protected)
{
	u8 wanted = vector;

	if (!combine(event->info, &vector))
		return false;
	if (vector != wanted) {
		has_error = true;
		error = 0;
	}
	has_error = has_error && protected;
	event->info = EVENT_VALID | EVENT_TYPE_EXC | vector |
		(has_error ? EVENT_HAS_ERROR : 0);
	event->error = has_error ? error : 0;
	return true;
}
