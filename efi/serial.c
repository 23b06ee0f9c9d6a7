/* SPDX-License-Identifier: GPL-2.0-or-later */
/* COM1 as a plain 16550 (PC16550D data sheet, section 8). */
#include "cpu.h"
#include "serial.h"

#define COM1		0x3f8

#define UART_DATA	0	/* also divisor, low byte, when DLAB is set */
#define UART_IER	1	/* also divisor, high byte */
#define UART_FCR	2
#define UART_LCR	3
#define UART_MCR	4
#define UART_LSR	5
#define UART_SCRATCH	7

#define LCR_8N1		0x03
#define LCR_DLAB	0x80
#define FCR_ENABLE	0x07	/* and clear both FIFOs */
#define MCR_DTR_RTS	0x03
#define LSR_THR_EMPTY	0x20

/* At 115200 baud a byte takes 87 us; a port read takes about one. */
#define SEND_TRIES	100000

u16 serial_probe(void)
{
	static const u8 patterns[] = { 0xae, 0x51 };
	u8 saved = inb(COM1 + UART_SCRATCH);
	bool there = true;

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		outb(COM1 + UART_SCRATCH, patterns[i]);
		if (inb(COM1 + UART_SCRATCH) != patterns[i])
			there = false;
	}
	outb(COM1 + UART_SCRATCH, saved);
	return there ? COM1 : 0;
}

void serial_setup(u16 port)
{
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, LCR_DLAB);
	outb(port + UART_DATA, 1);	/* divisor 1: 115200 baud */
	outb(port + UART_IER, 0);
	outb(port + UART_LCR, LCR_8N1);
	outb(port + UART_FCR, FCR_ENABLE);
	outb(port + UART_MCR, MCR_DTR_RTS);
}

void serial_put(u16 port, char c)
{
	for (u32 i = 0; i < SEND_TRIES; i++)
		if (inb(port + UART_LSR) & LSR_THR_EMPTY)
			break;
	outb(port + UART_DATA, (u8)c);
}
