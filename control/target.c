/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "module_list.h"
#include "module_table.h"
#include "target.h"

static enum us_error check_build_id(const struct us_bundle_header *header,
				    const struct us_module_header *module)
{
	if (header->module_build_id_len != module->build_id_len ||
	    memcmp(header->module_build_id, module->build_id,
		   module->build_id_len))
		return control_fail(US_E_MODULE_BUILD_ID, 0, 0, header->module);
	return US_OK;
}

static bool same_base(const struct us_bundle_base *wanted,
		      const struct us_module_base *base)
{
	return wanted->kind == base->kind && wanted->area == base->area &&
	       module_names_equal(wanted->module, base->module);
}

/* Where base @index of @bundle is: where the seal found it. */
static enum us_error find_base(const struct us_bundle *bundle, u32 index,
			       struct target *target)
{
	const struct us_bundle_base *wanted = &bundle->bases[index];
	const struct module *module = target->module;
	u32 i;

	for (i = 0; i < module->header->bases; i++) {
		if (!same_base(wanted, &module->bases[i]))
			continue;
		target->bases[index] = module->bases[i].link + module->moves[i];
		return US_OK;
	}
	return control_fail(US_E_MODULE_BASE, index, wanted->kind,
			    wanted->module[0] ? wanted->module :
			    bundle->header->module);
}

enum us_error target_find(const struct us_bundle *bundle, struct target *target)
{
	const struct us_bundle_header *header = bundle->header;
	enum us_error error;
	u32 i;

	target->text = &kernel_text;
	target->module = NULL;
	if (!header->module[0])
		return US_OK;
	target->module = module_verified(header->module);
	if (!target->module)
		return control_fail(US_E_MODULE_NOT_SEALED, 0, 0, header->module);
	target->text = &target->module->map;
	error = check_build_id(header, target->module->header);
	for (i = 0; i < header->bases && !error; i++)
		error = find_base(bundle, i, target);
	return error ? error : target_check(bundle, target);
}

enum us_error target_check(const struct us_bundle *bundle,
			   const struct target *target)
{
	const struct us_bundle_base *base;
	u32 i;

	if (!target->module)
		return US_OK;
	if (!module_is_sealed(target->module))
		return control_fail(US_E_MODULE_NOT_SEALED, 0, 0,
				    bundle->header->module);
	for (i = 0; i < bundle->header->bases; i++) {
		base = &bundle->bases[i];
		if (base->kind == US_BASE_CODE &&
		    !module_sealed_at(base->module, target->bases[i]))
			return control_fail(US_E_MODULE_DEPENDS,
					    target->bases[i], 0, base->module);
	}
	return US_OK;
}
