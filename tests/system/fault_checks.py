# SPDX-License-Identifier: GPL-2.0-or-later
"""The control domain dies at each step of an apply and of a revert (underseal-test.efi):
the kernel is then not patched, or patched in both of two functions; the serial line says
which of the two; and the server goes on. Then the server is started anew.
"""
import os
import re

from harness import expect, expect_equal, needed
from load_checks import PATIENT
from server_checks import boots
import bundle_sets
import files

CRASH = 2               # enum us_fault of common/abi.h
FIRST = 100             # generation
HEADER = "common/abi.h"
NOSYS = "-1"
GONE = "CONTROL_UNAVAILABLE"


def steps():
    """(name, number) of enum us_step."""
    with open(os.path.join(files.ROOT, HEADER), encoding="ascii") as file:
        text = file.read()
    return [(name, int(number)) for name, number in
            re.findall(r"US_STEP_([A-Z]+) = (\d+),", text)]


def number_of(name):
    return dict(steps())[name]


def cases():
    """(verb, step's name, its number): all of an apply, and around the commit of a
    revert."""
    for name, number in steps():
        yield "apply", name, number
    for name, number in steps():
        if name in ("STOPPED", "COMMIT", "COMMITTED", "RELEASED"):
            yield "revert", name, number


def disk(kernel, scratch):
    folder = os.path.join(scratch, "bundles-faults")
    bundle_sets.numbered(os.path.join(kernel.guest, "many-2.upatch"), folder,
                         FIRST, 1)
    return bundle_sets.make_disk(folder + ".img", folder, free_mib=16)


def hunks(server):
    """The bytes of both functions that a jump takes the place of."""
    return [server.physical(server.text_physical + server.symbol(name) -
                            server.symbol("_text"), 16)
            for name in ("__x64_sys_getppid", "__x64_sys_getpgrp")]


def ready(server):
    server.sealed_at = server.console_size()
    bundle_sets.mount(server)
    server.tool_ok("seal /data/baseline.ubase")
    server.text_start()
    server.unpatched = hunks(server)


def again(server):
    """Another start of the machine brings everything back."""
    server.forget_boot()
    server.send("reboot -f")
    server.wait_ready()
    expect_equal(server.tool_ok("status")["sealed"], False, "sealed")


def change(server, verb):
    suffix = {"apply": "upatch", "revert": "revert"}[verb]
    return server.tool(f"{verb} /load/{FIRST}.{suffix} {PATIENT}")


def fault(verb, name, number):
    committed = number >= number_of("COMMITTED")
    patched = committed if verb == "apply" else not committed

    def check(server):
        if server.started:
            again(server)
        server.started = True
        ready(server)
        if verb == "revert":
            expect_equal(change(server, "apply")[0], "OK", "apply")
        armed = server.ring("op=0x7f", f"arg={CRASH | number << 8:#x}")
        expect_equal(armed["rax"], "OK", "arming the fault")
        error, answer = change(server, verb)
        expect_equal(error, GONE, f"{verb}: {answer}")
        found = [now != before for now, before in
                 zip(hunks(server), server.unpatched)]
        expect_equal(found, [patched, patched], "functions patched")
        expect_equal(server.run("us-probe ppid") == NOSYS, patched,
                     "getppid() is the new one")
        told(server, verb, committed)
        # No TCP: Linux would patch itself for it, which nobody can allow now.
        line = server.run("us-load 2 2 local", timeout=120)
        expect("errors=0" in line, line)
        expect_equal(server.kernel_trouble(), "", "kernel log")

    check.__doc__ = (f"the control domain dies at step {name} of {verb}: " +
                     ("patched" if patched else "not patched"))
    return check


def told(server, verb, committed):
    """What the serial line says was the last change."""
    match = server.wait_console(r"last change: ([^\r\n]*)", timeout=10,
                                start=server.sealed_at)
    last = match.group(1)
    done = verb if committed else "apply" if verb == "revert" else None
    if done:
        expect(last.startswith(f"{done} many-2 "), f"last change: {last}")
    else:
        expect("many-2" not in last, f"last change: {last}")


@needed
def starts(server):
    """the machine with a control domain that can be told to die"""
    boots(server)
    server.started = False


CHECKS = [starts, *[fault(*case) for case in cases()]]


def suites(kernel, scratch, start_server):
    def start():
        path = disk(kernel, scratch)
        return start_server(kernel, scratch, "step-deaths", 2,
                            loader="underseal-test.efi",
                            extra=bundle_sets.drive(path))()

    return [("step-deaths", CHECKS, start)]
