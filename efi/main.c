/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loader's order of work. Everything that can be found wrong without changing the
 * machine is checked first: configuration, files, the next image (which is loaded
 * but not started), processors, memory. efi/README.md is the administrator's view.
 */
#include "config.h"
#include "cpu.h"
#include "launch.h"
#include "next.h"
#include "print.h"
#include "version.h"
#include "volume.h"

#define WARNING_US	3000000

static struct us_config config;		/* its policy is halt until it is read */
static struct next_image next;
static struct volume volume;

static enum us_error parse_config(EFI_FILE_HANDLE file, u64 size)
{
	struct us_config_error mistake;
	enum us_error error;
	VOID *text;
	EFI_STATUS status = EFI_OUT_OF_RESOURCES;

	text = AllocatePool(size + 1);
	if (text)
		status = file_read(file, text, size);
	if (EFI_ERROR(status))
		error = fail(US_E_CONFIG_MISSING, "It cannot be read: %s.",
			     status_text(status));
	else if (us_config_parse(text, size, &config, &mistake))
		error = fail(US_E_CONFIG_SYNTAX, "underseal.conf, line %u: %s.",
			     mistake.line, mistake.text);
	else
		error = US_E_OK;
	if (text)
		FreePool(text);
	return error;
}

static EFI_STATUS open_config(EFI_HANDLE image, EFI_FILE_HANDLE *file,
			      u64 *size)
{
	CHAR16 path[PATH_CHARS + 16];
	EFI_STATUS status;

	status = volume_open(image, &volume);
	if (EFI_ERROR(status))
		return status;
	StrCpy(path, volume.folder);
	StrCat(path, L"underseal.conf");
	status = volume_open_file(&volume, path, file);
	if (!EFI_ERROR(status))
		status = file_size(*file, size);
	return status;
}

static enum us_error read_config(EFI_HANDLE image)
{
	EFI_FILE_HANDLE file;
	enum us_error error;
	EFI_STATUS status;
	u64 size;

	status = open_config(image, &file, &size);
	if (EFI_ERROR(status))
		return fail(US_E_CONFIG_MISSING, "It cannot be opened: %s.",
			    status_text(status));
	/* One byte more than is allowed is enough for the parser to refuse it. */
	if (size > US_CONFIG_FILE_MAX)
		size = US_CONFIG_FILE_MAX + 1;
	error = parse_config(file, size);
	file->Close(file);
	return error;
}

/* A mistake elsewhere in the file does not take the next image from the policy. */
static enum us_error prepare(EFI_HANDLE image)
{
	enum us_error error = read_config(image);
	enum us_error load_error = US_E_OK;

	if (!error || (config.next[0] &&
		       config.on_failure == US_ON_FAILURE_BOOT))
		load_error = next_load(&next, &volume, &config, image);
	return error ? error : load_error;
}

static enum us_error protect(void)
{
	struct machine machine;
	struct cpus cpus;
	enum us_error error;

	if (probe_is_guest()) {
		print("underseal: this machine is protected already\n");
		return US_E_OK;
	}
	error = cpus_find(&cpus);
	if (!error)
		error = probe_machine(&cpus, &machine);
	if (!error)
		error = launch(&cpus, &machine);
	if (!error)
		print("underseal: %u CPU%s protected (%s)\n", cpus.count,
		      cpus.count == 1 ? "" : "s", machine.vendor_feature);
	return error;
}

static void __attribute__((noreturn)) halt(void)
{
	print("underseal: on-failure is halt: the machine stops here.\n");
	/* Else the firmware resets the machine after 5 minutes. */
	BS->SetWatchdogTimer(0, 0, 0, NULL);
	stop_cpu();
}

static void warn_unprotected(void)
{
	static const char line[] = "****************************************"
		"**************************\n";

	print("\n%s", line);
	print("*  WARNING: UNDERSEAL DOES NOT PROTECT THIS MACHINE.             *\n");
	print("*  on-failure is boot: it starts all the same, and nothing will  *\n");
	print("*  keep its kernel from being altered.                           *\n");
	print("%s\n", line);
	BS->Stall(WARNING_US);
}

/*
 * What the administrator chose for after a failure; @status goes to the firmware, which
 * then tries its next boot option.
 */
static EFI_STATUS follow_policy(bool protected, EFI_STATUS status)
{
	if (config.on_failure == US_ON_FAILURE_HALT)
		halt();
	if (!protected)
		warn_unprotected();
	if (next.handle)
		next_start(&next, &status);
	print("underseal: back to the firmware\n");
	return EFI_ERROR(status) ? status : EFI_LOAD_ERROR;
}

/* Called by GNU-EFI's start code with the System V convention. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_STATUS status;

	InitializeLib(image, table);
	print_init();
	print("\nUnderseal %s\n", US_VERSION_STRING);
	if (prepare(image) || protect())
		return follow_policy(false, EFI_LOAD_ERROR);
	next_start(&next, &status);
	return follow_policy(true, status);
}
