/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "cli.h"
#include "kernel_facts.h"
#include "kernel_types.h"

/* Facts that are addresses in the image. */
static const struct {
	enum us_fact fact;
	const char *symbol;
	bool optional;
} image_facts[] = {
	{ US_FACT_ENTRY_SYSCALL, "entry_SYSCALL_64", false },
	{ US_FACT_IMAGE_END, "_end", false },
	{ US_FACT_LEVEL2_KERNEL_PGT, "level2_kernel_pgt", false },
	{ US_FACT_LEVEL3_KERNEL_PGT, "level3_kernel_pgt", false },
	{ US_FACT_IDT_TABLE, "idt_table", false },
	{ US_FACT_INIT_TOP_PGT, "init_top_pgt", false },
	{ US_FACT_INIT_TASK, "init_task", false },
	{ US_FACT_PER_CPU_OFFSET, "__per_cpu_offset", false },
	/* A constant in builds whose NR_CPUS is fixed. */
	{ US_FACT_NR_CPU_IDS, "nr_cpu_ids", true },
	{ US_FACT_MODULES, "modules", false },
	{ US_FACT_PANIC_CPU, "panic_cpu", true },
	{ US_FACT_RETURN_TO_HANDLER, "return_to_handler", true },
	{ US_FACT_RETHOOK_TRAMPOLINE, "arch_rethook_trampoline", true },
};

/* Facts that are members or sizes of C types. */
static const struct {
	enum us_fact fact;
	const char *type, *member;
	bool optional;
} type_facts[] = {
	{ US_FACT_TASK_TASKS, "task_struct", "tasks", false },
	{ US_FACT_TASK_THREAD_NODE, "task_struct", "thread_node", false },
	{ US_FACT_TASK_SIGNAL, "task_struct", "signal", false },
	{ US_FACT_TASK_STACK, "task_struct", "stack", false },
	{ US_FACT_TASK_THREAD_SP, "task_struct", "thread.sp", false },
	{ US_FACT_TASK_COMM, "task_struct", "comm", false },
	{ US_FACT_TASK_PID, "task_struct", "pid", false },
	{ US_FACT_SIGNAL_THREAD_HEAD, "signal_struct", "thread_head", false },
	{ US_FACT_IRQ_STACK_SIZE, "irq_stack", NULL, false },
	{ US_FACT_MODULE_LIST, "module", "list", false },
	{ US_FACT_MODULE_STATE, "module", "state", false },
	{ US_FACT_MODULE_NAME, "module", "name", false },
	{ US_FACT_MODULE_PERCPU, "module", "percpu", false },
	{ US_FACT_TASK_ON_CPU, "task_struct", "on_cpu", true },
	{ US_FACT_TASK_NVCSW, "task_struct", "nvcsw", true },
	{ US_FACT_TASK_NIVCSW, "task_struct", "nivcsw", true },
	{ US_FACT_TASK_START_TIME, "task_struct", "start_time", true },
	{ US_FACT_RQ_NR_SWITCHES, "rq", "nr_switches", true },
	{ US_FACT_RQ_IDLE, "rq", "idle", true },
	{ US_FACT_EXCEPTION_STACKS_SIZE, "cea_exception_stacks", NULL, true },
};

static enum us_error collect_image_facts(const struct kernel_image *image,
					 u64 *facts)
{
	enum us_error error;
	u64 address;
	size_t i;

	facts[US_FACT_LINK_BASE] = image->text;
	for (i = 0; i < ARRAY_SIZE(image_facts); i++) {
		error = image_symbol(image, image_facts[i].symbol, &address);
		if (error && !image_facts[i].optional)
			return error;
		facts[image_facts[i].fact] = error ? US_FACT_ABSENT :
					     address - image->text;
	}
	return US_OK;
}

static enum us_error collect_type_facts(const struct kernel_image *image,
					u64 *facts)
{
	struct type_query queries[ARRAY_SIZE(type_facts)];
	enum us_error error;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(type_facts); i++)
		queries[i] = (struct type_query){
			type_facts[i].type, type_facts[i].member, TYPE_ABSENT,
		};
	error = types_resolve(image, queries, ARRAY_SIZE(queries));
	if (error)
		return error;
	for (i = 0; i < ARRAY_SIZE(type_facts); i++) {
		if (queries[i].answer == TYPE_ABSENT && !type_facts[i].optional)
			return fail(US_E_SYMBOL_MISSING, "%s: struct %s%s%s",
				    image->path, queries[i].type,
				    queries[i].member ? "." : "",
				    queries[i].member ? queries[i].member : "");
		facts[type_facts[i].fact] =
			queries[i].answer == TYPE_ABSENT ? US_FACT_ABSENT :
							   queries[i].answer;
	}
	return US_OK;
}

static u64 percpu_symbol(const struct kernel_image *image, const char *name)
{
	u64 offset;

	return image_find(image, name, &offset) ? offset : US_FACT_ABSENT;
}

