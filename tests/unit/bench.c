/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bench.h"
#include "state.h"

struct keypair bench_key, bench_stranger;
struct us_request bench_answer;
u8 bench_response[US_MAX_RESPONSE];
struct blob bench_blob, bench_revert_blob;
struct bundle_spec bench_spec;
u32 bench_cpl;

void bench_start(u32 options)
{
	static char keys[256];
	u64 len;

	make_key(&bench_key, 1);
	make_key(&bench_stranger, 2);
	len = make_public_file(&bench_key, keys, sizeof(keys));
	sim_build(options, keys, len);
	bench_cpl = 3;
}

void bench_start_sealed(void)
{
	bench_start(0);
	CU_ASSERT_EQUAL_FATAL(bench_seal(), US_OK);
}

static bool takes_input(enum us_op op)
{
	return op == US_OP_SEAL || op == US_OP_APPLY || op == US_OP_REVERT ||
	       op == US_OP_SEAL_MODULE || op == US_OP_AWAIT;
}

struct us_request bench_request(enum us_op op)
{
	struct us_request request = {
		.magic = US_REQUEST_MAGIC,
		.version = US_ABI_VERSION,
		.op = op,
		.out = { BENCH_OUT, US_MAX_RESPONSE },
		.status = 0xffffffff,
	};

	if (takes_input(op)) {
		request.in[0].gva = BENCH_INPUT;
		request.in[1].gva = BENCH_SIGNATURE;
	}
	return request;
}

enum us_error bench_ring(const struct us_request *request)
{
	struct control_caller who = sim_caller(BENCH_REQUEST);
	enum us_error error, claimed;

	who.cpl = bench_cpl;
	sim_user_write(BENCH_REQUEST, request, sizeof(*request));
	sim_snapshot();
	error = control_request(&who);
	sim.fail_write = 0;	/* the claim's own writes are not meant */
	if (error)
		CU_ASSERT(sim_unchanged());
	if (error && !control.result.quiet)
		CU_ASSERT_PTR_NOT_NULL(strstr(sim.all_logs,
					      us_error_name(error)));
	CU_ASSERT_FALSE(sim.stopped);
	claimed = control_claim(&who);
	CU_ASSERT_EQUAL(claimed, error);
	CU_ASSERT_EQUAL(sim.violations, 0);
	sim_user_read(BENCH_REQUEST, &bench_answer, sizeof(bench_answer));
	CU_ASSERT_EQUAL(bench_answer.status, error);
	sim_user_read(BENCH_OUT, bench_response, bench_answer.out_len);
	return error;
}

enum us_error bench_send_signed(enum us_op op, const struct blob *blob,
				const char *signature, u64 len, u64 arg)
{
	struct us_request request = bench_request(op);

	sim_user_write(BENCH_INPUT, blob->data, blob->len);
	sim_user_write(BENCH_SIGNATURE, signature, len);
	request.arg = arg;
	request.in[0].len = blob->len;
	request.in[1].len = len;
	return bench_ring(&request);
}

enum us_error bench_send(enum us_op op, const struct blob *blob,
			 const struct keypair *key, u64 arg)
{
	char signature[1024];
	u64 len;

	len = make_signature(key, blob->data, blob->len, "file:test", signature,
			     sizeof(signature));
	return bench_send_signed(op, blob, signature, len, arg);
}

enum us_error bench_seal(void)
{
	make_baseline(&bench_blob);
	return bench_send(US_OP_SEAL, &bench_blob, &bench_key, 0);
}

enum us_error bench_apply_spec(void)
{
	make_bundle(&bench_spec, &bench_blob);
	return bench_send(US_OP_APPLY, &bench_blob, &bench_key, 0);
}

enum us_error bench_apply(u32 function, u64 generation)
{
	bundle_spec_default(&bench_spec, function, generation);
	return bench_apply_spec();
}

enum us_error bench_revert(void)
{
	make_revert(&bench_blob, &bench_revert_blob);
	return bench_send(US_OP_REVERT, &bench_revert_blob, &bench_key, 0);
}
