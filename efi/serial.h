/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UNDERSEAL_EFI_SERIAL_H
#define UNDERSEAL_EFI_SERIAL_H

#include "types.h"

/* The I/O base of a 16550 at COM1's place, 0 if none answers; changes nothing. */
u16 serial_probe(void);

/* Set the UART at @port to 115200 baud, 8N1, no interrupts. */
void serial_setup(u16 port);

/* Send one byte; waits for room, but not for ever. */
void serial_put(u16 port, char c);

#endif