/* A per-CPU variable of its own, or since 6.2 a member of pcpu_hot. */
static enum us_error collect_percpu_facts(const struct kernel_image *image,
					  u64 *facts)
{
	struct type_query queries[] = {
		{ "pcpu_hot", "current_task", 0 },
		{ "pcpu_hot", "hardirq_stack_ptr", 0 },
	};
	enum us_error error;
	u64 hot;

	facts[US_FACT_PERCPU_RUNQUEUES] = percpu_symbol(image, "runqueues");
	facts[US_FACT_PERCPU_EXCEPTION_STACKS] =
		percpu_symbol(image, "cea_exception_stacks");
	if (!image_find(image, "pcpu_hot", &hot)) {
		error = image_symbol(image, "current_task",
				     &facts[US_FACT_PERCPU_CURRENT_TASK]);
		if (error)
			return error;
		return image_symbol(image, "hardirq_stack_ptr",
				    &facts[US_FACT_PERCPU_HARDIRQ_STACK]);
	}
	error = types_resolve(image, queries, ARRAY_SIZE(queries));
	if (error)
		return error;
	if (queries[0].answer == TYPE_ABSENT ||
	    queries[1].answer == TYPE_ABSENT)
		return fail(US_E_SYMBOL_MISSING, "%s: struct pcpu_hot",
			    image->path);
	facts[US_FACT_PERCPU_CURRENT_TASK] = hot + queries[0].answer;
	facts[US_FACT_PERCPU_HARDIRQ_STACK] = hot + queries[1].answer;
	return US_OK;
}

/* Where a module lies: to 6.3 in one area (struct module_layout) while it runs, later
 * in several (struct module_memory). Both begin with base and size. */
static enum us_error collect_module_facts(const struct kernel_image *image,
					  u64 *facts)
{
	struct type_query queries[] = {
		{ "module", "core_layout", 0 }, { "module_layout", "base", 0 },
		{ "module_layout", "size", 0 }, { "module", "mem", 0 },
		{ "module_memory", "base", 0 }, { "module_memory", "size", 0 },
		{ "module_memory", NULL, 0 },
	};
	const struct type_query *found = queries;
	enum us_error error;

	error = types_resolve(image, queries, ARRAY_SIZE(queries));
	if (error)
		return error;
	if (found->answer == TYPE_ABSENT)
		found += 3;
	if (found[0].answer == TYPE_ABSENT || found[1].answer != 0 ||
	    found[2].answer != 8)
		return fail(US_E_SYMBOL_MISSING, "%s: struct module is of a form "
			    "that is not known", image->path);
	facts[US_FACT_MODULE_AREAS] = found[0].answer;
	facts[US_FACT_MODULE_AREA_SIZE] = found == queries ? US_FACT_ABSENT :
					  queries[6].answer;
	return US_OK;
}

/* The linker script reserves exactly one stack for the first task. */
static enum us_error collect_stack_size(const struct kernel_image *image,
					u64 *facts)
{
	u64 start, end;

	if ((image_find(image, "__start_init_stack", &start) &&
	     image_find(image, "__end_init_stack", &end)) ||
	    (image_find(image, "__start_init_task", &start) &&
	     image_find(image, "__end_init_task", &end))) {
		facts[US_FACT_THREAD_SIZE] = end - start;
		return US_OK;
	}
	return fail(US_E_SYMBOL_MISSING, "%s: __start_init_stack", image->path);
}

static enum us_error bad_notes(const struct kernel_image *image)
{
	return fail(US_E_ELF_FORMAT, "%s: no build id", image->path);
}

static enum us_error collect_build_id(const struct kernel_image *image,
				      struct us_baseline_header *header)
{
	const struct image_section *notes = image_section(image, ".notes");
	size_t at = 0, next, name, desc;
	GElf_Nhdr note;
	Elf_Data data;

	if (!notes || !notes->data)
		return bad_notes(image);
	data = (Elf_Data){
		.d_buf = (void *)notes->data, .d_type = ELF_T_NHDR,
		.d_size = notes->header.sh_size, .d_version = EV_CURRENT,
		.d_align = 4,
	};
	for (; (next = gelf_getnote(&data, at, &note, &name, &desc)); at = next)
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(notes->data + name, "GNU", 4))
			break;
	if (!next || note.n_descsz < 8 || note.n_descsz > US_BUILD_ID_MAX)
		return bad_notes(image);
	memcpy(header->build_id, notes->data + desc, note.n_descsz);
	header->build_id_len = note.n_descsz;
	header->facts[US_FACT_BUILD_ID_NOTE] = notes->header.sh_addr + desc -
					       image->text;
	return US_OK;
}

/* linux_banner: "Linux version RELEASE (...". */
static enum us_error collect_release(const struct kernel_image *image,
				     struct us_baseline_header *header)
{
	static const char prefix[] = "Linux version ";
	const size_t prefix_len = sizeof(prefix) - 1;
	enum us_error error;
	const char *banner;
	u64 address;
	size_t len;

	error = image_symbol(image, "linux_banner", &address);
	if (error)
		return error;
	banner = (const char *)image_bytes(image, address,
					   prefix_len + US_NAME_MAX);
	if (!banner || memcmp(banner, prefix, prefix_len))
		return fail(US_E_ELF_FORMAT, "%s: bad linux_banner",
			    image->path);
	banner += prefix_len;
	for (len = 0; len < US_NAME_MAX && banner[len] > ' '; len++)
		;
	if (!len || len == US_NAME_MAX)
		return fail(US_E_ELF_FORMAT, "%s: bad kernel release",
			    image->path);
	memcpy(header->kernel, banner, len);
	return US_OK;
}

enum us_error facts_collect(const struct kernel_image *image,
			    struct us_baseline_header *header)
{
	enum us_error error;

	error = collect_build_id(image, header);
	if (!error)
		error = collect_release(image, header);
	if (!error)
		error = collect_image_facts(image, header->facts);
	if (!error)
		error = collect_stack_size(image, header->facts);
	if (!error)
		error = collect_percpu_facts(image, header->facts);
	if (!error)
		error = collect_module_facts(image, header->facts);
	if (!error)
		error = collect_type_facts(image, header->facts);
	return error;
}
