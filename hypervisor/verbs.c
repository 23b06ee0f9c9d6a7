/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs that the control domain has: control_abi.h. It is isolated, not
 * trusted: every pointer of its is checked to lie in memory that it could have
 * used itself, every guest address goes through the gate in memory.c.
 */
#include <string.h>

#include "commit.h"
#include "control_domain.h"
#include "memory.h"
#include "pages.h"
#include "panic.h"
#include "pin.h"
#include "reset.h"
#include "slat.h"
#include "stop.h"
#include "tick.h"
#include "vcpu.h"

#define MAX_COPY	(1u << 20)
#define MAX_LOG_TEXT	103u

static bool inside(u64 addr, u64 len, u64 start, u64 end)
{
	return addr >= start && span_inside(addr - start, len, end - start);
}

/* The domain's buffer as a pointer of ours, or NULL. */
static void *buffer(u64 addr, u64 len, bool written)
{
	bool ok = inside(addr, len, control.rodata_end, control.image_end) ||
		inside(addr, len, control.stack_start, control.stack_end) ||
		inside(addr, len, control.heap_start, control.heap_end);

	if (!ok && !written)
		ok = inside(addr, len, US_CONTROL_BASE, control.rodata_end);
	return ok ? (void *)(addr + control.offset) : NULL;
}

static u64 verb_wait(u32 result, u64 backoff_ms)
{
	struct control_request *request = &control.request;
	bool nested = request->open && (control.event == US_EV_TEXT_WRITE ||
					control.event == US_EV_TICK ||
					control.event == US_EV_RESET);

	if (control.event == US_EV_TEXT_WRITE)
		control.text_status = result;
	if (control.event == US_EV_CLAIM)
		control.claim_status = result;
	if (control.event == US_EV_REQUEST && !backoff_ms) {
		request->open = false;
		request->finished = true;
		request->finished_tsc = rdtsc();
		request->status = result;
	}
	if (control.event == US_EV_REQUEST && backoff_ms) {
		request->used_tsc = control.used_tsc;
		control.backoff_until = rdtsc() + tsc_from_ms(
			backoff_ms > 1000 ? 1000 : backoff_ms);
	}
	control.state = nested || (request->open && backoff_ms) ?
		CONTROL_BACKOFF : CONTROL_IDLE;
	return US_OK;
}

static u64 verb_write(u64 gpa, u64 addr, u64 len)
{
	const void *own;

	if (len > MAX_COPY)
		return US_E_BAD_REQUEST;
	own = buffer(addr, len, false);
	return own ? guest_write(gpa, own, len) : US_E_BAD_REQUEST;
}

static u64 verb_commit(u64 addr)
{
	const struct us_commit *commit = buffer(addr, sizeof(*commit), false);
	const struct us_commit_write *writes;

	if (!commit || !IS_ALIGNED(addr | commit->writes, 8) ||
	    commit->count > US_COMMIT_MAX || commit->reserved)
		return US_E_BAD_REQUEST;
	writes = buffer(commit->writes, commit->count * sizeof(*writes), false);
	if (!writes)
		return US_E_BAD_REQUEST;
	if (!control.stopped)
		return US_E_STOP_FAILED;
	return commit_do(writes, commit->count, commit->label);
}

static u64 verb_protect(u64 gpa, u64 len, u64 prot)
{
	static const enum slat_access access[] = {
		[US_PROT_OPEN] = SLAT_OPEN, [US_PROT_SEALED] = SLAT_SEALED,
		[US_PROT_READ_ONLY] = SLAT_READ_ONLY,
	};
	enum us_error error;

	if (!IS_ALIGNED(gpa | len, PAGE_SIZE) || prot >= ARRAY_SIZE(access))
		return US_E_BAD_REQUEST;
	/* What is for patches stays as it is, and what is no RAM has no permissions. */
	if (!guest_range_ok(gpa, len) || gpa_is_for_patches(gpa))
		return US_E_GUEST_ADDRESS;
	/* Who does not know yet that it may do more tries again: slat.h. */
	if (prot == US_PROT_OPEN)
		return slat_protect(gpa, len, SLAT_OPEN);
	if (!stop_begin())
		return US_E_STOP_FAILED;
	slat_gather();
	error = slat_protect(gpa, len, access[prot]);
	vcpu_flush_all();
	stop_end();
	return error;
}

