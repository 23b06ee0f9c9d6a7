/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <unistd.h>

#include "carry.h"
#include "fail.h"
#include "file.h"

static enum us_error read_signature(const struct carry *carry,
				    struct buffer *out)
{
	const char *path = carry->signature;
	char beside[4096];

	*out = (struct buffer){ 0 };
	if (!path) {
		if (snprintf(beside, sizeof(beside), "%s.minisig",
			     carry->path) >= (int)sizeof(beside))
			return fail(US_E_FILE_OPEN, "%s: name too long",
				    carry->path);
		path = beside;
		if (access(path, F_OK))
			return US_OK;
	}
	return file_read(path, US_MAX_BASELINE, out);
}

enum us_error carry(const struct carry *carry, struct ring_request *request)
{
	struct buffer input, signature = { 0 };
	enum us_error error;

	*request = (struct ring_request){
		.op = carry->op, .arg = carry->arg,
		.timeout_ms = carry->timeout_ms,
	};
	error = file_read(carry->path, US_MAX_BASELINE, &input);
	if (!error)
		error = read_signature(carry, &signature);
	if (!error) {
		request->in[0] = input.data;
		request->in_len[0] = input.len;
		request->in[1] = signature.data;
		request->in_len[1] = signature.len;
		error = ring(request);
	}
	buffer_free(&input);
	buffer_free(&signature);
	request->in[0] = request->in[1] = NULL;
	return error;
}

const void *carry_answer(const struct ring_request *request, u64 len)
{
	if (request->out_len == len)
		return request->out;
	fail(US_E_PROTOCOL, "answer of %u bytes instead of %llu",
	     request->out_len, (unsigned long long)len);
	return NULL;
}
