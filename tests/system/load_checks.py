# SPDX-License-Identifier: GPL-2.0-or-later
"""Two functions of a busy kernel are replaced and put back, again and again.

The load is tests/guest/busy. LOAD_CPUS: machines of how many CPUs; APPLY_TIMES: how often
on each, instead of TIMES (`make load` does it 1,000 times on each of four).
"""
import json
import os
import statistics
import time

from harness import expect, expect_equal, needed
from server_checks import boots, differences, expect_text_but_sites
from verify import text_verifies
import bundle_sets

TIMES = {1: 100, 2: 100, 4: 50, 8: 20}
BATCH = 10              # applies in one command
TELL = 10 * BATCH       # a line about how far it is, in a long run
FIRST = 100             # generation
DEADLINE = 30000        # ms; emulated CPUs under load come late
LONGEST = 1000000       # us that a stop may take, the most one can ask for
PATIENT = f"--deadline {DEADLINE} --stop-limit {LONGEST}"
NOSYS = -1              # what the replaced functions answer
ROOM = 10               # a hunk lies in the first bytes of its function


def cpu_counts():
    return [int(word) for word in (os.environ.get("LOAD_CPUS") or
                                   "2 8").split()]


def times(cpus):
    return int(os.environ.get("APPLY_TIMES") or TIMES.get(cpus, 20))


def disk(kernel, scratch, cpus):
    """The disk with the bundles that the checks install, one after the other."""
    folder = os.path.join(scratch, f"bundles{cpus}")
    bundle_sets.numbered(os.path.join(kernel.guest, "many-2.upatch"), folder,
                         FIRST, times(cpus))
    bundle_sets.numbered(os.path.join(kernel.guest, "pause.upatch"),
                         os.path.join(folder, "pause"),
                         FIRST + times(cpus), 2)
    return bundle_sets.make_disk(folder + ".img", folder)


# In the guest ------------------------------------------------------------------

def cycle(first, count, folder="/load"):
    """Shell: apply and revert each of some bundles; prints both receipts, and
    getppid() in between and afterwards."""
    ring = ("underseal-guest {0} " + folder + "/$n.{1} " + PATIENT +
            " --json > /tmp/said || {{ cat /tmp/said; exit 1; }}; "
            "tr -d ' \\n' < /tmp/said; echo; us-probe ppid")
    # Ahead of the work, or it would be the work that is waited for.
    return ("renice -n -15 -p $(sh -c 'echo $PPID'); "
            f"for n in $(seq {first} {first + count - 1}); do " +
            ring.format("apply", "upatch") + "; " +
            ring.format("revert", "revert") + "; done")


class Receipts:
    """What the applies and reverts of one run said of themselves."""

    def __init__(self):
        self.all = []

    def add(self, text):
        lines = text.split("\n")
        expect_equal(len(lines) % 4, 0, f"lines of an answer: {text[-800:]}")
        for apply, patched, revert, after in zip(*[iter(lines)] * 4):
            expect_equal(int(patched), NOSYS, "getppid() when patched")
            expect(int(after) > 0, f"getppid() when reverted: {after}")
            self.all += [json.loads(apply), json.loads(revert)]

    def told(self):
        stops = sorted(receipt["stop_ns"] / 1e6 for receipt in self.all)
        totals = [receipt["total_ns"] / 1e6 for receipt in self.all]
        again = sum(receipt["attempts"] > 1 for receipt in self.all)
        return (f"{len(stops)} changes; stop: median "
                f"{statistics.median(stops):.1f}, longest {stops[-1]:.1f} ms; "
                f"whole: median {statistics.median(totals):.0f}, longest "
                f"{max(totals):.0f} ms; {again} tried more than once")


# Checks ------------------------------------------------------------------------

@needed
def seals(server):
    """the kernel is sealed, and the work begins"""
    server.run("echo 0 > /proc/sys/kernel/soft_watchdog; "
               "echo 1 > /sys/module/rcupdate/parameters/"
               "rcu_cpu_stall_suppress")
    bundle_sets.mount(server)
    server.tool_ok("seal /data/baseline.ubase")
    server.sealed_text = server.text_bytes()
    server.run("/load/busy start")
    server.run("sleep 5")