static u64 verb_stop(u64 ns)
{
	u64 since = rdtsc(), most = tsc_from_ms(STOP_COME_MS);

	if (control.stopped)
		return US_E_BAD_REQUEST;
	if (ns && ns < STOP_COME_MS * 1000000ull)
		most = ns * hv.boot.tsc_khz / 1000000;
	if (!stop_begin_within(most))
		return US_E_STOP_FAILED;
	control.stopped = true;
	control.stopped_since = since;
	control.stops++;
	return US_OK;
}

static u64 verb_release(void)
{
	u64 ticks = rdtsc() - control.stopped_since;

	if (!control.stopped)
		return 0;
	control.stopped = false;
	control.overdue = 0;
	stop_end();
	return ns_from_tsc(ticks);
}

static u64 verb_vcpu(u64 index, u64 addr)
{
	struct us_vcpu_state *out = buffer(addr, sizeof(*out), true);
	struct guest_system system;
	const struct vcpu *vcpu;

	if (!out || !control.stopped || index >= hv.boot.cpus)
		return US_E_BAD_REQUEST;
	vcpu = &hv.vcpu[index];
	memset(out, 0, sizeof(*out));
	if (!pin_started(vcpu))
		return US_OK;
	hv.ops->get_system(vcpu, &system);
	out->started = 1;
	out->cpl = system.cpl;
	out->rip = vcpu->regs.rip;
	out->rsp = vcpu->regs.gpr[GPR_RSP];
	out->rflags = vcpu->regs.rflags;
	out->cr0 = system.cr0;
	out->cr3 = system.cr3;
	out->cr4 = system.cr4;
	out->efer = system.efer;
	out->gs_base = system.gs_base;
	out->kernel_gs_base = system.kernel_gs_base;
	out->lstar = system.lstar;
	out->idtr_base = system.idtr_base;
	out->idtr_limit = system.idtr_limit;
	out->gdtr_base = system.gdtr_base;
	out->pinned = vcpu->pinned;
	memcpy(out->gprs, vcpu->regs.gpr, sizeof(out->gprs));
	return US_OK;
}

static u64 verb_pin(void)
{
	enum us_error error;

	if (!control.stopped)
		return US_E_STOP_FAILED;
	error = pin_all();
	if (error)
		return error;
	tick_start();
	reset_watch();
	return US_OK;
}

static u64 verb_guard_execution(void)
{
	if (!control.stopped)
		return US_E_STOP_FAILED;
	if (!hv.ops->guards_execution || !hv.ops->guards_execution())
		return US_E_HOST_FAILED;
	slat_guard_execution();
	vcpu_flush_all();
	return US_OK;
}

/* The domain's text, cut, as a string of ours; false when it is none of its own. */
static bool copy_text(char text[MAX_LOG_TEXT + 1], u64 addr, u64 len)
{
	const void *own = buffer(addr, len, false);

	if (len > MAX_LOG_TEXT || !own)
		return false;
	memset(text, 0, MAX_LOG_TEXT + 1);
	memcpy(text, own, len);
	return true;
}

static u64 verb_halt(u64 addr, u64 len)
{
	char text[MAX_LOG_TEXT + 1];

	if (!copy_text(text, addr, len))
		return US_E_BAD_REQUEST;
	log_write(US_LOG_ERROR, control.mailbox->event_vcpu, "%s", text);
	halt_machine(text);
}

