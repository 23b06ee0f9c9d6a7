#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What each vendor's backend costs, in instructions: a part of bench.py, and a program
of its own.

Usage: bench_vendor.py RELEASE [MACHINE ...]	(settings: STOP_TIMES=25 TOGGLES=100)

AMD-V in QEMU and VT-x in Bochs, on machines with one CPU whose clock counts
instructions: so figures are the same on every host, however busy. And the stop on two
CPUs in Bochs, which runs a few instructions of each CPU in turn, and then lets its clock
go on by as many. A MACHINE is a key of MACHINES; all of them otherwise. BENCH.md tells of
the keys.
"""
import json
import os
import shutil
import sys
import tempfile

from harness import Server, expect
from bench_stop import TIMES, quiet, rank
import bochs
import bundle_sets
import files
import machine

SHIFT = 2       # QEMU: one instruction is 2^SHIFT ns, and the TSC counts those
SWITCH = "/proc/sys/kernel/sched_schedstats"
TOGGLES = int(os.environ.get("TOGGLES") or 100)
COUNTS = (1, 2, 10, 100)
FIRST = 2       # functions of the first change after boot, and of all on two CPUs
IDLE_SECONDS = 10
LOAD_SECONDS = 5

# Name: emulator, CPUs, and how many of the guest's ns and TSC ticks an instruction takes.
MACHINES = {
    "amd": ("qemu", 1, 1 << SHIFT, 1 << SHIFT),
    "intel": ("bochs", 1, 10**9 // bochs.IPS, 1),
    "intel_2_cpus": ("bochs", 2, 10**9 // bochs.IPS, 1),
}


# The disk -----------------------------------------------------------------------

def times(count, cpus):
    if cpus > 1:
        return TIMES if count == FIRST else 0
    return min(5, TIMES)


def make_disk(kernel, scratch, name, cpus):
    """Baseline and bundles. The generations of @first are the lowest."""
    folder = os.path.join(scratch, f"data-{name}")
    generation = 1
    for path, count, number in (("first", FIRST, 1), *(
            (str(count), count, times(count, cpus)) for count in COUNTS)):
        bundle_sets.numbered(
            os.path.join(kernel.guest, f"many-{count}.upatch"),
            os.path.join(folder, path), generation, number)
        generation += number
    for file in ("baseline.ubase", "baseline.ubase.minisig"):
        shutil.copy(os.path.join(kernel.guest, file), folder)
    return bundle_sets.make_disk(folder + ".img", folder, label="data")


# In the guest -------------------------------------------------------------------

COUNTERS = "underseal-guest counters --json"
NOTHING = "underseal-guest --version > /dev/null"       # a program that asks nothing


def answers(server, *commands):
    """Those of some commands that print JSON."""
    text, found = server.run(" && ".join(commands), timeout=600), []
    while text:
        answer, end = json.JSONDecoder().raw_decode(text)
        found.append(answer)
        text = text[end:].lstrip()
    return found


def exits(server, command=None):
    """By reason, those while @command ran, or all so far; on one CPU."""
    commands = (COUNTERS, f"({command}) > /dev/null", COUNTERS)
    *before, after = answers(server, *commands[0 if command else 2:])
    counts = {reason: count - (before[0]["exits"][0][reason] if before else 0)
              for reason, count in after["exits"][0].items()}
    seconds = (after["time_ns"] - (before[0]["time_ns"] if before else 0)) / 1e9
    return {"s": round(seconds, 1),
            **{reason: count for reason, count in counts.items() if count}}


def toggle_ticks(server):
    """TSC ticks that switching a static key on and off takes, TOGGLES times."""
    text = server.run(
        f"us-probe tsc; i=0; while [ $i -lt {TOGGLES} ]; do "
        f"echo 1 > {SWITCH}; echo 0 > {SWITCH}; i=$((i + 1)); done; "
        "us-probe tsc", timeout=600)
    start, end = (int(word, 0) for word in text.split())
    return end - start


def writes_allowed(server):
    return server.tool_ok("status")["writes_allowed"]


class Counted:
    """A machine whose clock counts instructions, one in @ns of the guest's."""

    def __init__(self, server, ns):
        self.server, self.ns = server, ns
        self.alone = None

    def spent(self, command):
        """Instructions of control domain and hypervisor from the end of one look at
        the counters to that of the next, and what @command says in between."""
        before, *said, after = answers(self.server, COUNTERS, command,
                                       COUNTERS)
        return [(after[key] - before[key]) // self.ns
                for key in ("control_ns", "hypervisor_ns")], said

    def change(self, verb, path):
        """One apply or revert, without what the program's start and the look at the
        counters take."""
        if not self.alone:
            samples = [self.spent(NOTHING)[0] for _ in range(5)]
            self.alone = [rank(column, .5) for column in zip(*samples)]
        spent, (receipt,) = self.spent(
            f"underseal-guest {verb} {path} --json")
        control, hypervisor = (own - alone for own, alone in
                               zip(spent, self.alone))
        return {"control": control, "hypervisor": hypervisor,
                "stop": receipt["stop_ns"] // self.ns,
                "whole": receipt["total_ns"] // self.ns,
                "attempts": receipt["attempts"]}

    def changes(self, folder, first, count):
        """(applies, reverts)"""
        pairs = [(self.change("apply", f"/data/{folder}/{number}.upatch"),
                  self.change("revert", f"/data/{folder}/{number}.revert"))
                 for number in range(first, first + count)]
        return zip(*pairs)


