# SPDX-License-Identifier: GPL-2.0-or-later
"""Is every sealed byte of the kernel still one that its baseline allows?

Looked at from outside: QEMU copies the ranges of the baseline out of the machine's
memory, and tests/tools/check_text compares them with it. Neither the guest nor the
hypervisor has a part in that.
"""
import json
import os
import subprocess
import time

from harness import expect, expect_equal
import files


def ranges(kernel):
    """(image offset, length) of what the baseline seals."""
    if not hasattr(kernel, "ranges"):
        text = subprocess.run(
            [files.out("underseal"), "inspect", "--json",
             os.path.join(kernel.guest, "baseline.ubase")],
            stdout=subprocess.PIPE, check=True, text=True).stdout
        kernel.ranges = [(part["image_offset"], part["bytes"])
                         for part in json.loads(text)["ranges"]]
    return kernel.ranges


def check_ranges(server):
    """Exit status and output of check_text."""
    server.text_start()
    paths = []
    for number, (offset, length) in enumerate(ranges(server.kernel)):
        paths.append(os.path.join(server.dir, f"range{number}"))
        with open(paths[-1], "wb") as file:
            file.write(server.physical(server.text_physical + offset, length))
    done = subprocess.run(
        [files.out("tests/check_text"),
         os.path.join(server.kernel.guest, "baseline.ubase"),
         hex(server.slide), *paths], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False)
    for path in paths:
        os.unlink(path)
    return done.returncode, done.stdout


def text_verifies(server):
    """Returns the figures that check_text prints."""
    # The kernel may be in the middle of patching itself: an INT3 stands for a
    # moment where the new value will. Some static keys change a second late.
    for _ in range(4):
        status, text = check_ranges(server)
        if status == 0:
            return text
        time.sleep(2)
    raise AssertionError(f"text does not verify ({status}): {text[-1500:]}")


def warnings(server):
    """What the hypervisor's log warns of: the last lines."""
    return server.sh("underseal-guest log | grep warning | tail -n 5")[1]


def nothing_refused(server, before):
    """No write to text was refused since status @before was taken."""
    now = server.tool_ok("status")
    if now["writes_refused"] != before["writes_refused"]:
        raise AssertionError("a write was refused: " + warnings(server))
    return now


def row(check, patches=True):
    """@check uses a feature for real. Around it: with @patches, the kernel did
    patch itself for that; nothing was refused, and all text verifies."""
    def wrapped(server):
        before = server.tool_ok("status")
        try:
            check(server)
        except AssertionError as failure:
            quiet(server)
            raise AssertionError(f"{failure} {warnings(server)}") from None
        after = nothing_refused(server, before)
        if patches:
            expect(after["writes_allowed"] > before["writes_allowed"],
                   "no write was arbitrated")
        expect_equal(server.kernel_trouble(), "", "kernel log")
        text_verifies(server)

    wrapped.__doc__ = check.__doc__
    wrapped.__name__ = check.__name__
    return wrapped


def quiet(server):
    """Tracing off, whatever a failed check has left on."""
    tracing = "/sys/kernel/tracing"
    for command in (f"echo 0 > {tracing}/events/enable",
                    f"echo nop > {tracing}/current_tracer",
                    f"echo > {tracing}/set_ftrace_filter",
                    f"echo > {tracing}/kprobe_events",
                    f"echo 1 > {tracing}/tracing_on"):
        server.sh(command, timeout=300)
