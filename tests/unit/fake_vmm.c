/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_vmm.h"

#include <string.h>

#include "memory.h"
#include "tick.h"
#include "vcpu.h"

struct hypervisor hv;
struct fake_vmm fake;

static void get_system(const struct vcpu *vcpu, struct guest_system *system)
{
	const u64 *reg = fake.reg[vcpu->index];

	*system = (struct guest_system) {
		.cr0 = reg[GUARD_CR0], .cr3 = fake.cr3, .cr4 = reg[GUARD_CR4],
		.efer = reg[GUARD_EFER], .code_bits = 64,
	};
}

static u64 next_rip(const struct vcpu *vcpu)
{
	(void)vcpu;
	return 0;
}

static u64 read_guarded(const struct vcpu *vcpu, enum guarded which)
{
	return fake.reg[vcpu->index][which];
}

static void write_guarded(struct vcpu *vcpu, enum guarded which, u64 value)
{
	fake.reg[vcpu->index][which] = value;
}

static void load_table(struct vcpu *vcpu, enum guarded which, u64 base, u16 limit)
{
	fake.reg[vcpu->index][which] = base;
	fake.limit[vcpu->index] = limit;
}

static void watch_registers(struct vcpu *vcpu, u64 cr0, u64 cr4)
{
	fake.watched[vcpu->index] = cr0 && cr4;
}

static void watch_system_msrs(void)
{
	fake.msrs_watched = true;
}

static void flush_guest(struct vcpu *vcpu)
{
	(void)vcpu;
	fake.flushes++;
}

static void inject(struct vcpu *vcpu, u8 vector, bool has_error, u32 error,
		   u64 cr2)
{
	(void)vcpu;
	(void)has_error;
	(void)error;
	fake.injected++;
	fake.vector = vector;
	fake.cr2 = cr2;
}

static const struct vmm_ops ops = {
	.name = "fake",
	.get_system = get_system,
	.next_rip = next_rip,
	.read_guarded = read_guarded,
	.write_guarded = write_guarded,
	.load_table = load_table,
	.watch_registers = watch_registers,
	.watch_system_msrs = watch_system_msrs,
	.flush_guest = flush_guest,
	.inject = inject,
};

/* What the hypervisor's other files would do. */
void inject_gp(struct vcpu *vcpu)
{
	inject(vcpu, VECTOR_GP, true, 0, 0);
}

void log_write(enum us_log_level level, u32 vcpu, const char *format, ...)
{
	(void)level;
	(void)vcpu;
	(void)format;
}

void log_guest(u32 vcpu, const char *format, ...)
{
	(void)vcpu;
	(void)format;
	fake.lines++;
}

void log_guest_info(u32 vcpu, const char *format, ...)
{
	(void)vcpu;
	(void)format;
}

u32 tick_sent_nmis(struct cpu *cpu)
{
	u32 count = fake.tick_nmis;

	(void)cpu;
	fake.tick_nmis = 0;
	return count;
}

u64 tsc_from_ms(u64 ms)
{
	return ms * hv.boot.tsc_khz;
}

u32 guest_read_linear(const struct guest_system *system, u64 gva, void *dst,
		      u32 len)
{
	u64 offset = gva - FAKE_MEMORY;

	(void)system;
	if (offset >= sizeof(fake.memory))
		return 0;
	if (len > sizeof(fake.memory) - offset)
		len = (u32)(sizeof(fake.memory) - offset);
	memcpy(dst, fake.memory + offset, len);
	return len;
}

void fake_start(u32 cpus)
{
	memset(&hv, 0, sizeof(hv));
	memset(&fake, 0, sizeof(fake));
	hv.ops = &ops;
	hv.boot.cpus = cpus;
	hv.boot.tsc_khz = 1;
	for (u32 i = 0; i < cpus; i++) {
		u64 *reg = fake.reg[i];

		hv.cpu[i].index = hv.vcpu[i].index = i;
		hv.cpu[i].guest = &hv.vcpu[i];
		hv.cpu[i].online = 1;
		hv.vcpu[i].os_started = true;
		reg[GUARD_CR0] = CR0_PE | CR0_WP | CR0_PG | CR0_ET | CR0_NE;
		reg[GUARD_CR4] = CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP;
		reg[GUARD_EFER] = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
		reg[GUARD_IDTR] = 0xfffffe0000000000ull;
		reg[GUARD_GDTR] = 0xfffffe0000001000ull + i * 0x3b000ull;
		reg[GUARD_STAR] = 0x23001000000000ull;
		reg[GUARD_LSTAR] = 0xffffffff81e00080ull;
		reg[GUARD_CSTAR] = 0xffffffff81e01480ull;
		reg[GUARD_SFMASK] = 0x257fd5;
		reg[GUARD_SYSENTER_CS] = 0x10;
		reg[GUARD_SYSENTER_ESP] = 0xfffffe0000003000ull + i * 0x3b000ull;
		reg[GUARD_SYSENTER_EIP] = 0xffffffff81e01310ull;
	}
}

void fake_code(struct vcpu *vcpu, const void *bytes, u32 len)
{
	vcpu->regs.rip = FAKE_MEMORY;
	memset(fake.memory, 0x90, 16);
	memcpy(fake.memory, bytes, len);
}
