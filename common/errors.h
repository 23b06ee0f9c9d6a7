/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every error of Underseal: one stable number, one stable name, one sentence.
 * Numbers are never reused. common/ERRORS.md documents them and is checked against this
 * table by a unit test, and each row names the test that provokes it.
 *
 *	1..19	the call itself		20..29	signatures
 *	30..49	bundle format		50..69	baseline format and seal
 *	70..99	apply and revert	100..139 tools
 *	140..159 loader			160..179 apply and revert, too
 */
#ifndef UNDERSEAL_ERRORS_H
#define UNDERSEAL_ERRORS_H

#define US_ERRORS(X) \
X(OK, 0, "Done.") \
X(AGAIN, 1, "Not finished yet; call again with the same ticket.") \
X(BUSY, 2, "The control domain is working on another request.") \
X(CALL_MAGIC, 3, "The call does not carry Underseal's call number.") \
X(ABI_VERSION, 4, "The request is of an interface version that is not spoken here.") \
X(BAD_REQUEST, 5, "The request names an unknown operation or has a field out of range.") \
X(GUEST_ADDRESS, 6, "The request names memory that is not mapped or may not be used.") \
X(OUT_TOO_SMALL, 7, "The room for the answer is too small.") \
X(TOO_LARGE, 8, "The input is larger than the control domain takes.") \
X(CONTROL_UNAVAILABLE, 9, "The control domain has failed and takes no more requests; sealed memory stays sealed.") \
X(HOST_FAILED, 10, "The hypervisor refused an operation of the control domain.") \
X(SIG_MISSING, 20, "The input carries no signature.") \
X(SIG_FORMAT, 21, "The signature is not in minisign's format.") \
X(SIG_KEY_UNKNOWN, 22, "The signature is by a key that is not trusted here.") \
X(SIG_INVALID, 23, "The signature does not belong to this input.") \
X(SIG_COMMENT, 24, "The signature's trusted comment was altered.") \
X(BUNDLE_TRUNCATED, 30, "The bundle ends before its contents do.") \
X(BUNDLE_MAGIC, 31, "This is not a bundle.") \
X(BUNDLE_VERSION, 32, "The bundle is of a format version that is not known here.") \
X(BUNDLE_TRAILING, 33, "The bundle has bytes after its end.") \
X(BUNDLE_FIELD, 34, "A field of the bundle has a value that is not allowed.") \
X(BUNDLE_BOUNDS, 35, "A part of the bundle points outside the bundle.") \
X(HUNKS_OVERLAP, 36, "A change of the bundle overlaps another one, or one that is installed.") \
X(REVERT_FORMAT, 40, "This is not a revert authorisation.") \
X(BASELINE_TRUNCATED, 50, "The baseline ends before its contents do.") \
X(BASELINE_MAGIC, 51, "This is not a baseline.") \
X(BASELINE_VERSION, 52, "The baseline is of a format version that is not known here.") \
X(BASELINE_TRAILING, 53, "The baseline has bytes after its end.") \
X(BASELINE_FIELD, 54, "A field of the baseline has a value that is not allowed.") \
X(BASELINE_SITES, 55, "The baseline's sites overlap, are not sorted or lie outside the text.") \
X(BASELINE_VALUES, 56, "The baseline's list of values for a place is damaged.") \
X(BASELINE_POLICY, 57, "The baseline's policy has a value that is not known.") \
X(NOT_SEALED, 60, "The kernel is not sealed.") \
X(ALREADY_SEALED, 61, "The kernel is sealed already.") \
X(KERNEL_NOT_FOUND, 62, "No kernel of this baseline runs here.") \
X(KERNEL_BUILD_ID, 63, "The running kernel is of another build than the baseline.") \
X(KERNEL_TEXT, 64, "The running kernel's code differs from the baseline.") \
X(KERNEL_MAPPING, 65, "The running kernel's page tables map its code in a way that cannot be sealed.") \
X(KERNEL_RODATA, 66, "The running kernel's constants differ from the baseline.") \
X(KERNEL_IDT, 67, "The running kernel's interrupt table differs from the baseline.") \
X(KERNEL_REGISTERS, 68, "The processors' registers that guard the kernel are not as they should be.") \
X(MAPPING_CHANGED, 69, "The kernel's page tables no longer map sealed code as they did when it was sealed.") \
X(WRONG_BUILD_ID, 70, "The bundle is for another kernel build.") \
X(OLD_GENERATION, 71, "The bundle's generation is not newer than the newest one installed.") \
X(TARGET_OUTSIDE, 72, "The bundle changes an address outside the sealed code.") \
X(EXPECTED_BYTES, 73, "The code in memory is not what the bundle expects there.") \
X(SITE_OVERLAP, 74, "The bundle changes a place that the kernel patches by itself.") \
X(ARENA_FULL, 75, "The patch arena has no room for this bundle.") \
X(ARENA_MAPPING, 76, "The patch arena cannot be mapped near the kernel's code.") \
X(RELOCATION, 77, "A relocation of the bundle does not reach its target.") \
X(FUNCTION_IN_USE, 78, "A function to be replaced was in use until the deadline.") \
X(STOP_FAILED, 79, "The vCPUs could not all be stopped in time.") \
X(TOO_MANY_PATCHES, 80, "As many patches are installed as can be tracked.") \
X(PATCH_NOT_FOUND, 81, "No such patch is installed.") \
X(PATCH_NOT_LAST, 82, "A newer patch changes the same code; revert that one first.") \
X(MODULE_NOT_FOUND, 83, "No such module is loaded.") \
X(MODULE_TEXT, 84, "The module's code in memory differs from its baseline.") \
X(MODULE_SEALED, 85, "The module is sealed already.") \
X(MODULE_KERNEL, 86, "The module baseline is for another kernel build.") \
X(MODULE_POLICY, 87, "The policy leaves modules without a baseline unprotected.") \
X(MODULE_ROOM, 88, "There is no room to keep track of another module.") \
X(MODULE_DEPENDS, 89, "A module that this one calls is not sealed.") \
X(MODULE_NOT_SEALED, 90, "The bundle is for a module that is not sealed and verified.") \
X(MODULE_BUILD_ID, 91, "The bundle is for another build of the module.") \
X(MODULE_BASE, 92, "The bundle refers to something that the module's baseline does not name.") \
X(PATCH_CONFLICT, 93, "The bundle and an installed patch exclude each other.") \
X(PATCH_NEEDS, 94, "The bundle needs another patch that is not installed, or would not stay.") \
X(PATCH_NEEDED, 95, "An installed patch needs the one that would be taken out.") \
X(DATA_EXPECTED, 96, "A variable does not hold what is expected there.") \
X(STOP_LENGTH, 97, "The change would have held the vCPUs for longer than is allowed.") \
X(SHADOW_FULL, 98, "Shadow memory has no room for this bundle.") \
X(MODULE_WAITS, 99, "The module waits for a bundle that has to be installed before it runs.") \
X(USAGE, 100, "The command line is not understood.") \
X(FILE_OPEN, 101, "A file cannot be opened.") \
X(FILE_READ, 102, "A file cannot be read.") \
X(FILE_WRITE, 103, "A file cannot be written.") \
X(ELF_FORMAT, 104, "The file is not an ELF file of the kind that is needed.") \
X(ELF_NO_RELOCATIONS, 105, "The kernel image does not carry its relocation sections.") \
X(ELF_NO_DEBUG, 106, "The kernel image carries no debug information.") \
X(SYMBOL_MISSING, 107, "A symbol that is needed is missing.") \
X(SYMBOL_AMBIGUOUS, 108, "A symbol's name stands for several addresses.") \
X(OBJECT_UNSUPPORTED, 109, "The object file uses something that a bundle cannot carry.") \
X(NOTHING_TO_REPLACE, 110, "The object file replaces no function of the kernel.") \
X(FUNCTION_TOO_SHORT, 111, "A function is too short to be redirected.") \
X(KEY_FORMAT, 112, "The key is not in minisign's format.") \
X(KEY_PASSWORD, 113, "The key's password is wrong or missing.") \
X(NO_HYPERVISOR, 114, "This machine does not run under Underseal.") \
X(NO_PRIVILEGE, 115, "This needs the right to ring Underseal's doorbell (CAP_SYS_RAWIO).") \
X(NO_MEMORY, 116, "Not enough memory.") \
X(TIMEOUT, 117, "No answer came in time.") \
X(PROTOCOL, 118, "Underseal gave an answer that is not understood.") \
X(NOT_PATCHABLE, 125, "The update changes what a patch cannot bring; the whole of it needs a reboot.") \
X(UNRELATED, 126, "The two files are not two builds of the same thing.") \
X(FIX_FORMAT, 127, "The fix is not a unified diff that changes source files.") \
X(FIX_APPLY, 128, "The fix does not apply to this kernel's source.") \
X(COMPILE, 129, "The kernel's source does not compile with the fix.") \
X(COMPILER, 130, "The compiler is not the one that the vendor used.") \
X(BUILD_MISMATCH, 131, "What was built without the fix is not the vendor's kernel.") \
X(ARCHIVE, 132, "The package archive does not have what is needed.") \
X(PROGRAM, 133, "Another program is missing or failed.") \
X(VARIABLE_SEALED, 134, "A variable to be written or watched is sealed, or is no variable.") \
X(VARIABLE_SIZE, 135, "A change of a variable, or a counter, does not have the variable's size.") \
X(MARKED, 136, "The bundle was on probation when the server last went down; it is not tried again until told.") \
X(CPU_VENDOR, 140, "This processor has neither AMD-V nor Intel VT-x.") \
X(SVM_DISABLED, 141, "AMD-V is switched off by the firmware.") \
X(NO_NESTED_PAGING, 142, "This processor has no nested paging.") \
X(LOADER_MEMORY, 143, "The firmware has too little free memory for Underseal.") \
X(CONFIG_MISSING, 144, "There is no underseal.conf beside underseal.efi.") \
X(CONFIG_SYNTAX, 145, "A line of underseal.conf is not understood.") \
X(NEXT_IMAGE_MISSING, 146, "The next image that underseal.conf names cannot be found.") \
X(NEXT_IMAGE_START, 147, "The next image cannot be started.") \
X(TOO_MANY_CPUS, 148, "This machine has more CPUs than Underseal takes.") \
X(CPU_START, 149, "A CPU could not be brought under the hypervisor.") \
X(BAD_IMAGE, 150, "underseal.efi is damaged: an image inside it is not valid.") \
X(FIRMWARE, 151, "The firmware lacks a service that Underseal needs.") \
X(VMX_DISABLED, 152, "Intel VT-x is switched off by the firmware.") \
X(VMX_FEATURE, 153, "This processor's VT-x lacks something that Underseal needs.") \
X(PROBATION_OVER, 160, "The patch's probation is over; it is being taken back.") \
X(TAKEN_BACK, 161, "The bundle was taken back while it was awaited; it is refused until the machine restarts.")

enum us_error {
#define US_ERROR_ENUM(name, number, text) US_E_##name = number,
	US_ERRORS(US_ERROR_ENUM)
#undef US_ERROR_ENUM
	US_OK = US_E_OK,
};

/* The sentence for @error; "Unknown error." for a number not in the table. */
const char *us_error_text(unsigned int error);

/* The name for @error as in the table, e.g. "SIG_INVALID"; "UNKNOWN" if none. */
const char *us_error_name(unsigned int error);

#endif
