/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "initrd.h"
#include "print.h"

/* What EFI_LOAD_FILE2_PROTOCOL is: one member, the same as LoadFile's. */
typedef EFI_LOAD_FILE_PROTOCOL load_file2;

struct initrd_path {
	VENDOR_DEVICE_PATH vendor;
	EFI_DEVICE_PATH end;
} __attribute__((packed));
static_assert(sizeof(struct initrd_path) == 24, "device path layout");

static struct initrd_path initrd_path = {
	.vendor = {
		.Header = {
			.Type = MEDIA_DEVICE_PATH,
			.SubType = MEDIA_VENDOR_DP,
			.Length = { sizeof(VENDOR_DEVICE_PATH), 0 },
		},
		.Guid = LINUX_INITRD_MEDIA_GUID,
	},
	.end = {
		.Type = END_DEVICE_PATH_TYPE,
		.SubType = END_ENTIRE_DEVICE_PATH_SUBTYPE,
		.Length = { sizeof(EFI_DEVICE_PATH), 0 },
	},
};

static EFI_GUID load_file2_guid = LOAD_FILE2_GUID;
static EFI_HANDLE offered;

static struct {
	EFI_FILE_HANDLE file;
	u64 size;		/* bytes in the file */
} files[US_CONFIG_INITRDS];
static u32 file_count;
static u64 total_size;		/* with the padding */

static EFI_STATUS read_all(u8 *buffer)
{
	for (u32 i = 0; i < file_count; i++) {
		u64 padded = ALIGN_UP(files[i].size, 4);
		EFI_STATUS status;

		status = file_read(files[i].file, buffer, files[i].size);
		if (EFI_ERROR(status))
			return status;
		ZeroMem(buffer + files[i].size, padded - files[i].size);
		buffer += padded;
	}
	return EFI_SUCCESS;
}

/* UEFI 2.10, 13.2.2. */
static EFI_STATUS EFIAPI load_initrd(struct _EFI_LOAD_FILE_PROTOCOL *this,
				     EFI_DEVICE_PATH *path,
				     BOOLEAN boot_policy, UINTN *size,
				     VOID *buffer)
{
	if (!this || !path || !size)
		return EFI_INVALID_PARAMETER;
	if (boot_policy)
		return EFI_UNSUPPORTED;
	if (!buffer || *size < total_size) {
		*size = total_size;
		return EFI_BUFFER_TOO_SMALL;
	}
	*size = total_size;
	return read_all(buffer);
}

static load_file2 protocol = { .LoadFile = load_initrd };

static enum us_error open_one(struct volume *volume, const char *path)
{
	EFI_FILE_HANDLE file;
	EFI_STATUS status;
	u64 size = 0;

	status = volume_open_ascii(volume, path, &file);
	if (!EFI_ERROR(status))
		status = file_size(file, &size);
	if (EFI_ERROR(status))
		return fail(US_E_NEXT_IMAGE_MISSING, "initrd %s: %s.", path,
			    status_text(status));
	/* Far beyond what any machine loads, and it keeps the sum from wrapping. */
	if (size > 1ull << 40)
		return fail(US_E_NEXT_IMAGE_MISSING,
			    "initrd %s: its size, %lu bytes, is absurd.",
			    path, size);
	files[file_count].file = file;
	files[file_count].size = size;
	file_count++;
	total_size += ALIGN_UP(size, 4);
	return US_E_OK;
}

enum us_error initrd_open(struct volume *volume,
			  const struct us_config *config)
{
	enum us_error error = US_E_OK;

	file_count = 0;
	total_size = 0;
	for (u32 i = 0; i < config->initrds && !error; i++)
		error = open_one(volume, config->initrd[i]);
	return error;
}

EFI_STATUS initrd_offer(void)
{
	if (!file_count)
		return EFI_SUCCESS;
	return BS->InstallMultipleProtocolInterfaces(
		&offered, &gEfiDevicePathProtocolGuid, &initrd_path,
		&load_file2_guid, &protocol, NULL);
}

void initrd_withdraw(void)
{
	if (!offered)
		return;
	BS->UninstallMultipleProtocolInterfaces(
		offered, &gEfiDevicePathProtocolGuid, &initrd_path,
		&load_file2_guid, &protocol, NULL);
	offered = NULL;
}
