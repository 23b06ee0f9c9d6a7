# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel that lies about its tasks while a patch is installed, in each way that
tests/guest/module/tasks.c knows: the attempt ends, nobody is hurt, and an honest kernel
is patched as ever.
"""
import os
import re

from harness import expect, expect_equal, needed
from load_checks import PATIENT
from server_checks import boots, expect_text, expect_text_but_sites, \
    hidden_range
import bundle_sets
import files

FIRST = 100             # generation
SOON = 5000             # ms, for an attempt with a deadline of 300 ms
# What such an attempt may end with (common/errors.h): OK, FUNCTION_IN_USE, and
# STOP_LENGTH, when looking through the lies would have held all CPUs for too long.
ENDS = (0, 78, 97)
# These claim that the function is in use, or that who uses it cannot be told.
IN_USE = ("list-self", "list-null", "list-hidden", "user-without-name")
SOURCE = "tests/guest/module/tasks.c"


def ways():
    """The names of the lies, in their order."""
    with open(os.path.join(files.ROOT, SOURCE), encoding="ascii") as file:
        table = file.read().split("} ways[] = {")[1]
    return re.findall(r'\{ "([a-z-]+)", \w+ \}', table)


def disk(kernel, scratch):
    """Two bundles for each lie: one that it may install, one for afterwards."""
    folder = os.path.join(scratch, "bundles-tasks")
    bundle_sets.numbered(os.path.join(kernel.guest, "many-2.upatch"), folder,
                         FIRST, 2 * len(ways()))
    return bundle_sets.make_disk(folder + ".img", folder, free_mib=16)


@needed
def seals(server):
    """the kernel is sealed, and its hostile module knows the lies"""
    bundle_sets.mount(server)
    server.tool_ok("seal /data/baseline.ubase")
    server.sealed_text = server.text_bytes()
    server.hidden = hidden_range(server)[0]
    expect_equal(server.attack("tasks_ways").split(), ways(), "lies")


def revert(server, number):
    server.tool_ok(f"revert /load/{number}.revert {PATIENT}")


def honest(server, number):
    """Without a lie the patch is installed, works, and is taken back."""
    server.tool_ok(f"apply /load/{number}.upatch {PATIENT}")
    expect_equal(server.run("us-probe ppid"), "-1", "getppid() when patched")
    revert(server, number)
    status = server.tool_ok("status")
    expect_equal((status["arena"]["used"], status["patches"],
                  status["control"]), (0, 0, "ok"), "status")
    expect_text_but_sites(server, "afterwards")


def lie(index, name):
    def check(server):
        number = FIRST + 2 * index
        fields = server.attack_fields(
            "tasks_lie", index, number, server.hidden,
            server.symbol("__x64_sys_getppid") + 20)
        expect(fields["ms"] < SOON, f"it took {fields['ms']} ms")
        expect(fields["error"] in ENDS, f"error {fields['error']}")
        if name in IN_USE:
            expect(fields["error"] != 0, "the patch was installed")
        if fields["error"] == 0:
            revert(server, number)
        else:
            expect_text_but_sites(server, "after a refusal")
            expect_equal(server.tool_ok("status")["arena"]["used"], 0,
                         "arena")
        honest(server, number + 1)

    check.__doc__ = f"the task list lies: {name}"
    return check


def clean(server):
    """the kernel never complained, and all text is as before"""
    expect_equal(server.kernel_trouble(), "", "kernel log")
    expect_text(server, server.sealed_text, "after all")
    expect_equal(server.tool_ok("status")["writes_refused"], 0, "refused")


CHECKS = [boots, seals, *[lie(index, name)
                          for index, name in enumerate(ways())], clean]


def suites(kernel, scratch, start_server):
    def start():
        path = disk(kernel, scratch)
        return start_server(kernel, scratch, "tasks", 2,
                            extra=bundle_sets.drive(path))()

    return [("tasks", CHECKS, start)]
