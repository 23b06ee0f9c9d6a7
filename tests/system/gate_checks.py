# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that wait at the gate for their bundle; patches whose health nobody confirms; a
kernel that panics with a patch installed.

What the agent does when a module is being loaded, a loop of shell does in CHECKS; in
AGENT it is the agent.
"""
import re
import time

from harness import expect, expect_equal, needed

G = "/data/gate"
P = "/data/patched"
NAME = "us_patched"
ANSWER = f"/sys/module/{NAME}/parameters/answer"
BORN = f"/sys/module/{NAME}/parameters/born"
FIXED = "fixed 40 of 40"

# Seals a module that is being loaded and hands its bundle over, as often as it comes.
CARRIER = (f"while [ -e /tmp/carry ]; do "
           f"if grep -q '^{NAME} .* Loading ' /proc/modules && "
           f"underseal-guest seal-module {NAME} {P}/{NAME}.umod; "
           f"then underseal-guest apply {P}/answer.upatch; fi; "
           f"usleep 50000; done")


def carry(server, on):
    if on:
        server.run("touch /tmp/carry")
        server.run(f"( {CARRIER} ) > /tmp/carrier.log 2>&1 &")
    else:
        server.run("rm -f /tmp/carry")


def patches(server):
    return {patch["name"]: patch
            for patch in server.tool_ok("list")["patches"]}


def log(server):
    return [entry["text"] for entry in server.tool_ok("log")["entries"]]


def logged(server, text):
    return any(text in line for line in log(server))


def wait_for(what, name, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        expect(time.monotonic() < end, f"{name}: not in {seconds} s")
        time.sleep(0.5)


@needed
def gate(server):
    """the gate is installed, and modules that nobody waits for load at once"""
    server.tool_ok("seal /data/baseline.ubase")
    server.tool_ok(f"apply {G}/gate.upatch")
    server.run(f"insmod {P}/{NAME}.ko")
    expect_equal(server.run(f"cat {BORN}").strip(), "faulty", "unpatched")
    server.run(f"rmmod {NAME}")
    server.run("modprobe dummy && rmmod dummy")
    expect(not logged(server, "MODULE_WAITS"), "somebody waited")


@needed
def refused(server):
    """an awaited module without its bundle is not loaded, and leaves nothing"""
    awaited = server.tool_ok(f"await {P}/answer.upatch")
    expect_equal(awaited["state"], "awaited", "state")
    expect_equal(patches(server)["answer"], awaited, "list")
    expect_equal(server.tool_ok("status")["patches"], 1, "installed")
    start = time.monotonic()
    status, text = server.sh(f"insmod {P}/{NAME}.ko", 180)
    expect(status, "the module was loaded")
    expect("temporarily unavailable" in text, text)
    expect(time.monotonic() - start > 5, "it did not wait")
    server.run(f"! grep {NAME} /proc/modules && ! ls -d /sys/module/{NAME}")
    expect(logged(server, f"MODULE_WAITS 1 0 {NAME}"), "no word in the log")
    waits = [line for line in log(server) if "MODULE_WAITS" in line]
    expect_equal(len(waits), 1, "lines about it")
    server.run("modprobe dummy && rmmod dummy")


@needed
def first_code(server):
    """with it, the first code of the module that runs is patched"""
    carry(server, True)
    server.run(f"insmod {P}/{NAME}.ko", 180)
    expect_equal(server.run(f"cat {BORN}").strip(), "fixed",
                 server.run("cat /tmp/carrier.log"))
    expect_equal(server.run(f"cat {ANSWER}").strip(), FIXED, "its answer")
    expect_equal(patches(server)["answer"]["module"], NAME, "list")
    state = [module["state"] for module in server.tool_ok("modules")["modules"]
             if module["name"] == NAME]
    expect_equal(state, ["verified"], "the module's state")


def again(server):
    """each time that it is loaded"""
    for turn in range(8):
        server.run(f"rmmod {NAME}")
        server.run(f"insmod {P}/{NAME}.ko", 180)
        expect_equal(server.run(f"cat {BORN}").strip(), "fixed",
                     f"turn {turn}")


def races(server):
    """two load it at once while another unloads it, and others come and go"""
    loads = (f"i=0; while [ $i -lt 6 ]; do insmod {P}/{NAME}.ko; "
             f"i=$((i + 1)); done")
    unloads = (f"i=0; while [ $i -lt 12 ]; do "
               f"grep -q faulty {BORN} && echo > /tmp/faulty; "
               f"rmmod {NAME}; modprobe dummy; rmmod dummy; usleep 300000; "
               f"i=$((i + 1)); done")
    server.run(f"( {loads} ) & ( {loads} ) & ( {unloads} ) & wait", 600)
    server.sh(f"rmmod {NAME}")
    server.run(f"insmod {P}/{NAME}.ko", 180)
    expect_equal(server.run(f"cat {BORN}").strip(), "fixed", "the last one")
    expect_equal(server.sh("ls /tmp/faulty")[0], 1, "one ran unpatched")


def stopped(server):
    """without a carrier it is refused again, and a revert lets it through"""
    carry(server, False)
    server.run(f"rmmod {NAME}")
    status, _ = server.sh(f"insmod {P}/{NAME}.ko", 180)
    expect(status, "the module was loaded")
    carry(server, True)
    server.run(f"insmod {P}/{NAME}.ko", 180)
    carry(server, False)
    server.tool_ok(f"revert {P}/answer.revert")
    server.run(f"rmmod {NAME}; insmod {P}/{NAME}.ko", 180)
    expect_equal(server.run(f"cat {BORN}").strip(), "faulty", "taken back")
    server.run(f"rmmod {NAME}")


def cancelled(server):
    """a module that waits is let through when nobody awaits its bundle any more"""
    server.tool_ok(f"await {P}/second.upatch")
    expect_equal(patches(server)["second"]["state"], "awaited", "state")
    server.run(f"( insmod {P}/{NAME}.ko; echo $? > /tmp/loaded ) "
               "> /dev/null 2>&1 &")
    wait_for(lambda: logged(server, f"MODULE_WAITS 2 0 {NAME}"), "it waits")
    expect("awaited no more: second, generation 2" in
           server.run(f"underseal-guest revert {P}/second.revert"), "answer")
    wait_for(lambda: server.sh("cat /tmp/loaded") == (0, "0"), "loaded")
    expect_equal(server.run(f"cat {BORN}").strip(), "faulty", "unpatched")
    expect("second" not in patches(server), "listed")
    expect(logged(server, "not awaited any more, not installed: second in "
                          f"module {NAME} generation 2"), "no word in the log")
    for command in ("await", "apply"):
        expect_equal(server.tool(f"{command} {P}/second.upatch")[0],
                     "TAKEN_BACK", command)
    server.run(f"rmmod {NAME}")


def clean(server):
    """the kernel never complained, and the gate can be taken away"""
    server.tool_ok(f"revert {G}/gate.revert")
    expect_equal(server.kernel_trouble(), "", "kernel log")
    expect_equal(server.tool_ok("status")["writes_refused"], 0, "refused")


CHECKS = [gate, refused, first_code, again, races, stopped, cancelled, clean]


STORE = "/tmp/store"
REPORT = "/tmp/report"


def start_agent(server):
    server.run(f"( JOURNAL_STREAM=1 underseal-agent --baselines=/data "
               f"--patches={STORE} --modules={P} ) > {REPORT} 2>&1 &")


def reported(server, text):
    wait_for(lambda: text in server.run(f"cat {REPORT}"), text)


def states(server):
    return {name: patch["state"] for name, patch in patches(server).items()}


@needed
def agent_prepares(server):
    """the agent seals, installs the gate and has the module's bundle awaited"""
    server.run(f"mkdir {STORE} && cp {G}/gate.up* {P}/answer.up* {STORE}")
    folder = f"/lib/modules/{server.kernel.release}"
    server.run(f"cp {P}/{NAME}.ko {folder} && depmod")
    start_agent(server)
    reported(server, f"answer, generation 1, waits for module {NAME}")
    expect_equal(states(server), {"gate": "active", "answer": "awaited"},
                 "list")


