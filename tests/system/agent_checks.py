# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent in a running server: sealing, stored bundles, the log, failures."""
import re
import subprocess
import time

import files
from harness import expect, expect_equal, needed
from server_checks import boots

STORE = "/tmp/store"
BASELINES = "/tmp/baselines"
AGENT = f"underseal-agent --baselines={BASELINES} --patches={STORE}"
INSTALLED = r"installed (\w+), generation (\d+)"


def once(server):
    return server.sh(AGENT + " --once")


def store(server, bundle, name):
    """Store a bundle under another name: order must not come from names."""
    for end in ("upatch", "upatch.minisig"):
        server.run(f"cp /data/{bundle}.{end} {STORE}/{name}.{end}")


def expect_listed(server, names, text):
    patches = server.tool_ok("list")["patches"]
    expect_equal([patch["name"] for patch in patches], names,
                 f"installed ({text})")


def no_underseal(_server):
    """without Underseal below the agent says so and ends"""
    result = subprocess.run([files.out("underseal-agent")], timeout=30,
                            check=False, text=True, stderr=subprocess.PIPE)
    expect_equal(result.returncode, 1, "exit status")
    expect("NO_HYPERVISOR (114)" in result.stderr, result.stderr)


def wrong_use(server):
    """a command line that is not understood ends with status 2"""
    for arguments in ("--interval=0", "--interval=1s", "--twice", "more"):
        expect_equal(server.sh(f"underseal-agent {arguments}")[0], 2,
                     arguments)


def no_baseline(server):
    """no baseline for this kernel: the message names folder and kernel"""
    server.run(f"mkdir {BASELINES} {STORE}")
    status, text = once(server)
    expect_equal(status, 1, "exit status")
    expect("the kernel is not sealed: FILE_OPEN (101)" in text and
           f"{BASELINES}: no baseline of kernel {server.kernel.release}"
           in text, text)
    status, text = server.sh("underseal-agent --once --baselines=/nowhere")
    expect_equal(status, 1, "exit status")
    expect("/nowhere: No such file" in text, text)


def refused_baseline(server):
    """a baseline that is refused leaves the kernel unsealed"""
    bad = "/data/bad/KERNEL_BUILD_ID-other.ubase"
    server.run(f"ln -s {bad} {bad}.minisig {BASELINES}/")
    status, text = once(server)
    server.run(f"rm {BASELINES}/*")
    expect_equal(status, 1, "exit status")
    expect("the kernel is not sealed: KERNEL_BUILD_ID (63)" in text, text)
    expect_equal(server.tool_ok("status")["sealed"], False, "sealed")


@needed
def seals_and_installs(server):
    """the kernel is sealed; bundles follow by generation, up to one in use"""
    server.run(f"ln -s /data/baseline.ubase /data/baseline.ubase.minisig "
               f"{BASELINES}/")
    store(server, "version", "z")
    store(server, "pause", "m")
    store(server, "cmdline", "a")
    server.run("us-probe pause > /dev/null & sleep 0.5")
    status, text = once(server)
    expect_equal(status, 1, f"exit status ({text})")
    expect(f"sealed kernel {server.kernel.release}: " in text, text)
    expect_equal(re.findall(INSTALLED, text), [("version", "1")], text)
    expect(f"{STORE}/m.upatch: FUNCTION_IN_USE (78)" in text, text)
    expect_listed(server, ["version"], text)

    server.run("killall us-probe; sleep 0.3; true")
    status, text = once(server)
    expect_equal(status, 0, f"exit status ({text})")
    expect_equal(re.findall(INSTALLED, text),
                 [("pause", "2"), ("cmdline", "3")], text)
    expect_listed(server, ["version", "pause", "cmdline"], text)
    expect_equal(server.run("cat /proc/cmdline"), "withheld", "/proc/cmdline")
    expect_equal(once(server), (0, ""), "again")


def damaged_bundles(server):
    """damaged bundles are reported and do not stop the others"""
    server.run(f"echo none > {STORE}/b.upatch")
    store(server, "busy", "c")
    # The first letter of its name (common/bundle.h): well formed, not signed.
    server.run(f"printf X | dd of={STORE}/c.upatch bs=1 conv=notrunc "
               "seek=96 2>/dev/null")
    store(server, "later", "d")
    status, text = once(server)
    expect_equal(status, 1, f"exit status ({text})")
    expect(f"{STORE}/b.upatch: BUNDLE_TRUNCATED (30)" in text and
           f"{STORE}/c.upatch: SIG_INVALID (23)" in text, text)
    expect_equal(re.findall(INSTALLED, text), [("later", "5")], text)
    expect_listed(server, ["version", "pause", "cmdline", "later"], text)


def reported(server, pattern, start=0):
    """Wait for a line of the agent's report that matches."""
    deadline = time.monotonic() + 30
    while True:
        lines = server.run("cat /tmp/report").splitlines()
        for line in lines[start:]:
            if re.search(pattern, line):
                return line, len(lines)
        expect(time.monotonic() < deadline,
               f"nothing like {pattern} in:\n" + "\n".join(lines[start:]))
        time.sleep(0.5)


def watches(server):
    """it reports the log with priorities, looks on SIGHUP, ends on SIGTERM"""
    server.run(f"( JOURNAL_STREAM=1 {AGENT} --interval=1; "
               "echo $? > /tmp/ended ) > /tmp/report 2>&1 &")
    reported(server, rf"^<3>{STORE}/b\.upatch: BUNDLE_TRUNCATED")
    _, seen = reported(server, r"^<6>\[\d+\] .*later")
    address = server.symbol("version_proc_show") + 20
    expect_equal(server.attack_fields("text_alias", address)["changed"], 0,
                 "changed")
    reported(server, r"^<4>\[\d+\] write refused: ", seen)
    server.run(f"echo > {STORE}/new.upatch; killall -HUP underseal-agent")
    reported(server, rf"^<3>{STORE}/new\.upatch: BUNDLE_TRUNCATED", seen)
    server.run("killall -TERM underseal-agent; sleep 0.5")
    expect_equal(server.run("cat /tmp/ended"), "0", "exit status")
    lines = server.run("cat /tmp/report").splitlines()
    expect(all(re.match(r"<[3-6]>", line) for line in lines), "\n".join(lines))
    numbers = [int(number) for line in lines
               for number in re.findall(r"^<.>\[(\d+)\]", line)]
    expect_equal(numbers, sorted(set(numbers)), "each entry once, in order")


def awaits_module(server):
    """a bundle for a module that is not loaded waits, and goes in as it comes, twice"""
    answer = "/sys/module/us_patched/parameters/answer"
    server.run("mkdir /tmp/modules && cp /data/patched/answer.* /tmp/modules/")
    server.run("( JOURNAL_STREAM=1 underseal-agent --patches=/tmp/modules "
               f"--baselines={BASELINES} --modules=/data/patched --interval=600 "
               ") > /tmp/report 2>&1 &")
    seen = 0
    reported(server, "^<6>answer, generation 1, waits for module us_patched")
    for _ in range(2):
        server.run("insmod /data/patched/us_patched.ko")
        # Long before the next look at the log.
        _, seen = reported(server, "^<5>installed answer, generation 1", seen)
        expect_equal(server.run(f"cat {answer}"), "fixed 40 of 40", "answer")
        server.run("rmmod us_patched; sleep 1")
    server.run("killall -TERM underseal-agent; sleep 0.5")


CHECKS = [
    boots, no_underseal, wrong_use, no_baseline, refused_baseline,
    seals_and_installs, damaged_bundles, watches, awaits_module,
]
