/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The requests that only tell. */
#include <string.h>

#include "audit.h"
#include "await.h"
#include "generations.h"
#include "modules.h"
#include "patches.h"
#include "probation.h"
#include "probes.h"
#include "state.h"

static void fill_sealed(struct us_status *status)
{
	const struct kernel *kernel = &control.kernel;
	struct audit_counts counts;

	status->seal_state = US_SEALED;
	status->text_gva = kernel->text_gva;
	status->text_len = kernel->text_len;
	memcpy(status->policy, kernel->policy, sizeof(status->policy));
	memcpy(status->build_id, kernel->build_id, US_BUILD_ID_MAX);
	status->build_id_len = kernel->build_id_len;
	memcpy(status->kernel, kernel->name, US_NAME_MAX);
	audit_get_counts(&counts);
	status->audits = counts.audits;
	status->mapping_changes = counts.changes;
	status->mapping_gva = counts.gva;
	status->pinned_vcpus = counts.pinned;
	modules_count(&status->modules_sealed, &status->modules_open);
}

enum us_error status_request(const struct control_call *call)
{
	struct us_status *status = (void *)control_response;
	const struct host_info *host = host_info();

	(void)call;
	memset(status, 0, sizeof(*status));
	status->abi_version = US_ABI_VERSION;
	status->product_version = host->product_version;
	status->vcpus = host->vcpus;
	status->control_state = US_CONTROL_OK;
	status->patches = patches_installed();
	status->generation = generations_of("");
	status->arena_gpa = host->arena_gpa;
	status->arena_len = host->arena_len;
	status->arena_used = patches_room_used(ARENA_CODE);
	status->hidden_bytes = host->hidden_bytes;
	status->writes_allowed = control.writes_allowed;
	status->writes_refused = control.writes_refused;
	status->probes = probes_count();
	if (control.sealed)
		fill_sealed(status);
	control.result.out_len = sizeof(*status);
	return US_OK;
}

static_assert((US_MAX_PATCHES + AWAIT_MAX) * sizeof(struct us_patch_info) <=
	      US_MAX_RESPONSE, "a full list fits");

enum us_error list_request(const struct control_call *call)
{
	struct us_patch_info *list = (void *)control_response;
	struct installed_patch patch;
	u32 i, count = 0;
	u64 len;

	modules_look();
	for (i = 0; i < patches_count(); i++) {
		patches_get(i, &patch);
		if (!patch.text)
			continue;
		list[count] = patch.info;
		probation_describe(&list[count++]);
	}
	count += await_list(list + count);
	len = count * sizeof(*list);
	if (call->request.out.len < len)
		return control_fail(US_E_OUT_TOO_SMALL, call->request.out.len,
				    len, NULL);
	control.result.out_len = len;
	return US_OK;
}

enum us_error log_request(const struct control_call *call)
{
	struct us_log_entry *entries = (void *)control_response;
	u64 max = call->request.out.len / sizeof(*entries);

	if (max > US_MAX_RESPONSE / sizeof(*entries))
		max = US_MAX_RESPONSE / sizeof(*entries);
	control.result.out_len = sizeof(*entries) *
		host_log_read(call->request.arg, entries, max);
	return US_OK;
}

enum us_error counters_request(const struct control_call *call)
{
	struct us_counters *counters = (void *)control_response;

	(void)call;
	memset(counters, 0, sizeof(*counters));
	host_counters(counters);
	control.result.out_len = sizeof(*counters);
	return US_OK;
}
