/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "print.h"

#include "hv.h"

struct sink {
	char *out;
	u32 size, len;
};

static void put(struct sink *sink, char c)
{
	if (sink->len + 1 < sink->size)
		sink->out[sink->len++] = c;
}

static void put_number(struct sink *sink, u64 value, u32 base, u32 width,
		       char pad)
{
	char digits[20];
	u32 count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	for (u32 i = count; i < width; i++)
		put(sink, pad);
	while (count)
		put(sink, digits[--count]);
}

u32 format_text_va(char *out, u32 size, const char *format, va_list args)
{
	struct sink sink = { out, size, 0 };

	for (; *format; format++) {
		u32 width = 0;
		char pad = ' ';
		bool wide = false;

		if (*format != '%') {
			put(&sink, *format);
			continue;
		}
		format++;
		if (*format == '0')
			pad = *format++;
		while (*format >= '0' && *format <= '9')
			width = width * 10 + (u32)(*format++ - '0');
		if (*format == 'l') {
			wide = true;
			format++;
		}
		if (*format == 's') {
			for (const char *s = va_arg(args, const char *); *s; s++)
				put(&sink, *s);
		} else if (*format == 'c') {
			put(&sink, (char)va_arg(args, int));
		} else if (*format == 'u' || *format == 'x') {
			u64 value = wide ? va_arg(args, u64) :
				va_arg(args, u32);

			put_number(&sink, value, *format == 'x' ? 16 : 10,
				   width, pad);
		} else {
			put(&sink, *format);
		}
	}
	out[sink.len] = 0;
	return sink.len;
}

/* 16550: transmitter empty is bit 5 of the line status register. */
static void serial_put(char c)
{
	u16 port = hv.boot.serial_port;

	if (!port)
		return;
	for (u32 i = 0; i < 100000 && !(inb(port + 5) & 0x20); i++)
		cpu_pause();
	outb(port, (u8)c);
}

void print(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	format_text_va(text, sizeof(text), format, args);
	va_end(args);
	for (const char *c = text; *c; c++) {
		if (*c == '\n')
			serial_put('\r');
		serial_put(*c);
	}
}
