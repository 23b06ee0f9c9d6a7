/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How people describe changes of variables and counters to watch. Words are separated
 * by blanks:
 *
 *	[pre|post] VARIABLE VALUE VALUE [keep]	what it holds before, and after
 *	VARIABLE[:ALLOWED]			a counter
 *
 *	VARIABLE	NAME[+OFFSET][/SIZE]; without a size all that is behind the
 *			offset, or what the values take
 *	VALUE		a number, possibly negative; &NAME[+OFFSET], an address;
 *			hex:BYTES, as they lie in memory
 *
 * Errors are recorded with fail().
 */
#ifndef UNDERSEAL_WRITE_SPEC_H
#define UNDERSEAL_WRITE_SPEC_H

#include "bundle.h"

#define SPEC_NAME_MAX	128u

struct variable_spec {
	char name[SPEC_NAME_MAX];
	u64 offset;
	u64 size;			/* 0: none was given */
};

struct value_spec {
	enum { VALUE_NUMBER, VALUE_ADDRESS, VALUE_BYTES } kind;
	u64 number;			/* of a NUMBER */
	bool negative;
	struct variable_spec address;	/* of an ADDRESS */
	u8 bytes[US_HUNK_MAX];		/* of BYTES */
	u32 len;
};

struct write_spec {
	u8 when;			/* enum us_write_when */
	bool keep;
	struct variable_spec variable;
	struct value_spec expected, replacement;
};

struct watch_spec {
	struct variable_spec variable;
	u64 allowed;
};

/* false when @text is none. */
bool write_spec_parse(const char *text, struct write_spec *spec);
bool watch_spec_parse(const char *text, struct watch_spec *spec);

#endif
