/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "initrd.h"
#include "next.h"
#include "print.h"

static enum us_error find_image(struct volume *volume, const char *path)
{
	EFI_FILE_HANDLE file;
	EFI_STATUS status;

	status = volume_open_ascii(volume, path, &file);
	if (EFI_ERROR(status))
		return fail(US_E_NEXT_IMAGE_MISSING, "%s: %s.", path,
			    status_text(status));
	file->Close(file);
	return US_E_OK;
}

static enum us_error load_image(struct next_image *next,
				struct volume *volume, EFI_HANDLE parent)
{
	EFI_HANDLE handle = NULL;
	EFI_DEVICE_PATH *path;
	EFI_STATUS status;
	CHAR16 *wide;

	wide = widen(next->path);
	path = wide ? FileDevicePath(volume->device, wide) : NULL;
	if (!path)
		return fail(US_E_NEXT_IMAGE_START, "%s: %s.", next->path,
			    status_text(EFI_OUT_OF_RESOURCES));
	status = BS->LoadImage(FALSE, parent, path, NULL, 0, &handle);
	FreePool(path);
	FreePool(wide);
	if (!EFI_ERROR(status)) {
		next->handle = handle;
		return US_E_OK;
	}
	/* UEFI 2.10, 7.4: only here a handle comes back with an error. */
	if (status == EFI_SECURITY_VIOLATION && handle)
		BS->UnloadImage(handle);
	return fail(US_E_NEXT_IMAGE_START, "%s: not loaded: %s.", next->path,
		    status_text(status));
}

static enum us_error set_options(struct next_image *next, const char *args)
{
	EFI_LOADED_IMAGE *loaded;
	EFI_STATUS status;
	CHAR16 *options;

	if (!args[0])
		return US_E_OK;
	status = BS->HandleProtocol(next->handle, &gEfiLoadedImageProtocolGuid,
				    (VOID **)&loaded);
	options = EFI_ERROR(status) ? NULL : widen(args);
	if (!options) {
		BS->UnloadImage(next->handle);
		next->handle = NULL;
		return fail(US_E_NEXT_IMAGE_START,
			    "%s: its arguments cannot be set.", next->path);
	}
	/* The options live as long as the image: nobody frees them. */
	loaded->LoadOptions = options;
	loaded->LoadOptionsSize = (UINT32)StrSize(options);
	return US_E_OK;
}

enum us_error next_load(struct next_image *next, struct volume *volume,
			const struct us_config *config, EFI_HANDLE parent)
{
	enum us_error error;

	next->handle = NULL;
	CopyMem(next->path, (VOID *)config->next, sizeof(next->path));
	error = find_image(volume, next->path);
	if (!error)
		error = initrd_open(volume, config);
	if (!error)
		error = load_image(next, volume, parent);
	if (!error)
		error = set_options(next, config->args);
	return error;
}

enum us_error next_start(struct next_image *next, EFI_STATUS *status)
{
	EFI_HANDLE handle = next->handle;

	*status = initrd_offer();
	if (EFI_ERROR(*status))
		return fail(US_E_NEXT_IMAGE_START,
			    "%s: its initrd cannot be offered: %s.",
			    next->path, status_text(*status));
	print("underseal: starting %s\n", next->path);
	next->handle = NULL;	/* an application is unloaded when it returns */
	*status = BS->StartImage(handle, NULL, NULL);
	initrd_withdraw();
	return fail(US_E_NEXT_IMAGE_START, "%s: came back with status: %s.",
		    next->path, status_text(*status));
}
