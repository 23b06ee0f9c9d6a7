/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run other programs: by fork and exec with an argument vector, never through a shell,
 * with an environment of a few named variables. Errors are recorded with fail().
 */
#ifndef UNDERSEAL_PROCESS_H
#define UNDERSEAL_PROCESS_H

#include "file.h"

#define PROCESS_OUTPUT_MAX	(16u << 20)	/* bytes of output kept */

struct process {
	const char *const *argv;	/* NULL-terminated; argv[0] is searched
					 * for in PATH */
	const char *directory;		/* to run in, or NULL */
	const char *input;		/* file for standard input, or NULL */
	const char *log;		/* file that gets standard output and
					 * error, or NULL: @output does */
	bool show;			/* to the terminal instead, when
					 * progress is shown at all */
};

/*
 * Run @process to its end. *@status is its exit status, 128 + the signal's number
 * when it was killed. @output (may be NULL) gets what it wrote when @process names
 * no log. PROGRAM when it cannot be run, FILE_WRITE, TOO_LARGE, NO_MEMORY.
 */
enum us_error process_run(const struct process *process, int *status,
			  struct buffer *output);

/* The same for a program that has to succeed: PROGRAM with its last words if it
 * does not. */
enum us_error process_must(const struct process *process,
			   struct buffer *output);

/* Two programs at once, the first one's output being the second one's input. The
 * second one has to succeed. Their @input, @log and @show do not count. */
enum us_error process_pipe(const struct process *from, const struct process *to);

/* The last lines of @text, at most @len bytes: what a program said before it
 * failed. Points into @text. */
const char *last_words(const struct buffer *text, size_t len);

#endif