/* Can the guest cause this line as often as it likes? Its own requests and writes are
 * what the domain warns of, and of its writes what is allowed is told, too; what a look
 * at the mappings finds is another matter. */
static bool guest_causes(enum us_log_level level)
{
	return (level == US_LOG_WARNING && control.event != US_EV_TICK) ||
		(level == US_LOG_INFO && control.event == US_EV_TEXT_WRITE);
}

static u64 verb_log(u64 level, u64 addr, u64 len)
{
	char text[MAX_LOG_TEXT + 1];
	u32 vcpu = control.mailbox->event_vcpu;

	if (level > US_LOG_ALERT || !copy_text(text, addr, len))
		return US_E_BAD_REQUEST;
	if (level == US_LOG_ALERT)
		print("underseal: %s\n", text);
	if (!guest_causes((enum us_log_level)level))
		log_write((enum us_log_level)level, vcpu, "%s", text);
	else if (level == US_LOG_INFO)
		log_guest_info(vcpu, "%s", text);
	else
		log_guest(vcpu, "%s", text);
	return US_OK;
}

static u64 verb_log_read(u64 first, u64 addr, u64 max)
{
	struct us_log_entry *own;

	if (max > MAX_COPY / sizeof(*own))
		return 0;
	own = buffer(addr, max * sizeof(*own), true);
	return own ? log_read(first, own, (u32)max) : 0;
}

static u64 verb_counters(u64 addr)
{
	struct us_counters *out = buffer(addr, sizeof(*out), true);
	u64 host_tsc = 0;

	if (!out)
		return US_E_BAD_REQUEST;
	memset(out, 0, sizeof(*out));
	out->time_ns = time_ns();
	for (u32 i = 0; i < hv.boot.cpus; i++) {
		memcpy(out->exits[i], hv.vcpu[i].exits, sizeof(out->exits[i]));
		host_tsc += hv.vcpu[i].host_tsc;
	}
	out->hypervisor_ns = ns_from_tsc(host_tsc);
	out->control_calls = control.calls;
	out->control_ns = ns_from_tsc(control.tsc);
	out->stops = control.stops;
	out->registers_refused = pin_refused();
	out->hypervisor_bytes = hv.image_bytes;
	out->control_bytes = control.bytes;
	out->page_table_bytes = (hv.end - hv.base) - hv.boot.arena_len -
		hv.boot.shadow_len - hv.image_bytes - control.bytes - pages_free() * PAGE_SIZE;
	return US_OK;
}

void control_verb(struct cpu *cpu)
{
	u64 *gpr = control.vcpu.regs.gpr;
	u64 a = gpr[GPR_RDI], b = gpr[GPR_RSI], c = gpr[GPR_RDX];
	u64 result = US_E_BAD_REQUEST;

	(void)cpu;
	control.vcpu.regs.rip += 3;	/* VMMCALL and VMCALL, without prefixes */
	switch (gpr[GPR_RAX]) {
	case US_HV_WAIT: result = verb_wait((u32)a, b); break;
	case US_HV_WRITE: result = verb_write(a, b, c); break;
	case US_HV_PROTECT: result = verb_protect(a, b, c); break;
	case US_HV_STOP: result = verb_stop(a); break;
	case US_HV_RELEASE: result = verb_release(); break;
	case US_HV_VCPU: result = verb_vcpu(a, b); break;
	case US_HV_LOG: result = verb_log(a, b, c); break;
	case US_HV_LOG_READ: result = verb_log_read(a, b, c); break;
	case US_HV_COUNTERS: result = verb_counters(a); break;
	case US_HV_PIN: result = verb_pin(); break;
	case US_HV_HALT: result = verb_halt(a, b); break;
	case US_HV_COMMIT: result = verb_commit(a); break;
	case US_HV_GUARD_EXECUTION: result = verb_guard_execution(); break;
	}
	gpr[GPR_RAX] = result;
}