@needed
def agent_patches(server):
    """then modprobe runs none of the module's code before the agent has patched it"""
    for turn in range(4):
        server.run(f"modprobe {NAME}", 180)
        expect_equal(server.run(f"cat {BORN} {ANSWER}"), f"fixed\n{FIXED}",
                     f"turn {turn}: " + server.run(f"cat {REPORT}"))
        expect_equal(states(server), {"gate": "active", "answer": "active"},
                     "list")
        server.run("modprobe dummy && modprobe -r dummy")
        if turn < 3:
            server.run(f"modprobe -r {NAME}")
    expect(logged(server, f"MODULE_WAITS 1 0 {NAME}"), "it never waited")


def agent_keeps_up(server):
    """also when it is gone and back before the agent has looked again"""
    turn = (f"modprobe -r {NAME} && modprobe {NAME} && "
            f"test $(cat {BORN}) = fixed")
    server.run("; ".join([turn + " || exit 1"] * 10), 300)


def agent_restarts(server):
    """also after the agent was started anew while the module was patched"""
    server.run("killall underseal-agent; sleep 1; true")
    start_agent(server)
    reported(server, "MODULE_WAITS")
    server.run(f"modprobe -r {NAME} && modprobe {NAME}", 180)
    expect_equal(server.run(f"cat {BORN} {ANSWER}"), f"fixed\n{FIXED}",
                 server.run(f"cat {REPORT}"))
    # The agent's own words: those of the log have its numbers.
    expect_equal(server.run(f"grep '^<[0-4]>[^[]' {REPORT}; true"), "",
                 "complaints")
    expect_equal(server.kernel_trouble(), "", "kernel log")
    expect_equal(server.tool_ok("status")["writes_refused"], 0, "refused")


