/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of the loader: to the UEFI console and to COM1, to each once. All of
 * this is for the boot CPU only, while boot services are there.
 */
#ifndef UNDERSEAL_EFI_PRINT_H
#define UNDERSEAL_EFI_PRINT_H

#include "errors.h"
#include "types.h"

/*
 * Find out where messages have to go. When the UEFI console already includes a
 * serial line, COM1 is left to it; else COM1, if there is one, is set to 115200
 * baud, 8N1, and written directly. Call after InitializeLib().
 */
void print_init(void);

/* The I/O base of a 16550 at COM1's place, 0 if none answers there. */
u16 serial_port(void);

/* Formats: %s %c %u %x %lu %lx %%, with an optional width and 0 for digits. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The one way to report an error: its name, number and sentence, then @format as a
 * second line with the particulars. Returns @error, to be handed upwards; callers
 * do not report it again.
 */
enum us_error fail(enum us_error error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A firmware status in words, for particulars, e.g. "Not Found". */
const char *status_text(u64 status);

#endif