def only_hunks_differ(server):
    """While two functions are patched no other byte is another than before."""
    starts = [server.symbol("__x64_sys_" + name) - server.text_start()
              for name in ("getppid", "getpgrp")]
    sites = set()
    for offset, length in server.kernel.runtime_sites():
        sites.update(range(offset, offset + length))
    changed = [offset for offset in
               differences(server.text_bytes(), server.sealed_text)
               if offset not in sites]
    for start in starts:
        expect(any(start <= offset < start + ROOM for offset in changed),
               f"no change at _text+{start:#x}")
    wrong = [offset for offset in changed
             if not any(start <= offset < start + ROOM for start in starts)]
    expect(not wrong, f"text differs at _text+{wrong[:1]}")


def arena_is_empty(server):
    status = server.tool_ok("status")
    expect_equal(status["arena"]["used"], 0, "arena in use")
    expect_equal(status["patches"], 0, "patches")
    expect_equal(status["control"], "ok", "control domain")


def cycles(server):
    """a patch of two functions is applied and reverted all the time"""
    count, receipts = times(server.settings.smp), Receipts()
    server.tool_ok(f"apply /load/{FIRST}.upatch {PATIENT}")
    only_hunks_differ(server)
    server.tool_ok(f"revert /load/{FIRST}.revert {PATIENT}")
    arena_is_empty(server)
    for start in range(1, count, BATCH):
        part = min(BATCH, count - start)
        receipts.add(server.run(cycle(FIRST + start, part),
                                timeout=part * 2 * DEADLINE / 1000 + 300))
        arena_is_empty(server)
        if start + part < count and len(receipts.all) % (2 * TELL) == 0:
            print(f"     load{server.settings.smp}: {start + part - 1} of "
                  f"{count} times", flush=True)
    print(f"     load{server.settings.smp}: {receipts.told()}", flush=True)


def work_is_right(server):
    """the work meanwhile had not one wrong byte"""
    said = server.run("/load/busy stop", timeout=300)
    counts = dict(word.split("=") for word in said.split())
    expect(all(int(count) > 0 for count in counts.values()), said)
    print(f"     load{server.settings.smp}: {said}", flush=True)


def text_is_back(server):
    """all text is as before, the arena empty, the log clean"""
    expect_text_but_sites(server, "after all")
    text_verifies(server)
    arena_is_empty(server)
    expect_equal(server.kernel_trouble(), "", "kernel log")
    expect_equal(server.tool_ok("status")["writes_refused"], 0, "refused")


def sleeper_named(server):
    """a system call that sleeps is named with its task, pid and function"""
    number = FIRST + times(server.settings.smp)
    server.run("us-probe pause > /tmp/pause & echo $! > /tmp/pid; sleep 0.5")
    pid = int(server.run("cat /tmp/pid"))
    error, answer = server.tool(
        f"apply /load/pause/{number}.upatch --deadline 1000 "
        f"--stop-limit {LONGEST}")
    expect_equal(error, "FUNCTION_IN_USE", "apply")
    named = f"__x64_sys_pause in task us-probe, pid {pid} ("
    expect(answer["error"]["detail"].startswith(named), answer)
    log = server.run("underseal-guest log | grep 'in use'")
    for word in ("__x64_sys_pause", str(pid), "us-probe"):
        expect(word in log, f"no {word} in the log: {log}")
    arena_is_empty(server)


def sleeper_leaves(server):
    """when it returns in time the patch is installed"""
    number = FIRST + times(server.settings.smp) + 1
    start = time.monotonic()
    server.run("(sleep 2; kill $(cat /tmp/pid)) > /dev/null 2>&1 &")
    receipt = server.tool_ok(
        f"apply /load/pause/{number}.upatch {PATIENT}",
        timeout=DEADLINE / 1000 + 60)
    expect(receipt["attempts"] > 1, f"{receipt['attempts']} attempt")
    expect(time.monotonic() - start > 1, "it did not wait")
    server.tool_ok(f"revert /load/pause/{number}.revert {PATIENT}")
    arena_is_empty(server)


CHECKS = [boots, seals, cycles, work_is_right, sleeper_named, sleeper_leaves,
          text_is_back]


def suites(kernel, scratch, start_server, tools):
    """(name, checks, how to start the machine) of each machine."""
    def start(cpus):
        path = disk(kernel, scratch, cpus)
        return start_server(kernel, scratch, f"load{cpus}", cpus, mem="2G",
                            extra=tools + bundle_sets.drive(path))()

    return [(f"load{cpus}", CHECKS, lambda cpus=cpus: start(cpus))
            for cpus in cpu_counts()]
