/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "volume.h"

/* Some firmware fails on reads of tens of MiB at once. */
#define READ_CHUNK	(1u << 20)

/*
 * UEFI 2.10, 10.3.5.4: a file path may be split over several nodes; they are joined
 * with one \ between them, and the last character need not be a NUL.
 */
static bool join_file_path(EFI_DEVICE_PATH *path, CHAR16 *out, u32 room)
{
	u32 used = 0;

	for (; !IsDevicePathEnd(path); path = NextDevicePathNode(path)) {
		const CHAR16 *name = (const CHAR16 *)(path + 1);
		u32 chars;

		if (DevicePathNodeLength(path) < (int)sizeof(*path))
			return false;
		if (DevicePathType(path) != MEDIA_DEVICE_PATH ||
		    DevicePathSubType(path) != MEDIA_FILEPATH_DP)
			continue;
		chars = (u32)(DevicePathNodeLength(path) - (int)sizeof(*path)) / 2;
		if (chars + 2 > room - used)
			return false;
		if (!used || out[used - 1] != '\\')
			out[used++] = '\\';
		for (u32 i = 0; i < chars && name[i]; i++)
			if (name[i] != '\\' || out[used - 1] != '\\')
				out[used++] = name[i];
	}
	out[used] = 0;
	return used > 0;
}

static void cut_last_component(CHAR16 *path)
{
	u32 end = (u32)StrLen(path);

	while (end && path[end - 1] != '\\')
		end--;
	path[end] = 0;
}

EFI_STATUS volume_open(EFI_HANDLE image, struct volume *volume)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_STATUS status;

	status = BS->HandleProtocol(image, &gEfiLoadedImageProtocolGuid,
				    (VOID **)&loaded);
	if (EFI_ERROR(status))
		return status;
	if (!loaded->DeviceHandle || !loaded->FilePath ||
	    !join_file_path(loaded->FilePath, volume->folder, PATH_CHARS))
		return EFI_NOT_FOUND;
	cut_last_component(volume->folder);
	volume->device = loaded->DeviceHandle;
	volume->root = LibOpenRoot(loaded->DeviceHandle);
	return volume->root ? EFI_SUCCESS : EFI_NOT_FOUND;
}

EFI_STATUS volume_open_file(struct volume *volume, CHAR16 *path,
			    EFI_FILE_HANDLE *file)
{
	return volume->root->Open(volume->root, file, path,
				  EFI_FILE_MODE_READ, 0);
}

EFI_STATUS volume_open_ascii(struct volume *volume, const char *path,
			     EFI_FILE_HANDLE *file)
{
	CHAR16 *wide = widen(path);
	EFI_STATUS status;

	if (!wide)
		return EFI_OUT_OF_RESOURCES;
	status = volume_open_file(volume, wide, file);
	FreePool(wide);
	return status;
}

EFI_STATUS file_size(EFI_FILE_HANDLE file, u64 *size)
{
	EFI_FILE_INFO *info = LibFileInfo(file);
	EFI_STATUS status = EFI_SUCCESS;

	if (!info)
		return EFI_DEVICE_ERROR;
	*size = info->FileSize;
	if (info->Attribute & EFI_FILE_DIRECTORY)
		status = EFI_INVALID_PARAMETER;
	FreePool(info);
	return status;
}

EFI_STATUS file_read(EFI_FILE_HANDLE file, VOID *buffer, u64 size)
{
	u8 *at = buffer;
	EFI_STATUS status;

	status = file->SetPosition(file, 0);
	while (!EFI_ERROR(status) && size) {
		UINTN chunk = size < READ_CHUNK ? size : READ_CHUNK;

		status = file->Read(file, &chunk, at);
		if (EFI_ERROR(status))
			break;
		if (!chunk || chunk > size)
			return EFI_END_OF_FILE;
		at += chunk;
		size -= chunk;
	}
	return status;
}

CHAR16 *widen(const char *text)
{
	UINTN length = strlena((const CHAR8 *)text);
	CHAR16 *wide = AllocatePool((length + 1) * sizeof(CHAR16));

	if (!wide)
		return NULL;
	for (UINTN i = 0; i <= length; i++)
		wide[i] = (CHAR16)(u8)text[i];
	return wide;
}
