#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the CPUs are held for a patch, beside what the kernel has for the same: a
part of bench.py, and a program of its own.

Usage: bench_stop.py RELEASE	(settings: BENCH_CPUS="1 2 4 8" STOP_TIMES=25 LIVE_TIMES=3)

Bundles and kernel live patches of 1, 2, 10 and 100 functions, the same functions with
the same bodies, on one machine, idle and at work (tests/guest/busy). The kernel's own
come first, before anything is sealed: nothing of Underseal slows them. BENCH.md tells
of the keys.
"""
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time

from harness import Server, expect
from bundle_edit import Bundle
from load_checks import DEADLINE, PATIENT, Receipts, cycle
import bench_plot
import bundle_sets
import files
import machine

CPUS = [int(word) for word in
        (os.environ.get("BENCH_CPUS") or "1 2 4 8").split()]
TIMES = int(os.environ.get("STOP_TIMES") or 25)
LIVE_TIMES = int(os.environ.get("LIVE_TIMES") or 3)
LIVE_SECONDS = 60       # no further one after that
COUNTS = (1, 2, 10, 100)
STATES = ("load", "idle")       # in the order in which bundles are installed
BATCH = 5


def rank(values, share):
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(name, values):
    """NAME_p50, NAME_p99 and NAME_max; @name ends with the unit."""
    return {f"{name}_p50": rank(values, .5), f"{name}_p99": rank(values, .99),
            f"{name}_max": max(values)}


# The disk -----------------------------------------------------------------------

def sets():
    """(folder, functions, first generation, how many) of the bundles."""
    first = 1
    for state in STATES:
        for count in COUNTS:
            # One more, to look at what it takes.
            yield f"{state}-{count}", count, first, TIMES + 1
            first += TIMES + 1


def set_of(state, count):
    return next((folder, first) for folder, _, first, _ in sets()
                if folder == f"{state}-{count}")


def base(kernel, count):
    return os.path.join(kernel.guest, f"many-{count}.upatch")


def make_disk(kernel, scratch):
    folder = os.path.join(scratch, "bundles")
    for name, count, first, number in sets():
        bundle_sets.numbered(base(kernel, count), os.path.join(folder, name),
                             first, number)
    for name in os.listdir(os.path.join(kernel.guest, "bench")):
        if name.endswith(".ko"):
            shutil.copy(os.path.join(kernel.guest, "bench", name), folder)
    return bundle_sets.make_disk(folder + ".img", folder)


# The kernel's own ------------------------------------------------------------------

def numbers(line):
    return {key: int(value) for key, value in
            (word.split("=") for word in line.split())}


def live_patch(server, count):
    runs, end = [], time.monotonic() + LIVE_SECONDS
    while not runs or (len(runs) < LIVE_TIMES and time.monotonic() < end):
        runs.append(numbers(server.run(f"us-klp /load/us_klp_{count}.ko "
                                       f"us_klp_{count}", timeout=1800)))
    return {
        "livepatch_samples": len(runs),
        "livepatch_transition_ns_p50": rank([run["transition_ns"]
                                             for run in runs], .5),
        "livepatch_transition_ns_max": max(run["transition_ns"]
                                           for run in runs),
        "livepatch_whole_ns_p50": rank([run["whole_ns"] for run in runs], .5),
        "livepatch_back_ns_p50": rank([run["back_ns"] for run in runs], .5),
        "livepatch_module_bytes": runs[0]["bytes"],
    }


def stop_machine(server, places):
    """Times of 2 * TIMES calls that change @places places of five bytes."""
    file = "/sys/kernel/debug/us_stop"
    text = server.run(f"n=0; while [ $n -lt {2 * TIMES} ]; do n=$((n + 1)); "
                      f"echo {places} > {file} && cat {file}; done", 600)
    return [numbers(line)["call_ns"] for line in text.splitlines()]


def kernels_own(server):
    """By number of functions; 0 is an empty stop_machine()."""
    empty = spread("stop_machine_empty_ns", stop_machine(server, 0))
    return {count: {**live_patch(server, count), **empty,
                    **spread("stop_machine_change_ns",
                             stop_machine(server, count))}
            for count in COUNTS}


# Underseal's -----------------------------------------------------------------------

def tsc_mhz(server):
    text = server.run("dmesg | grep -E 'tsc: (Detected|Refined)' | tail -n 1")
    return float(re.search(r"([0-9.]+) MHz", text).group(1))


def cycles(server, state, count, times):
    folder, first = set_of(state, count)
    receipts = Receipts()
    for start in range(0, times, BATCH):
        receipts.add(server.run(
            cycle(first + start, min(BATCH, times - start), f"/load/{folder}"),
            timeout=BATCH * 2 * DEADLINE / 1000 + 300))
    return receipts.all


def memory(server, kernel, state, count):
    """What one patch takes, against the code that is in it."""
    folder, first = set_of(state, count)
    path = f"/load/{folder}/{first + TIMES}"
    server.tool_ok(f"apply {path}.upatch {PATIENT}")
    used = server.tool_ok("status")["arena"]["used"]
    server.tool_ok(f"revert {path}.revert {PATIENT}")
    with open(base(kernel, count), "rb") as file:
        bundle = Bundle(file.read())
    code = sum(function["new_size"] for function in bundle.functions)
    return {"arena_bytes": used, "code_bytes": code,
            "arena_per_code_ratio": used / code}


def patched(server, kernel, state, count, mhz):
    all_of = cycles(server, state, count, TIMES)
    applies, reverts = all_of[::2], all_of[1::2]
    stops = [receipt["stop_ns"] for receipt in all_of]
    return {
        "samples": len(all_of),
        **spread("stop_ns", stops),
        **spread("stop_tsc_cycles", [round(stop * mhz / 1000)
                                     for stop in stops]),
        **spread("apply_ns", [receipt["total_ns"] for receipt in applies]),
        **spread("revert_ns", [receipt["total_ns"] for receipt in reverts]),
        "attempts_max": max(receipt["attempts"] for receipt in all_of),
        **memory(server, kernel, state, count),
    }


# Machines --------------------------------------------------------------------------

def quiet(server):
    """Linux's own complaints of slowness, which emulation provokes."""
    server.run("echo 0 > /proc/sys/kernel/soft_watchdog; "
               "echo 1 > /sys/module/rcupdate/parameters/"
               "rcu_cpu_stall_suppress")