AGENT = [agent_prepares, agent_patches, agent_keeps_up, agent_restarts]


@needed
def sealed(server):
    """the kernel is sealed"""
    server.tool_ok("seal /data/baseline.ubase")


@needed
def not_confirmed(server):
    """a patch whose health nobody confirms is taken back; log and serial say so"""
    before = server.run("cat /proc/version")
    server.tool_ok(f"apply {G}/hasty1.upatch")
    expect_equal(patches(server)["hasty1"]["state"], "probation", "state")
    expect(server.run("cat /proc/version") != before, "no effect")
    wait_for(lambda: "hasty1" not in patches(server), "taken back")
    expect_equal(server.run("cat /proc/version"), before, "what it says")
    expect(logged(server, "no word of health in 10 s: taking back hasty1"),
           "no word in the log")
    expect(logged(server, "taken back: hasty1 generation 101"), "no word")
    expect("underseal: taken back: hasty1 generation 101" in server.console(),
           "no word on the serial line")


def confirmed_stays(server):
    """one that is confirmed stays"""
    receipt = server.tool_ok(f"apply {G}/hasty2.upatch")
    server.tool_ok(f"health {receipt['bundle_id']}")
    expect_equal(patches(server)["hasty2"]["state"], "active", "state")
    time.sleep(13)
    expect_equal(patches(server)["hasty2"]["state"], "active", "state")


def panicked(server):
    """a panic is reported on the serial line, with the patch"""
    server.run("echo 0 > /proc/sys/kernel/panic; "
               "( sleep 1; echo c > /proc/sysrq-trigger ) &")
    wait_for(lambda: "the kernel panicked with hasty2" in server.console(),
             "the report")
    expect(re.search(r"underseal: the kernel panicked on CPU \d+, patches "
                     r"installed: 1", server.console()), "no first line")


PROBATION = [sealed, not_confirmed, confirmed_stays, panicked]


def resets_at_once(how, title):
    """panic=-1: there is no second in which a tick could come."""
    def check(server):
        sealed(server)
        server.tool_ok("apply /data/version.upatch")
        start = server.console_size()
        server.forget_boot()
        server.send(f"echo {how} > /sys/kernel/reboot/type; "
                    "echo -1 > /proc/sys/kernel/panic; "
                    "echo c > /proc/sysrq-trigger")
        server.wait_ready()
        text = server.console(start)
        expect(re.search(r"underseal: the kernel panicked on CPU \d+, patches "
                         r"installed: 1\s+underseal: the kernel panicked with "
                         r"version generation 1\s", text), text)
        expect_equal(text.count("the kernel panicked on CPU"), 1, "told")

    check.__doc__ = f"a panic that resets at once is reported before: {title}"
    return check


def dead_domain_resets(server):
    """a control domain that has died keeps nobody from resetting"""
    sealed(server)
    server.ring("op=0x7f", "arg=2")
    expect_equal(server.tool("status")[0], "CONTROL_UNAVAILABLE", "status")
    start = server.console_size()
    server.forget_boot()
    server.send("echo -1 > /proc/sys/kernel/panic; "
                "echo c > /proc/sysrq-trigger")
    server.wait_ready()
    expect("the kernel panicked" not in server.console(start), "who said so?")


# With Debian's kernel "acpi" is what happens by itself.
RESETS = [resets_at_once("acpi", "by ACPI"),
          resets_at_once("triple", "by a triple fault"), dead_domain_resets]
