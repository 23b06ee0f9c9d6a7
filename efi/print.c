/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>

#include "print.h"
#include "serial.h"
#include "uefi.h"

static u16 com1;		/* a UART answers there, else 0 */
static bool write_com1;		/* and the console does not include it */

static bool has_uart_node(EFI_DEVICE_PATH *path)
{
	for (; !IsDevicePathEnd(path); path = NextDevicePathNode(path)) {
		if (DevicePathNodeLength(path) < (int)sizeof(*path))
			return false;
		if (DevicePathType(path) == MESSAGING_DEVICE_PATH &&
		    DevicePathSubType(path) == MSG_UART_DP)
			return true;
	}
	return false;
}

static bool console_is_serial(void)
{
	EFI_GUID tag = CONSOLE_OUT_DEVICE_GUID;
	EFI_HANDLE *handles = NULL;
	UINTN count = 0;
	bool found = false;

	if (EFI_ERROR(BS->LocateHandleBuffer(ByProtocol, &tag, NULL, &count,
					     &handles)))
		return false;
	for (UINTN i = 0; i < count; i++) {
		EFI_DEVICE_PATH *path = DevicePathFromHandle(handles[i]);

		if (path && has_uart_node(path))
			found = true;
	}
	BS->FreePool(handles);
	return found;
}

void print_init(void)
{
	com1 = serial_probe();
	write_com1 = com1 && !console_is_serial();
	if (write_com1)
		serial_setup(com1);
}

u16 serial_port(void)
{
	return com1;
}

static void put(char c)
{
	CHAR16 text[3] = { (CHAR16)c, 0, 0 };

	if (c == '\n') {
		text[0] = '\r';
		text[1] = '\n';
	}
	if (ST->ConOut)
		ST->ConOut->OutputString(ST->ConOut, text);
	if (write_com1)
		for (int i = 0; text[i]; i++)
			serial_put(com1, (char)text[i]);
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_number(u64 value, u32 base, u32 width, char pad)
{
	char digits[20];
	u32 count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	for (; width > count; width--)
		put(pad);
	while (count)
		put(digits[--count]);
}

static void vprint(const char *format, va_list args)
{
	for (; *format; format++) {
		bool is_long = false;
		char pad = ' ';
		u32 width = 0;

		if (*format != '%') {
			put(*format);
			continue;
		}
		format++;
		if (*format == '0')
			pad = *format++;
		while (*format >= '0' && *format <= '9')
			width = width * 10 + (u32)(*format++ - '0');
		if (*format == 'l') {
			is_long = true;
			format++;
		}
		switch (*format) {
		case 's':
			put_string(va_arg(args, const char *));
			break;
		case 'c':
			put((char)va_arg(args, int));
			break;
		case 'u':
		case 'x':
			put_number(is_long ? va_arg(args, u64) :
				   va_arg(args, u32),
				   *format == 'x' ? 16 : 10, width, pad);
			break;
		case '%':
			put('%');
			break;
		default:	/* ruled out by the compiler's format check */
			return;
		}
	}
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprint(format, args);
	va_end(args);
}

enum us_error fail(enum us_error error, const char *format, ...)
{
	va_list args;

	print("underseal: error %u %s: %s\n", (u32)error, us_error_name(error),
	      us_error_text(error));
	print("underseal: ");
	va_start(args, format);
	vprint(format, args);
	va_end(args);
	print("\n");
	return error;
}

const char *status_text(u64 status)
{
	static char text[64];
	CHAR16 wide[64];	/* StatusToString writes at most 40 characters */
	u32 i;

	StatusToString(wide, status);
	for (i = 0; i < sizeof(text) - 1 && wide[i]; i++)
		text[i] = (char)wide[i];
	text[i] = 0;
	return text;
}
