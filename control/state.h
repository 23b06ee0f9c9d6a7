/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the control core remembers between calls. Private to control/. */
#ifndef UNDERSEAL_STATE_H
#define UNDERSEAL_STATE_H

#include "core.h"
#include "kernel_map.h"

/* The one request in progress or waiting to be claimed. */
struct control_result {
	bool claimable;		/* a request ended and was not claimed */
	bool write_back;	/* its struct us_request was understood */
	bool quiet;		/* its refusal is no line of the log */
	u32 status;
	u64 detail[2];
	char text[US_NAME_MAX];
	struct us_span out;	/* as it was when the request was read */
	u32 out_len;		/* bytes of the response */
};

struct control_state {
	bool sealed;
	bool running;		/* a request is being carried out */
	struct kernel kernel;	/* valid while sealed */
	u64 writes_allowed;
	u64 writes_refused;
	struct control_result result;
};

extern struct control_state control;

/* The response under construction, US_MAX_RESPONSE bytes, 8-byte aligned. */
extern u8 control_response[US_MAX_RESPONSE];

/*
 * The one way to report an error: notes what belongs to it (two numbers as
 * common/ERRORS.md says, and a name or NULL) for the caller and the log, and
 * returns @error.
 */
enum us_error control_fail(enum us_error error, u64 detail0, u64 detail1,
			   const char *text);

/* A request whose struct has been copied and checked. */
struct control_call {
	const struct control_caller *who;
	struct us_request request;
};

/* Operations: fill control_response and control.result.out_len, or fail. */
enum us_error seal_request(const struct control_call *call);
enum us_error apply_request(const struct control_call *call);
enum us_error revert_request(const struct control_call *call);
enum us_error status_request(const struct control_call *call);
enum us_error list_request(const struct control_call *call);
enum us_error log_request(const struct control_call *call);
enum us_error counters_request(const struct control_call *call);
#ifdef UNDERSEAL_FAULTS
enum us_error fault_request(const struct control_call *call);
#endif

#endif
