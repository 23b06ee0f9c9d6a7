# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules of a sealed kernel: verified, sealed, used, unloaded, attacked."""
import re

from harness import expect, expect_equal, needed

T = "/sys/kernel/tracing"
M = "/data/modules"
# In the order in which they need each other.
CHAIN = ["libcrc32c", "nfnetlink", "nf_tables"]


def loaded(server):
    """Names and text addresses of loaded modules."""
    return {name: int(address, 16) for name, address in re.findall(
        r"(?m)^(\S+) .* 0x([0-9a-f]+)", server.run("cat /proc/modules"))}


def load(server, names):
    for name in names:
        server.run(f"insmod {M}/{name}.ko")


def unload(server, names):
    for name in names:
        server.run(f"rmmod {name}")


def seal(server, name):
    return server.tool_ok(f"seal-module {name} {M}/{name}.umod")


def states(server):
    return {entry["name"]: (entry["state"], entry["error"])
            for entry in server.tool_ok("modules")["modules"]}


def refused(server):
    return server.tool_ok("status")["writes_refused"]


def trace(server, name):
    """Switch all of a module's function entries to the tracer and back."""
    server.run(f"mount -t tracefs tracefs {T} 2>/dev/null; "
               f"echo ':mod:{name}' > {T}/set_ftrace_filter && "
               f"echo function > {T}/current_tracer && "
               f"echo nop > {T}/current_tracer && echo > {T}/set_ftrace_filter",
               300)


@needed
def seals(server):
    """the kernel is sealed"""
    server.tool_ok("seal /data/baseline.ubase")


def before_seal(server):
    """no module can be sealed in a kernel that is not"""
    load(server, CHAIN[:1])
    expect_equal(server.tool(f"seal-module {CHAIN[0]} {M}/{CHAIN[0]}.umod")[0],
                 "NOT_SEALED", "answer")
    unload(server, CHAIN[:1])


@needed
def verified(server):
    """modules are verified and sealed, each after what it calls"""
    load(server, CHAIN)
    expect_equal(server.tool(f"seal-module nf_tables {M}/nf_tables.umod")[0],
                 "MODULE_DEPENDS", "before the modules that it calls")
    expect_equal(states(server), {"nf_tables": ("unprotected",
                                                "MODULE_DEPENDS")}, "modules")
    for name in CHAIN:
        report = seal(server, name)
        expect_equal(report["state"], "verified", name)
        expect_equal(report["bytes_masked"], 0, f"{name}: masked")
        expect(report["bytes_exact"] > 10 * report["bytes_enumerated"] > 0,
               f"{name}: {report}")
        expect_equal(report["text"]["address"], hex(loaded(server)[name]), name)
    expect_equal(server.tool(f"seal-module nf_tables {M}/nf_tables.umod")[0],
                 "MODULE_SEALED", "again")
    expect_equal(server.tool_ok("status")["modules"]["sealed"], 3, "sealed")


def traced(server):
    """functions of a sealed module are traced, and nothing is refused"""
    before = refused(server)
    trace(server, "nf_tables")
    expect_equal(refused(server), before, "refused writes")


def attacked(server):
    """writes to a sealed module are refused, by each way to its frames"""
    text = loaded(server)["nf_tables"]
    for number, command in enumerate(("text_alias", "text_pte", "text_wp")):
        before = refused(server)
        fields = server.attack_fields(command, text + 0x1003 + number)
        expect_equal(fields["changed"], 0, command)
        # CR0.WP is pinned: that one does not get as far as writing.
        expect(command == "text_wp" or refused(server) > before,
               f"{command}: not counted")
    expect_equal(states(server)["nf_tables"], ("verified", None), "nf_tables")


def unloaded(server):
    """a module that goes leaves nothing behind; it comes back, and is sealed again"""
    for _ in range(3):
        unload(server, ["nf_tables"])
        # The frames are somebody else's now.
        server.run("dd if=/dev/zero of=/tmp/fill bs=1M count=100 2>/dev/null; "
                   "rm /tmp/fill")
        expect_equal(sorted(states(server)), ["libcrc32c", "nfnetlink"],
                     "modules that are known")
        load(server, ["nf_tables"])
        expect_equal(seal(server, "nf_tables")["state"], "verified", "state")
    expect("module gone" in str(server.tool_ok("log")), "no word in the log")
    expect_equal(server.kernel_trouble(), "", "kernel log")


