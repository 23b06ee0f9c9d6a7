/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test bench: a simulated machine with a trusted key, and requests as a program
 * in the guest makes them. Every refusal that goes through here is also checked
 * to have changed no byte of the guest and no permission.
 */
#ifndef UNDERSEAL_BENCH_H
#define UNDERSEAL_BENCH_H

#include "maker.h"
#include "sim.h"
#include "suites.h"

/* Where requests lie in the caller's memory. */
#define BENCH_REQUEST	(SIM_USER_GVA + 0x0ff0)	/* crosses a page */
#define BENCH_SIGNATURE	(SIM_USER_GVA + 0x2ffc)
#define BENCH_OUT	(SIM_USER_GVA + 0x5010)
#define BENCH_INPUT	(SIM_USER_GVA + 0x20123)

extern struct keypair bench_key;	/* trusted */
extern struct keypair bench_stranger;	/* not */
extern struct us_request bench_answer;	/* the last request, as claimed */
extern u8 bench_response[US_MAX_RESPONSE]; /* its response */
extern struct blob bench_blob, bench_revert_blob;
extern struct bundle_spec bench_spec;
extern u32 bench_cpl;		/* of whoever rings; 3 on a new machine */

/* A new machine, unsealed; with options of sim_build(). */
void bench_start(u32 options);
/* The same, sealed. */
void bench_start_sealed(void);

/* Lay a request out in the caller's memory with default places and sizes, to be
 * changed by the test before it is rung. */
struct us_request bench_request(enum us_op op);
/* Write it to memory, ring, claim. Returns the status. */
enum us_error bench_ring(const struct us_request *request);

/* Put a file and its signature into the caller's memory, and ring. */
enum us_error bench_send(enum us_op op, const struct blob *blob,
			 const struct keypair *key, u64 arg);
/* The same with a signature text of the test's. */
enum us_error bench_send_signed(enum us_op op, const struct blob *blob,
				const char *signature, u64 len, u64 arg);

/* The simulated kernel's good baseline; good bundle for @function. */
enum us_error bench_seal(void);
enum us_error bench_apply(u32 function, u64 generation);
/* bench_spec, after the test has changed it. */
enum us_error bench_apply_spec(void);
/* Take back what is in bench_blob, which a later apply has not overwritten. */
enum us_error bench_revert(void);

/* As single statements, which CUnit's own are not. */
#define ASSERT_REFUSED(error, call)			\
	do {						\
		CU_ASSERT_EQUAL(call, US_E_##error);	\
	} while (0)
#define ASSERT_OK(call)					\
	do {						\
		CU_ASSERT_EQUAL(call, US_OK);		\
	} while (0)

#endif
