/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "process.h"

#define EXEC_FAILED	127

/* What goes through to other programs: nothing that changes what make or a
 * compiler does. */
static const char *const passed_on[] = {
	"PATH", "HOME", "TMPDIR", "TERM", "http_proxy", "https_proxy",
	"no_proxy", "APT_CONFIG", "XDG_CACHE_HOME",
};

static char **make_environment(void)
{
	char **list = calloc(ARRAY_SIZE(passed_on) + 2, sizeof(*list));
	size_t i, count = 0;
	const char *value;

	if (!list)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(passed_on); i++) {
		value = getenv(passed_on[i]);
		if (value && asprintf(&list[count], "%s=%s", passed_on[i],
				      value) > 0)
			count++;
	}
	/* Messages that tests and people can search for. */
	list[count] = strdup("LC_ALL=C");
	return list;
}

static void free_environment(char **list)
{
	char **entry;

	for (entry = list; entry && *entry; entry++)
		free(*entry);
	free(list);
}

static bool redirect(const char *path, int flags, int target)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	return fd >= 0 && dup2(fd, target) == target;
}

/* In the child: give the output to @pipe unless a log or the terminal gets it. */
static bool redirect_all(const struct process *process, int pipe)
{
	const int append = O_WRONLY | O_CREAT | O_APPEND;

	if (!redirect(process->input ? process->input : "/dev/null", O_RDONLY,
		      STDIN_FILENO))
		return false;
	if (process->show && notes_shown())
		return dup2(STDERR_FILENO, STDOUT_FILENO) == STDOUT_FILENO;
	if (process->log)
		return redirect(process->log, append, STDOUT_FILENO) &&
		       redirect(process->log, append, STDERR_FILENO);
	return dup2(pipe, STDOUT_FILENO) == STDOUT_FILENO &&
	       dup2(pipe, STDERR_FILENO) == STDERR_FILENO;
}

static void __attribute__((noreturn))
become(const struct process *process, char **environment, int pipe)
{
	if ((!process->directory || !chdir(process->directory)) &&
	    redirect_all(process, pipe))
		execvpe(process->argv[0], (char *const *)process->argv,
			environment);
	_exit(EXEC_FAILED);
}

static enum us_error drain(int fd, struct buffer *output)
{
	enum us_error error = US_OK;
	u8 chunk[4096];
	ssize_t got;

	for (;;) {
		got = read(fd, chunk, sizeof(chunk));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error;
		/* Read on in any case, or the program would wait for us. */
		if (error || !output)
			continue;
		if (output->len + (u64)got > PROCESS_OUTPUT_MAX)
			error = fail(US_E_TOO_LARGE, "a program's output");
		else
			error = buffer_append(output, chunk, got);
	}
}

static int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	       128 + WTERMSIG(status);
}

static enum us_error not_run(const struct process *process, const char *why)
{
	return fail(US_E_PROGRAM, "%s cannot be run: %s", process->argv[0],
		    why);
}

enum us_error process_run(const struct process *process, int *status,
			  struct buffer *output)
{
	char **environment = make_environment();
	enum us_error error;
	int ends[2];
	pid_t child;

	if (!environment || pipe2(ends, O_CLOEXEC)) {
		free_environment(environment);
		return not_run(process, strerror(errno));
	}
	fflush(NULL);
	child = fork();
	if (!child)
		become(process, environment, ends[1]);
	close(ends[1]);
	free_environment(environment);
	error = child < 0 ? not_run(process, strerror(errno)) :
		drain(ends[0], output);
	close(ends[0]);
	if (child < 0)
		return error;
	*status = wait_for(child);
	if (!error && *status == EXEC_FAILED)
		return not_run(process, "is it installed?");
	return error;
}

const char *last_words(const struct buffer *text, size_t len)
{
	const char *words = (const char *)text->data, *line;

	if (!words || !text->len)
		return "";
	if (text->len <= len)
		return words;
	words += text->len - len;
	line = strchr(words, '\n');
	return line && line[1] ? line + 1 : words;
}

/* Start @process between the given ends; -1 when that fails. */
static pid_t start(const struct process *process, char **environment, int in,
		   int out, int errors)
{
	pid_t child = fork();

	if (child)
		return child;
	if (dup2(in, STDIN_FILENO) == STDIN_FILENO &&
	    dup2(out, STDOUT_FILENO) == STDOUT_FILENO &&
	    dup2(errors, STDERR_FILENO) == STDERR_FILENO &&
	    (!process->directory || !chdir(process->directory)))
		execvpe(process->argv[0], (char *const *)process->argv,
			environment);
	_exit(EXEC_FAILED);
}

/* The second program's word counts: it may have had enough before the first
 * one's end, which then fails. */
static enum us_error check_second(const struct process *to, int status,
				  struct buffer *said)
{
	enum us_error error = buffer_append(said, "", 1);

	if (error)
		return error;
	said->len--;
	if (status)
		return fail(US_E_PROGRAM, "%s ended with status %d: %s",
			    to->argv[0], status, last_words(said, 300));
	return US_OK;
}

enum us_error process_pipe(const struct process *from, const struct process *to)
{
	int between[2] = { -1, -1 }, errors[2] = { -1, -1 };
	char **environment = make_environment();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct buffer said = { 0 };
	enum us_error error;
	pid_t first, second;

	if (!environment || null < 0 || pipe2(between, O_CLOEXEC) ||
	    pipe2(errors, O_CLOEXEC))
		return not_run(from, strerror(errno));
	fflush(NULL);
	first = start(from, environment, null, between[1], errors[1]);
	second = start(to, environment, between[0], null, errors[1]);
	close(between[0]);
	close(between[1]);
	close(errors[1]);
	close(null);
	free_environment(environment);
	error = drain(errors[0], &said);
	close(errors[0]);
	if (first > 0)
		wait_for(first);
	if (first < 0 || second < 0)
		error = not_run(first < 0 ? from : to, "no process");
	else if (!error)
		error = check_second(to, wait_for(second), &said);
	buffer_free(&said);
	return error;
}

enum us_error process_must(const struct process *process,
			   struct buffer *output)
{
	struct buffer own = { 0 };
	struct buffer *said = output ? output : &own;
	enum us_error error;
	int status = 0;

	error = process_run(process, &status, said);
	/* So that the output is text. */
	if (!error)
		error = buffer_append(said, "", 1);
	if (!error)
		said->len--;
	if (!error && status)
		error = fail(US_E_PROGRAM, "%s ended with status %d%s%s",
			     process->argv[0], status, said->len ? ": " : "",
			     last_words(said, 300));
	buffer_free(&own);
	return error;
}
