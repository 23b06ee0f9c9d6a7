/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of an exception that comes while another event is delivered. */
#include "events.h"
#include "suites.h"

static struct event event;

static bool add_to(u32 info, u8 vector)
{
	event = (struct event) { info, 5 };
	return event_add(&event, vector, vector != VECTOR_DB, 7, true);
}

static void expect(u8 vector, bool has_error, u32 error)
{
	CU_ASSERT_EQUAL(event.info, EVENT_VALID | EVENT_TYPE_EXC | vector |
			(has_error ? EVENT_HAS_ERROR : 0));
	CU_ASSERT_EQUAL(event.error, error);
}

static void test_alone(void)
{
	CU_ASSERT(add_to(0, VECTOR_GP));
	expect(VECTOR_GP, true, 7);
	CU_ASSERT(add_to(0, VECTOR_DB));
	expect(VECTOR_DB, false, 0);
	/* real mode */
	event = (struct event) { 0, 0 };
	CU_ASSERT(event_add(&event, VECTOR_GP, true, 7, false));
	expect(VECTOR_GP, false, 0);
}

#define EXCEPTION(vector) (EVENT_VALID | EVENT_TYPE_EXC | (vector))

static void test_faults(void)
{
	CU_ASSERT(add_to(EXCEPTION(VECTOR_GP), VECTOR_GP));
	expect(VECTOR_DF, true, 0);
	CU_ASSERT(add_to(EXCEPTION(VECTOR_GP), VECTOR_PF));
	expect(VECTOR_PF, true, 7);
	CU_ASSERT(add_to(EXCEPTION(VECTOR_PF), VECTOR_PF));
	expect(VECTOR_DF, true, 0);
	CU_ASSERT(add_to(EXCEPTION(VECTOR_PF), VECTOR_GP));
	expect(VECTOR_DF, true, 0);
	CU_ASSERT(add_to(EXCEPTION(VECTOR_DB), VECTOR_GP));
	expect(VECTOR_GP, true, 7);
}

static void test_interrupts(void)
{
	u32 nmi = EVENT_VALID | EVENT_TYPE_NMI | VECTOR_NMI;

	/* The NMI is tried again, and the debug exception comes with it. */
	CU_ASSERT_FALSE(add_to(nmi, VECTOR_DB));
	CU_ASSERT_EQUAL(event.info, nmi);
	CU_ASSERT(add_to(nmi, VECTOR_PF));
	expect(VECTOR_DF, true, 0);
	CU_ASSERT(add_to(EVENT_VALID | EVENT_TYPE_INTERRUPT | 0x30, VECTOR_GP));
	expect(VECTOR_DF, true, 0);
}

const struct test events_tests[] = {
	{ "alone", test_alone },
	{ "faults in faults", test_faults },
	{ "faults in interrupts", test_interrupts },
	{ 0 }
};
