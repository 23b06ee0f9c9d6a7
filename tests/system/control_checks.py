# SPDX-License-Identifier: GPL-2.0-or-later
"""A control domain that fails: the guest goes on, what is sealed stays sealed.

These run underseal-test.efi, whose control domain breaks itself when told to.
"""
from harness import expect, expect_equal, needed
from server_checks import OLD, boots, expect_text, interrupts, seals

FAULT = {"hangs": 1, "crashes": 2, "hangs while all CPUs are held": 3}
STATE = {"hangs": "hung", "crashes": "crashed",
         "hangs while all CPUs are held": "hung"}


@needed
def patched(server):
    """a patch is in place before the fault"""
    server.tool_ok("apply /data/version.upatch")
    server.sealed_text = server.text_bytes()


def fault(how):
    def check(server):
        answer = server.ring("op=0x7f", f"arg={FAULT[how]}")
        expect_equal(answer["rax"], "CONTROL_UNAVAILABLE", "answer")
        expect_equal(server.run("echo alive"), "alive", "guest")

    check.__doc__ = f"the control domain {how}: the guest goes on"
    return needed(check)


def reported(how):
    def check(server):
        server.wait_console("control domain", timeout=5)
        for command in ("apply /data/pause.upatch",
                        "revert /data/version.revert", "list"):
            error, _ = server.tool(command)
            expect_equal(error, "CONTROL_UNAVAILABLE", command)
        error, status = server.tool("status")
        expect(error == "CONTROL_UNAVAILABLE" or
               status["control"] == STATE[how], f"{error} {status}")

    check.__doc__ = "requests are refused from then on"
    return check


def still_sealed(server):
    """sealed text stays sealed, and the patch in force"""
    address = server.symbol("cmdline_proc_show") + 20
    for way in ("text_alias", "text_wp", "text_pte", "text_direct"):
        fields = server.attack_fields(way, address)
        expect_equal(fields["changed"], 0, f"{way}: changed")
    expect(OLD in server.run("cat /proc/version"), "the patch is gone")
    expect_text(server, server.sealed_text, "after attacks")


def works_on(server):
    """the guest works on without a wrong byte"""
    # No TCP: it makes Linux switch jump labels, which now nobody can allow.
    line = server.run("us-load 5 2 local", timeout=120)
    expect("errors=0" in line, line)
    expect_equal(server.kernel_trouble(), "", "kernel log")


def checks(how):
    return [boots, seals, patched, fault(how), reported(how), still_sealed,
            interrupts, works_on]
