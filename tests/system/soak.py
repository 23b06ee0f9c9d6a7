#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A sealed server works, traces, loads modules, and stays as its baseline says.

Usage: soak.py RELEASE		(settings: SOAK_MINUTES=120 SMP=2)

Files and TCP over loopback all the time, every byte compared; meanwhile each of TURNS
in turn. Every minute all sealed memory is verified from outside. `make test` runs
a few minutes of it.
"""
import os
import re
import sys
import tempfile
import time

from harness import Server, expect, expect_equal
import files
import machine
from verify import nothing_refused, text_verifies

T = "/sys/kernel/tracing"
KPROBES = f"{T}/kprobe_events"
ONLINE = "/sys/devices/system/cpu/cpu1/online"

# What an administrator does on a running server, and undoes.
TURNS = [
    ("function tracer", f"echo 'vfs_*' > {T}/set_ftrace_filter && "
     f"echo function > {T}/current_tracer && sleep 1 && grep -q vfs_ {T}/trace "
     f"&& echo nop > {T}/current_tracer && echo > {T}/set_ftrace_filter"),
    ("graph tracer", f"echo 'tcp_*' > {T}/set_ftrace_filter && "
     f"echo function_graph > {T}/current_tracer && sleep 2 && "
     f"grep -q tcp_ {T}/trace && echo nop > {T}/current_tracer && "
     f"echo > {T}/set_ftrace_filter"),
    ("events", f"echo 1 > {T}/events/sched/enable && "
     f"echo 1 > {T}/events/syscalls/enable && sleep 1 && "
     f"grep -q sched_switch {T}/trace && echo 0 > {T}/events/syscalls/enable "
     f"&& echo 0 > {T}/events/sched/enable"),
    ("kprobe", f"echo 'p:us_soak vfs_read' > {KPROBES} && "
     f"echo 'r:us_soak_r vfs_write' >> {KPROBES} && "
     f"echo 1 > {T}/events/kprobes/enable && sleep 1 && "
     f"grep -q us_soak {T}/trace && echo 0 > {T}/events/kprobes/enable && "
     f"echo > {KPROBES}"),
    ("modules", "modprobe loop && modprobe dummy && modprobe veth && "
     "truncate -s 8M /tmp/disk && losetup /dev/loop0 /tmp/disk && "
     "mke2fs /dev/loop0 > /dev/null 2>&1 && "
     "mkdir -p /tmp/m && mount -t ext4 /dev/loop0 /tmp/m && "
     "cp /bin/us-load /tmp/m/b && cmp /bin/us-load /tmp/m/b && "
     "umount /tmp/m && losetup -d /dev/loop0 && sleep 1 && rmmod loop && "
     "rmmod dummy && rmmod veth"),
    ("sysctl", "echo 1 > /proc/sys/kernel/sched_schedstats && "
     "echo full > /sys/kernel/debug/sched/preempt && sleep 1 && "
     "echo voluntary > /sys/kernel/debug/sched/preempt && "
     "echo 0 > /proc/sys/kernel/sched_schedstats"),
    ("CPU hotplug", f"echo 0 > {ONLINE} && sleep 1 && echo 1 > {ONLINE}"),
    ("patch", "underseal-guest apply /data/busy.upatch --deadline 20000 && "
     "[ $(us-probe ppid) = 4242 ] && "
     "underseal-guest revert /data/busy.revert --deadline 20000"),
]


def one_minute(server, turns, seconds):
    """Takes from the list of @turns for so long beside the load; how many."""
    server.run(f"us-load {seconds} 2 > /tmp/soak 2>&1 & echo $! > /tmp/soak.pid")
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        name, command = turns.pop(0)
        status, text = server.sh(command + f" && echo > {T}/trace",
                                 timeout=300)
        expect(status == 0, f"{name}: {status}: {text[-500:]}")
        count += 1
        # A bundle is installed once: its generation is used up then.
        if name != "patch":
            turns.append((name, command))
    deadline = time.monotonic() + 120
    while server.sh("kill -0 $(cat /tmp/soak.pid) 2>/dev/null")[0] == 0:
        expect(time.monotonic() < deadline, "the load does not end")
        time.sleep(0.5)
    line = server.run("cat /tmp/soak")
    expect("errors=0" in line, line)
    return count


def check(server, minutes, tell=lambda line: None):
    server.run(f"echo 1 > {T}/options/pause-on-trace")
    before = server.tool_ok("status")
    start, done, looks = time.monotonic(), 0, 0
    turns = list(TURNS)
    while time.monotonic() - start < minutes * 60:
        left = minutes * 60 - (time.monotonic() - start)
        done += one_minute(server, turns, max(10, int(min(50, left))))
        status = nothing_refused(server, before)
        expect_equal(status["control"], "ok", "control domain")
        expect_equal(status["mapping"]["changes"], 0, "changed mappings")
        expect_equal(server.kernel_trouble(), "", "kernel log")
        figures = text_verifies(server)
        looks += 1
        tell(f"{(time.monotonic() - start) / 60:.1f} min: {done} turns, "
             f"{status['writes_allowed']} writes allowed, 0 refused; "
             + re.sub(r";.*", "", figures.split("\n", maxsplit=1)[0]))
    expect(looks > 0 and done >= len(TURNS), f"{done} turns in {looks} looks")
    return done, looks


def minutes_wanted(default):
    return float(os.environ.get("SOAK_MINUTES") or default)


def short(server):
    """minutes of work, tracing and modules; all text verifies every minute"""
    check(server, minutes_wanted(2.5))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    kernel = files.Kernel(sys.argv[1])
    minutes = minutes_wanted(120)
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
        esp = files.underseal_esp(os.path.join(scratch, "esp.img"), kernel)
        with Server(esp, kernel, log=files.out("logs/soak.log"),
                    settings=machine.Settings()) as server:
            server.wait_ready()
            server.tool_ok("seal /data/baseline.ubase")
            try:
                turns, looks = check(server, minutes,
                                     lambda line: print(line, flush=True))
            except (AssertionError, machine.CommandFailed,
                    machine.MachineError) as failure:
                print(f"FAIL soak: {failure}\n0 passed, 1 failed, 0 skipped")
                return 1
    print(f"PASS soak: {minutes:g} minutes, {turns} turns, verified {looks} "
          "times\n1 passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
