/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium/crypto_generichash.h>

#include "guest_memory.h"
#include "input.h"
#include "keys.h"
#include "scratch.h"

union control_scratch control_scratch;

static u8 signature_buffer[US_MAX_SIGNATURE];

static enum us_error load(const struct control_call *call, u32 index, void *to,
			  u64 room)
{
	const struct us_span *span = &call->request.in[index];
	enum us_error error;

	if (span->len > room)
		return control_fail(US_E_TOO_LARGE, span->len, room, NULL);
	error = caller_read(call->who, span->gva, to, span->len);
	if (error)
		return control_fail(error, span->gva, span->len, NULL);
	return US_OK;
}

enum us_error input_load_signature(const struct control_call *call,
				   struct minisign_signature *signature,
				   const struct minisign_key **key)
{
	enum us_error error;

	error = load(call, 1, signature_buffer, sizeof(signature_buffer));
	if (error)
		return error;
	return keys_read_signature(signature_buffer, call->request.in[1].len,
				   signature, key);
}

enum us_error input_load(const struct control_call *call, struct input *input)
{
	struct minisign_signature signature;
	u8 digest[MINISIGN_DIGEST];
	enum us_error error;

	input->data = control_scratch.bundle;
	input->len = call->request.in[0].len;
	error = load(call, 0, control_scratch.bundle,
		     sizeof(control_scratch.bundle));
	if (!error)
		error = input_load_signature(call, &signature, &input->key);
	if (error)
		return error;
	if (crypto_generichash(digest, sizeof(digest), input->data, input->len,
			       NULL, 0) ||
	    crypto_generichash(input->id, sizeof(input->id), input->data,
			       input->len, NULL, 0))
		return control_fail(US_E_HOST_FAILED, 0, 0, NULL);
	error = minisign_verify(&signature, input->key, digest);
	return error ? control_fail(error, 0, 0, NULL) : US_OK;
}
