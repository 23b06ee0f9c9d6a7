/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the agent reports to: stderr, in the journal's terms when it listens. */
#ifndef UNDERSEAL_JOURNAL_H
#define UNDERSEAL_JOURNAL_H

/* Priorities of syslog(3), as sd-daemon(3) writes them. */
enum priority {
	PRIORITY_ERROR = 3,
	PRIORITY_WARNING = 4,
	PRIORITY_NOTICE = 5,
	PRIORITY_INFO = 6,
};

/* One line. Control characters in the result are replaced. */
void journal(enum priority priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Report what fail() recorded, after @what. */
void journal_failure(enum priority priority, const char *what);

/* Tell systemd @state, e.g. "READY=1" (sd_notify(3)); nothing without it. */
void journal_notify(const char *state);

#endif
