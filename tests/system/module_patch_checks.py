# SPDX-License-Identifier: GPL-2.0-or-later
"""A bundle for a module: made from two builds of it, installed, taken along when the
module goes, brought back, taken back."""
from harness import expect, expect_equal, needed

P = "/data/patched"
NAME = "us_patched"
ANSWER = f"/sys/module/{NAME}/parameters/answer"
FAULTY, FIXED = "faulty 1040", "fixed 40 of 40"


def answer(server):
    return server.run(f"cat {ANSWER}").strip()


def seal(server):
    report = server.tool_ok(f"seal-module {NAME} {P}/{NAME}.umod")
    expect_equal(report["state"], "verified", "state")


def load(server):
    server.run(f"insmod {P}/{NAME}.ko")


def apply(server):
    return server.tool(f"apply {P}/answer.upatch")


def installed(server):
    return [(patch["name"], patch["module"])
            for patch in server.tool_ok("list")["patches"]]


@needed
def seals(server):
    """the kernel is sealed, and a module with a fault"""
    server.tool_ok("seal /data/baseline.ubase")
    expect_equal(apply(server)[0], "MODULE_NOT_SEALED", "not loaded")
    load(server)
    expect_equal(apply(server)[0], "MODULE_NOT_SEALED", "not sealed")
    seal(server)
    expect_equal(answer(server), FAULTY, "the module's answer")


@needed
def applied(server):
    """a bundle for the module changes what it does"""
    error, receipt = apply(server)
    expect_equal(error, "OK", str(receipt))
    expect_equal(receipt["module"], NAME, "module of the receipt")
    expect_equal(answer(server), FIXED, "the module's answer")
    server.run(f"echo 7 > /sys/module/{NAME}/parameters/limit")
    expect_equal(answer(server), "fixed 7 of 7", "with its data changed")
    expect_equal(installed(server), [("answer", NAME)], "list")
    expect_equal(apply(server)[0], "OLD_GENERATION", "again")


def beside_the_kernel(server):
    """patches of the kernel have generations of their own"""
    server.tool_ok("apply /data/version.upatch")
    expect_equal(installed(server), [("answer", NAME), ("version", None)],
                 "list")
    server.tool_ok("revert /data/version.revert")


def unloaded(server):
    """the patch goes with the module, and comes back with it"""
    for _ in range(3):
        server.run(f"rmmod {NAME}")
        expect_equal(installed(server), [], "list")
        for _ in range(10):
            if server.tool_ok("status")["arena"]["used"] == 0:
                break
            server.run("sleep 1")
        expect_equal(server.tool_ok("status")["arena"]["used"], 0, "arena")
        load(server)
        seal(server)
        expect_equal(answer(server), FAULTY, "before the bundle is back")
        expect_equal(apply(server)[0], "OK", "the bundle comes back")
        expect_equal(answer(server), FIXED, "the module's answer")
    expect("patch dropped with its module" in str(server.tool_ok("log")),
           "no word in the log")


def by_agent(server):
    """the agent brings the patch back with the module"""
    server.run(f"rmmod {NAME}")
    load(server)
    agent = f"underseal-agent --baselines /data --modules {P} --patches {P}"
    server.run(f"{agent} --once > /tmp/agent.log 2>&1; true")
    log = server.run("cat /tmp/agent.log")
    expect_equal(answer(server), FIXED, log)
    server.run(f"rmmod {NAME}")
    server.run(f"{agent} --interval 1 > /tmp/agent.log 2>&1 & sleep 3")
    load(server)
    for _ in range(20):
        if answer(server) == FIXED:
            break
        server.run("sleep 1")
    log = server.run("cat /tmp/agent.log; killall underseal-agent; true")
    expect_equal(answer(server), FIXED, log)


def reverted(server):
    """a bundle that was taken back stays away, whatever the module does"""
    server.tool_ok(f"revert {P}/answer.revert")
    expect_equal(answer(server), FAULTY, "the module's answer")
    server.run(f"rmmod {NAME}")
    load(server)
    seal(server)
    expect_equal(apply(server)[0], "OLD_GENERATION", "answer")
    expect_equal(answer(server), FAULTY, "the module's answer")


def clean(server):
    """the kernel never complained"""
    expect_equal(server.kernel_trouble(), "", "kernel log")
    expect_equal(server.tool_ok("status")["writes_refused"], 0, "refused")


CHECKS = [seals, applied, beside_the_kernel, unloaded, by_agent, reverted,
          clean]
