/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose NMI is it? An NMI does not say. The hypervisor's own are kicks and those of the
 * tick's source; each has a mark, and an NMI that finds none is the guest's. What is
 * taken for the guest's and is not makes Linux complain of an unknown NMI, or panic
 * when it was told to; what is swallowed and is the guest's can cost it a sample of perf.
 */
#ifndef HV_NMI_H
#define HV_NMI_H

#include "hv.h"

/* Before a kick is sent to @cpu; false when one is on its way already. */
bool nmi_announce(struct cpu *cpu);

/* @cpu has not come: the next kick is sent again, whatever became of this one. */
void nmi_give_up(struct cpu *cpu);

/* The NMI handler's part, on the CPU where one arrived. */
void nmi_arrived(struct cpu *cpu);

/* Before each entry into the guest. */
void nmi_entering(struct cpu *cpu);

#endif