# Machines -----------------------------------------------------------------------

def begin(kernel, scratch, name):
    emulator, cpus, _, _ = MACHINES[name]
    esp = files.underseal_esp(os.path.join(scratch, f"{name}.img"), kernel)
    counting = ["-icount", f"shift={SHIFT}"] if emulator == "qemu" else []
    server = Server(esp, kernel, log=files.out(f"logs/bench-{name}.log"),
                    data=make_disk(kernel, scratch, name, cpus),
                    settings=machine.Settings(machine=emulator, smp=cpus,
                                              accel="tcg,thread=single"),
                    extra=counting)
    try:
        server.wait_ready(timeout=600)
        quiet(server)
    except BaseException:
        server.close()
        raise
    return server


def writes(server, ticks, seal):
    """What the kernel's own patching takes more once @seal() has been called."""
    toggle_ticks(server)
    open_ticks = toggle_ticks(server)
    seal()
    before = writes_allowed(server)
    sealed_ticks = toggle_ticks(server)
    count = writes_allowed(server) - before
    return {
        "toggles": TOGGLES,
        "writes": count,
        "instructions_unsealed": open_ticks // ticks,
        "instructions_sealed": sealed_ticks // ticks,
        "instructions_per_write": (sealed_ticks - open_ticks) / ticks / count,
    }


def summary(rows):
    found = {"samples": len(rows)}
    for key in rows[0]:
        values = [row[key] for row in rows]
        found |= {f"{key}_min": min(values), f"{key}_p50": rank(values, .5),
                  f"{key}_max": max(values)}
    return found


def both(rows):
    applies, reverts = rows
    return {"apply": summary(applies), "revert": summary(reverts)}


def all_changes(counted, cpus):
    generation, found = 2, {"first": both(counted.changes("first", 1, 1))}
    for count in COUNTS:
        number = times(count, cpus)
        if number:
            found[str(count)] = both(counted.changes(count, generation, number))
        generation += number
    return found


def one_machine(kernel, scratch, name):
    _, cpus, ns, ticks = MACHINES[name]
    print(f"bench: {name}", file=sys.stderr, flush=True)
    with begin(kernel, scratch, name) as server:
        def seal():
            server.tool_ok("seal /data/baseline.ubase", timeout=600)

        result = {"cpus": cpus}
        if cpus == 1:
            result["exits"] = {"boot": exits(server)}
            result["write"] = writes(server, ticks, seal)
            result["exits"]["idle"] = exits(server, f"sleep {IDLE_SECONDS}")
            result["exits"]["load"] = exits(server, f"us-load {LOAD_SECONDS} 2")
        else:
            seal()
        result["changes"] = all_changes(Counted(server, ns), cpus)
        expect(not server.kernel_trouble(), server.kernel_trouble())
    return result


def measure(kernel, scratch, names=tuple(MACHINES)):
    return {name: one_machine(kernel, scratch, name) for name in names}


def rows(result):
    """Lines of bench.py's table."""
    found = []
    for name, one in result.items():
        for state, counts in one.get("exits", {}).items():
            found.append((f"{name}, exits, {state}", ", ".join(
                f"{reason} {count}" for reason, count in counts.items())))
        if "write" in one:
            found.append((f"{name}, an arbitrated write, instructions",
                          f"{one['write']['instructions_per_write']:.0f}"))
        for count, verbs in one["changes"].items():
            for verb, row in verbs.items():
                found.append((f"{name}, {verb}, {count}", ", ".join(
                    " / ".join((f"{key} {row[key + '_min']:,}",
                                f"{row[key + '_p50']:,}",
                                f"{row[key + '_max']:,}"))
                    for key in ("control", "hypervisor", "stop", "whole"))))
    return found


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(MACHINES):
        sys.exit(__doc__.strip())
    kernel = files.Kernel(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
        result = measure(kernel, scratch, sys.argv[2:] or tuple(MACHINES))
    with open(files.out("bench-vendor.json"), "w", encoding="ascii") as file:
        json.dump(result, file, indent=2)
    for row in rows(result):
        print("  ".join(row))


if __name__ == "__main__":
    main()
