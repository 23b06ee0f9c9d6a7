/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volume that underseal.efi was loaded from, and its files. */
#ifndef UNDERSEAL_EFI_VOLUME_H
#define UNDERSEAL_EFI_VOLUME_H

#include "uefi.h"

#define PATH_CHARS	512	/* in a path, with its NUL */

struct volume {
	EFI_HANDLE device;
	EFI_FILE_HANDLE root;
	CHAR16 folder[PATH_CHARS];	/* of underseal.efi; ends with \ */
};

/*
 * Find the volume and the folder that @image was loaded from. Returns a firmware
 * status; EFI_NOT_FOUND when the image did not come from a file on a volume.
 */
EFI_STATUS volume_open(EFI_HANDLE image, struct volume *volume);

/* Open @path, absolute and separated by \, for reading. */
EFI_STATUS volume_open_file(struct volume *volume, CHAR16 *path,
			    EFI_FILE_HANDLE *file);

/* As volume_open_file(), for a path of plain ASCII. */
EFI_STATUS volume_open_ascii(struct volume *volume, const char *path,
			     EFI_FILE_HANDLE *file);

/* The size of @file in bytes; EFI_INVALID_PARAMETER for a folder. */
EFI_STATUS file_size(EFI_FILE_HANDLE file, u64 *size);

/* Read exactly @size bytes from the start of @file to @buffer. */
EFI_STATUS file_read(EFI_FILE_HANDLE file, VOID *buffer, u64 size);

/* @text as UCS-2 from the pool, or NULL when the pool is empty; the caller frees it. */
CHAR16 *widen(const char *text);

#endif
