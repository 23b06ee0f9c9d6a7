# SPDX-License-Identifier: GPL-2.0-or-later
"""The mapping of sealed pages, changed from ring 0: noticed, and then what the policy
of the baseline says (control/POLICY.md).
"""
import re
import time

from harness import ATTACK, expect, expect_equal, needed
import machine
from server_checks import OLD, boots, expect_text_but_sites

SECONDS = 1.0       # within which a change has to be noticed
PATIENCE = 5.0      # on a busy host
POLICY_BYTE = 287   # us_baseline_header.policy[US_POLICY_MAPPING]
VALUES = {"report": 0, "halt": 2}
WRITABLE, NO_EXECUTE = 1 << 1, 1 << 63


def mapping(server):
    return server.tool_ok("status")["mapping"]


def seals(policy):
    def check(server):
        server.policy = policy
        if policy == "repair":      # the default
            server.tool_ok("seal /data/baseline.ubase")
        else:
            server.run("cp /data/baseline.ubase /tmp/other.ubase && "
                       f"printf '\\{VALUES[policy]}' | "
                       f"dd of=/tmp/other.ubase bs=1 seek={POLICY_BYTE} "
                       "conv=notrunc 2> /dev/null")
            server.tool_ok("seal /tmp/other.ubase --signature "
                           f"/data/mapping-{policy}.minisig")
            server.run("rm /tmp/other.ubase")
        status = server.tool_ok("status")
        expect_equal(status["policy"]["mapping"], policy, "policy")
        expect_equal(status["pinned_vcpus"], server.settings.smp, "pinned")
        server.sealed_text = server.text_bytes()

    check.__doc__ = "the kernel is sealed, registers are pinned, audits begin"
    return needed(check)


def nothing_to_report(server):
    """a server at work is audited once a second and has nothing to report"""
    server.attack("physical", server.symbol("_text"))   # loads a module
    before = mapping(server)
    start = time.monotonic()
    server.run("us-load 4 2 local", timeout=120)
    after = mapping(server)
    seconds = int(time.monotonic() - start)
    expect_equal(after["changes"], 0, "changes")
    expect(after["audits"] - before["audits"] >= seconds - 1,
           f"{after['audits'] - before['audits']} audits in {seconds} s")


def wait_for_change(server, known):
    """Seconds until the audit counts more changes than @known."""
    start = time.monotonic()
    while True:
        now = mapping(server)
        passed = time.monotonic() - start
        if now["changes"] > known["changes"]:
            return passed, now
        expect(passed < PATIENCE, f"not noticed within {passed:.1f} s")
        time.sleep(0.1)


def last_line(server, address):
    """What the log says about the page at @address, last."""
    entries = server.tool_ok("log")["entries"]
    lines = [entry["text"] for entry in entries
             if entry["text"].startswith(f"mapping of {address:x} ")]
    expect(lines, f"no line about {address:#x} in the log")
    return lines[-1]


def named(server, command, address):
    """The page that is named: the first one that the entry maps."""
    large = server.attack("mapping", address).endswith("level=2")
    if large and command != "map_copy":
        return address & ~0x1fffff
    return address & ~0xfff


def noticed(server, command, address, *more):
    """Attack, and what became of it: (log line, seconds)."""
    known = mapping(server)
    page = named(server, command, address)
    answer = server.attack(command, address, *more)
    expect("level=" in answer, f"{command}: {answer}")
    seconds, now = wait_for_change(server, known)
    expect_equal(int(now["address"], 16), page, f"{command}: address")
    line = last_line(server, page)
    print(f"     {command}: noticed after {seconds:.2f} s: {line}", flush=True)
    return line, seconds


def attacks(server):
    """(command, address, further numbers)"""
    text = server.symbol("version_proc_show")
    constants = server.symbol("sys_call_table")
    return [
        ("map_copy", text),
        ("map_copy", server.symbol("_etext") - 1),
        ("map_copy", constants),
        ("map_copy", server.attack_fields("idt_base")["base"]),
        ("map_copy", server.symbol("idt_table")),
        ("map_large", text),
        ("map_flags", constants, WRITABLE, 0),
        ("map_flags", constants, 0, NO_EXECUTE),
    ]


def repaired(server):
    """each changed entry is noticed within about a second and written back"""
    slow = []
    for command, address, *more in attacks(server):
        before = server.attack("mapping", address)
        line, seconds = noticed(server, command, address, *more)
        expect("repaired" in line, line)
        after = server.attack("mapping", address)
        expect_equal(plain(after), plain(before), f"{command}: entry")
        kept = server.attack_fields("map_back")["kept"]
        expect_equal(kept, 0, f"{command}: change kept")
        if seconds > SECONDS + 0.5:
            slow.append(seconds)
    expect(len(slow) <= 2, f"slow: {slow}")
    expect_text_but_sites(server, "after repairs")


