/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events that wait to be delivered to the guest. Both vendors write them alike: APM
 * volume 2, 15.20; SDM volume 3, "VM-entry controls for event injection".
 */
#ifndef HV_EVENTS_H
#define HV_EVENTS_H

#include "hv.h"

#define EVENT_VALID		(1u << 31)
#define EVENT_HAS_ERROR		(1u << 11)
#define EVENT_VECTOR(event)	((event) & 0xff)
#define EVENT_TYPE_MASK		(7u << 8)
#define EVENT_TYPE_INTERRUPT	(0u << 8)
#define EVENT_TYPE_NMI		(2u << 8)
#define EVENT_TYPE_EXC		(3u << 8)
#define EVENT_TYPE_INTN		(4u << 8)

struct event {
	u32 info;		/* EVENT_*; 0: none */
	u32 error;
};

/*
 * Exception @vector is to be delivered while @event waits: make @event what the
 * processor would deliver, maybe a double fault. False: @event is tried again and
 * nothing else happens. @protected: in real mode no exception has an error code.
 */
bool event_add(struct event *event, u8 vector, bool has_error, u32 error,
	       bool protected);

#endif