def begin(kernel, scratch, disk, cpus):
    esp = files.underseal_esp(os.path.join(scratch, "stop.img"), kernel)
    tools = ["-drive", "if=none,id=tools,format=raw,snapshot=on,file=" +
             files.out("guest/tools.img"),
             "-device", "nvme,drive=tools,serial=tools"]
    return Server(esp, kernel, log=files.out(f"logs/bench-stop{cpus}.log"),
                  settings=machine.Settings(smp=cpus, mem="2G"),
                  extra=[*tools, *bundle_sets.drive(disk)])


def one_machine(kernel, scratch, disk, cpus):
    """Cells of the table: a dict for each state and number of functions."""
    with begin(kernel, scratch, disk, cpus) as server:
        server.wait_ready(timeout=600)
        quiet(server)
        bundle_sets.mount(server)
        server.run("insmod /load/us_stop.ko")
        own = {"idle": kernels_own(server)}
        server.run("/load/busy start; sleep 5")
        own["load"] = kernels_own(server)
        server.run("/load/busy stop", timeout=600)
        server.tool_ok("seal /data/baseline.ubase", timeout=600)
        server.run("/load/busy start; sleep 5")
        mhz = tsc_mhz(server)
        ours = {"load": {count: patched(server, kernel, "load", count, mhz)
                         for count in COUNTS}}
        server.run("/load/busy stop", timeout=600)
        server.run("sleep 2")
        ours["idle"] = {count: patched(server, kernel, "idle", count, mhz)
                        for count in COUNTS}
        expect(not server.kernel_trouble(), server.kernel_trouble())
    cells = [{"cpus": cpus, "state": state, "functions": count,
              "tsc_mhz": mhz, **ours[state][count], **own[state][count]}
             for state in STATES for count in COUNTS]
    for cell in cells:
        cell["apply_faster_than_livepatch_ratio"] = \
            cell["livepatch_transition_ns_p50"] / cell["apply_ns_p50"]
    return cells


def measure(kernel, scratch):
    """Keeps what it has after each machine in build/out/bench-stop.json."""
    disk = make_disk(kernel, scratch)
    result = {"cells": []}
    for cpus in CPUS:
        print(f"bench: the stop on {cpus} CPUs", file=sys.stderr, flush=True)
        result["cells"] += one_machine(kernel, scratch, disk, cpus)
        with open(files.out("bench-stop.json"), "w", encoding="ascii") as file:
            json.dump(result, file, indent=2)
    return result


def milliseconds(cell, name):
    return f"{cell[name] / 1e6:.1f}"


def table(result):
    head = ("CPUs state functions | stop p50 p99 max ms | stop_machine p50 ms | "
            "apply p50 max ms | livepatch p50 ms | faster | attempts | "
            "arena/code")
    lines = [head]
    for cell in result["cells"]:
        lines.append(
            f"{cell['cpus']:4} {cell['state']:5} {cell['functions']:9} | " +
            " ".join(milliseconds(cell, f"stop_ns_{part}")
                     for part in ("p50", "p99", "max")) + " | " +
            milliseconds(cell, "stop_machine_change_ns_p50") + " | " +
            milliseconds(cell, "apply_ns_p50") + " " +
            milliseconds(cell, "apply_ns_max") + " | " +
            milliseconds(cell, "livepatch_transition_ns_p50") + " | " +
            f"{cell['apply_faster_than_livepatch_ratio']:.0f} | "
            f"{cell['attempts_max']} | {cell['arena_per_code_ratio']:.2f}")
    return "\n".join(lines)


def write_plot(result):
    with open(files.out("bench.svg"), "w", encoding="utf-8") as file:
        file.write(bench_plot.draw(result["cells"]))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    kernel = files.Kernel(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
        result = measure(kernel, scratch)
    write_plot(result)
    print(table(result))


if __name__ == "__main__":
    main()
