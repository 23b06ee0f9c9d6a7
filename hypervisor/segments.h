/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The segment registers and descriptor tables of a processor. */
#ifndef HV_SEGMENTS_H
#define HV_SEGMENTS_H

#include "x86.h"

/* Attributes as in a descriptor's second word, from bit 8 on: type, S, DPL, P in 0-7,
 * AVL, L, D, G in 12-15. */
#define SEG_CODE64	0xa09bu
#define SEG_CODE16	0x009bu
#define SEG_DATA	0x0093u
#define SEG_DATA32	0xc093u
#define SEG_TSS64	0x008bu
#define SEG_LDT		0x0082u
#define SEG_NOT_SYSTEM	0x0010u
#define SEG_ACCESSED	0x0001u
#define SEG_LONG	0x2000u
#define SEG_DB		0x4000u

enum segment_name {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR,
	SEGMENTS
};

struct segment {
	u16 selector;
	u16 attributes;
	u32 limit;
	u64 base;
};

struct table {
	u16 limit;
	u64 base;
} __attribute__((packed));

struct segments {
	struct segment seg[SEGMENTS];
	struct table gdtr, idtr;
};

/* Those of the calling CPU. Attributes 0 where nothing is loaded; a task register
 * that is empty becomes an empty task segment, since virtual CPUs have to have one. */
void segments_read(struct segments *all);

/* After INIT and a SIPI with @vector: APM volume 2, table 14-1; SDM volume 3, table
 * 10-1. */
void segments_sipi(struct segments *all, u8 vector);

/* A flat 64-bit ring 0 without tables: selectors 8 and 16, nothing behind them. */
void segments_control(struct segments *all);

#endif