def reused(server):
    """memory of unloaded modules is used by others at once"""
    for _ in range(4):
        unload(server, reversed(CHAIN))
        # Of another size: it does not fit in the old places.
        server.attack("physical", server.symbol("_text"))
        load(server, CHAIN[:1])
        server.run("rmmod us_attack")
        server.attack_loaded = False
        load(server, CHAIN[1:])
        for name in CHAIN:
            seal(server, name)
    expect_equal(server.kernel_trouble(), "", "kernel log")
    expect_equal(server.tool_ok("status")["mapping"]["changes"], 0,
                 "reports of the audit")


def altered(server):
    """a module with one byte changed is refused, and stays as it is"""
    unload(server, ["nf_tables"])
    load(server, ["nf_tables"])
    place = loaded(server)["nf_tables"] + 0x2345
    was = server.attack_fields("text_poke", place, 0x90)["was"]
    if was == 0x90:
        was = server.attack_fields("text_poke", place, 0x91)["was"]
    error, answer = server.tool(f"seal-module nf_tables {M}/nf_tables.umod")
    expect_equal(error, "MODULE_TEXT", str(answer))
    expect_equal(states(server)["nf_tables"], ("unprotected", "MODULE_TEXT"),
                 "nf_tables")
    server.attack_fields("text_poke", place, was)
    expect_equal(seal(server, "nf_tables")["state"], "verified", "mended")


def not_loaded(server):
    """a baseline of a module that is not loaded is refused"""
    unload(server, ["nf_tables"])
    expect_equal(server.tool(f"seal-module nf_tables {M}/nf_tables.umod")[0],
                 "MODULE_NOT_FOUND", "answer")
    load(server, ["nf_tables"])


def without_baseline(server):
    """the policy leaves a module without a baseline open, and the list says so"""
    expect_equal(server.tool("seal-module nf_tables")[0], "MODULE_POLICY",
                 "answer")
    expect_equal(states(server)["nf_tables"], ("unprotected", "MODULE_POLICY"),
                 "nf_tables")


def bad_files(server):
    """damaged, unsigned and foreign module baselines are refused"""
    server.run(f"cp {M}/nf_tables.umod* /tmp/ && head -c 5000 "
               "/tmp/nf_tables.umod > /tmp/short.umod && cp "
               "/tmp/nf_tables.umod.minisig /tmp/short.umod.minisig && "
               "cp /tmp/nf_tables.umod /tmp/unsigned.umod")
    for name, wanted in (("short", "SIG_INVALID"), ("unsigned", "SIG_MISSING")):
        expect_equal(server.tool(f"seal-module nf_tables /tmp/{name}.umod")[0],
                     wanted, name)
    expect_equal(server.tool("seal-module nf_tables /data/baseline.ubase")[0],
                 "BASELINE_MAGIC", "a kernel's baseline")


def by_agent(server):
    """the agent seals what is loaded, and what comes later"""
    server.run(f"underseal-agent --once --baselines /data --modules {M} "
               "> /tmp/agent.log 2>&1; true")
    log = server.run("cat /tmp/agent.log")
    expect_equal(states(server)["nf_tables"], ("verified", None), log)
    unload(server, ["nf_tables"])
    server.run(f"underseal-agent --baselines /data --modules {M} --interval 1 "
               "> /tmp/agent.log 2>&1 & sleep 3")
    load(server, ["nf_tables"])
    for _ in range(30):
        if states(server).get("nf_tables") == ("verified", None):
            break
        server.run("sleep 1")
    log = server.run("cat /tmp/agent.log")
    server.run("killall underseal-agent; true")
    expect_equal(states(server).get("nf_tables"), ("verified", None), log)
    expect("sealed module nf_tables" in log, log)


def clean(server):
    """the kernel never complained"""
    expect_equal(server.kernel_trouble(), "", "kernel log")


CHECKS = [before_seal, seals, verified, traced, attacked, unloaded, reused, altered,
          not_loaded, without_baseline, bad_files, by_agent, clean]
