/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Debian ships packed: the payload of a bootable kernel image, modules. */
#ifndef UNDERSEAL_DECOMPRESS_H
#define UNDERSEAL_DECOMPRESS_H

#include "file.h"

/*
 * Find the compressed kernel in the bzImage @data (@len bytes; the boot protocol's
 * payload_offset and payload_length, Documentation/arch/x86/boot.rst) and unpack it
 * into @out: the ELF image, then the relocation table. @path is for messages.
 * ELF_FORMAT, NO_MEMORY.
 */
enum us_error bzimage_unpack(const char *path, const u8 *data, u64 len,
			     struct buffer *out);

/* Unpack the .xz stream @data, at most @limit bytes of it. ELF_FORMAT, TOO_LARGE,
 * NO_MEMORY. */
enum us_error xz_unpack(const char *path, const u8 *data, u64 len, u64 limit,
			struct buffer *out);

#endif