def plain(answer):
    """A `mapping` answer without accessed and dirty bits."""
    entry, level = re.match(r"(0x[0-9a-f]+) (level=\d)", answer).groups()
    return f"{int(entry, 16) & ~0x60:#x} {level}"


def another_space(server):
    """a process that maps a copy for itself is found in the next stop"""
    address = server.symbol("version_proc_show")
    server.attack("physical", address)
    known = mapping(server)
    server.run(f"(echo map_own {address:#x} 3000 > {ATTACK}; "
               f"cat {ATTACK}) > /tmp/own 2>&1 & sleep 1")
    error, answer = server.tool("apply /data/version.upatch")
    if server.policy == "report":
        expect_equal(error, "MAPPING_CHANGED", "apply")
    else:
        expect_equal(error, "OK", f"apply: {answer}")
    kept = server.run("while [ ! -s /tmp/own ]; do sleep 1; done; "
                      "cat /tmp/own")
    expect_equal(kept, "kept=1" if server.policy == "report" else "kept=0",
                 "what the process found")
    expect(mapping(server)["changes"] > known["changes"], "not counted")


def patch_works(server):
    """a patch goes in and out, with its arena's mapping audited as well"""
    if OLD not in server.run("cat /proc/version"):
        server.tool_ok("apply /data/version.upatch")
    expect(OLD in server.run("cat /proc/version"), "no effect")
    time.sleep(2)
    server.tool_ok("revert /data/version.revert")
    expect_text_but_sites(server, "after revert")


def constants_stay(server):
    """constants and the IDT cannot be written, by any alias"""
    places = {name: server.symbol(name) for name in
              ("sys_call_table", "idt_table", "__start___ex_table")}
    for name, address in places.items():
        for way in ("text_alias", "text_wp", "text_direct"):
            fields = server.attack_fields(way, address)
            expect_equal(fields["changed"], 0, f"{name} by {way}: changed")


def reported(server):
    """a changed mapping is reported, and nothing is patched meanwhile"""
    for command, address, *more in attacks(server):
        line, _ = noticed(server, command, address, *more)
        expect("changed" in line, line)
        changes = mapping(server)["changes"]
        error, answer = server.tool("apply /data/version.upatch")
        expect_equal(error, "MAPPING_CHANGED", f"apply: {answer}")
        time.sleep(2)
        expect_equal(mapping(server)["changes"], changes, "told again")
        kept = server.attack_fields("map_back")["kept"]
        expect_equal(kept, 1, f"{command}: change kept")
        server.run("sleep 1.5")
    server.tool_ok("apply /data/version.upatch")
    server.tool_ok("revert /data/version.revert")


def works_on(server):
    """the guest works on"""
    line = server.run("us-load 5 2 local", timeout=120)
    expect("errors=0" in line, line)
    expect_equal(server.kernel_trouble(), "", "kernel log")


def halts(server):
    """a changed mapping halts the machine, which says so"""
    address = server.symbol("version_proc_show")
    server.attack("physical", address)
    server.send(f"echo map_copy {address:#x} > {ATTACK}; sleep 3")
    server.wait_console("the mapping of sealed pages was changed", timeout=15)
    try:
        server.sh("true", timeout=10)
    except machine.MachineError:
        return
    raise AssertionError("the guest still runs")


def ticks_by_interrupts(server):
    """without an HPET the guest's interrupts make it time for a look"""
    entries = server.tool_ok("log")["entries"]
    lines = [entry["text"] for entry in entries
             if entry["text"].startswith("mappings are looked at")]
    expect_equal(lines, ["mappings are looked at once a second, by interrupts"], "log")
    # An idle CPU takes few.
    start = mapping(server)["audits"]
    time.sleep(5)
    expect(mapping(server)["audits"] > start, "an idle server's audits")


CHECKS = {
    "repair": [nothing_to_report, constants_stay, repaired, another_space,
               patch_works, works_on],
    "report": [another_space, reported, works_on],
    "halt": [nothing_to_report, halts],
}


# The same on a machine that has no HPET.
WITHOUT_HPET = [boots, seals("repair"), ticks_by_interrupts, nothing_to_report,
                repaired, works_on]


def checks(policy):
    return [boots, seals(policy), *CHECKS[policy]]
