# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent across reboots, crashes and power cuts, with its store on a disk of its own.

POWER_CUTS says how often the power is cut at a random moment of a boot that installs.
"""
import os
import random
import re
import subprocess

import files
from harness import Server, expect, expect_equal, needed
import machine
from server_checks import boots

STORE = "/store"
AGENT = (f"underseal-agent --baselines=/data --patches={STORE}/patches "
         f"--marks={STORE}/marks")
INSTALLED = r"installed (\w+), generation (\d+)"
PROBATION = 600     # seconds: no machine here is that slow
SHORT = 20


def make_bundle(kernel, name, output, *options):
    """A bundle of the test userland's object @name, signed."""
    guest = kernel.guest
    tool = files.out("underseal")
    generation = {"version": 1, "cmdline": 3, "later": 5}[name]
    subprocess.run(
        [tool, "bundle", os.path.join(guest, f"patch/{name}.o"), "-b",
         os.path.join(guest, "baseline.ubase"), "-m",
         os.path.join(kernel.dir, "System.map"), "-g", str(generation), "-n",
         name, "-o", output, *options], check=True)
    subprocess.run([tool, "sign", output, "--key", files.out("keys/test.key")],
                   check=True)


def make_store(kernel, scratch):
    """The disk: one bundle on a long probation, one that needs it, one on a short
    probation that is put to use later."""
    tree = os.path.join(scratch, "store")
    for name in ("patches", "marks", "spare"):
        os.makedirs(os.path.join(tree, name))
    first = os.path.join(tree, "patches/z.upatch")
    make_bundle(kernel, "version", first, "--probation", str(PROBATION))
    make_bundle(kernel, "cmdline", os.path.join(tree, "patches/a.upatch"),
                "--needs", f"version={first}")
    make_bundle(kernel, "later", os.path.join(tree, "spare/later.upatch"),
                "--probation", str(SHORT))
    disk = os.path.join(scratch, "store.img")
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, "-L",
                    "store", disk, "16M"], check=True,
                   stderr=subprocess.DEVNULL)
    return disk


class RebootServer(Server):
    """A server that can lose its power."""

    def __init__(self, esp, kernel, disk, log, settings):
        self.parts = esp, kernel, disk, log, settings
        self.boots = 0
        self.power_on()

    def power_on(self):
        esp, kernel, disk, log, settings = self.parts
        self.boots += 1
        self.forget_boot()
        super().__init__(
            esp, kernel, log=log.replace(".log", f"-{self.boots}.log"),
            settings=settings, extra=[
                "-drive", f"if=none,id=store,format=raw,file={disk}",
                "-device", "nvme,drive=store,serial=store"])
        self.wait_ready()

    def power_cut(self):
        """At this moment; then the disk is looked at, and the power is back."""
        self.close()
        self.check_disk()
        self.power_on()

    def check_disk(self):
        """What a journal makes good is no damage; all else is."""
        disk = self.parts[2]
        subprocess.run(["e2fsck", "-p", disk], check=False,
                       capture_output=True)
        done = subprocess.run(["e2fsck", "-f", "-n", disk], check=False,
                              text=True, capture_output=True)
        expect_equal(done.returncode, 0, f"e2fsck: {done.stdout}")

    def mount(self):
        self.run(f"mkdir -p {STORE} && mount -t ext4 "
                 f"\"$(findfs LABEL=store)\" {STORE}")

    def names(self):
        return [patch["name"] for patch in self.tool_ok("list")["patches"]]

    def marks(self):
        return self.run(f"ls {STORE}/marks | grep -v tmp; true").split()


def once(server):
    status, text = server.sh(AGENT + " --once")
    return status, re.findall(INSTALLED, text), text


@needed
def marked(server):
    """a bundle on probation has its mark while it runs unconfirmed"""
    server.mount()
    status, found, text = once(server)
    expect_equal(status, 0, text)
    expect_equal(found, [("version", "1"), ("cmdline", "3")], text)
    version, = [patch for patch in server.tool_ok("list")["patches"]
                if patch["name"] == "version"]
    expect_equal(version["state"], "probation", "state")
    expect_equal(server.marks(), [version["bundle_id"]], "marks")
    # In the same boot the mark says nothing.
    expect_equal(once(server)[:2], (0, []), "again")


@needed
def crashed(server):
    """after a power cut on probation it is not tried again, nor what needs it"""
    before = server.marks()
    server.power_cut()
    server.mount()
    expect_equal(server.marks(), before, "marks")
    status, found, text = once(server)
    expect_equal((status, found), (1, []), text)
    expect(f"{STORE}/patches/z.upatch: MARKED (136)" in text, text)
    expect("underseal-guest retry version" in text, text)
    expect(re.search(rf"{STORE}/patches/a\.upatch: PATCH_NEEDS", text), text)
    expect_equal(server.names(), [], "installed")


@needed
def told_again(server):
    """until it is told to"""
    server.tool_ok(f"retry version --marks={STORE}/marks")
    status, found, text = once(server)
    expect_equal((status, found),
                 (0, [("version", "1"), ("cmdline", "3")]), text)


def confirmed(server):
    """the agent confirms health when the health command has succeeded"""
    server.run(f"cp {STORE}/spare/* {STORE}/patches/; rm -f /tmp/well")
    server.run(f"( {AGENT} --interval=1 --health-command='test -e /tmp/well "
               "&& echo $UNDERSEAL_PATCH >> /tmp/asked' ) > /tmp/report 2>&1 &")
    server.run("for i in $(seq 300); do grep -q 'health command ended with "
               "status 1' /tmp/report && break; usleep 100000; done; "
               "touch /tmp/well")
    server.run("for i in $(seq 300); do grep -q 'later: the server is well' "
               "/tmp/report && break; usleep 100000; done")
    text = server.run("cat /tmp/report")
    expect("later: the health command ended with status 1" in text, text)
    expect("later: the server is well with it" in text, text)
    expect_equal(server.run("cat /tmp/asked"), "later", "asked")
    state = {patch["name"]: patch["state"]
             for patch in server.tool_ok("list")["patches"]}
    expect_equal(state, {"version": "probation", "cmdline": "active",
                         "later": "active"}, "states")
    expect_equal(len(server.marks()), 1, "marks")


def confirmed_by_hand(server):
    """health confirmed by hand ends the probation, and the mark goes"""
    answer = server.tool_ok("health version")
    expect_equal((answer["name"], answer["state"]), ("version", "active"),
                 "answer")
    server.run(f"for i in $(seq 100); do test -z \"$(ls {STORE}/marks)\" && "
               "break; usleep 100000; done; true")
    expect_equal(server.marks(), [], "marks")
    expect_equal(server.tool("health nothing")[0], "PATCH_NOT_FOUND", "health")


def ended_in_order(server):
    """an agent that is ended in good order leaves no mark"""
    server.run("killall underseal-agent; sleep 0.5; true")
    server.power_cut()
    server.mount()
    server.run(f"rm {STORE}/patches/later*")
    server.run(f"{AGENT} --interval=1 > /tmp/report 2>&1 &")
    server.run("for i in $(seq 600); do grep -q 'installed cmdline' /tmp/report "
               "&& break; usleep 100000; done")
    expect_equal(len(server.marks()), 1, "marks on probation")
    server.run("killall -TERM underseal-agent; for i in $(seq 100); do killall "
               "-0 underseal-agent 2>/dev/null || break; usleep 100000; done")
    expect_equal(server.marks(), [], "marks of one that ended in order")


def power_cuts(server):
    """a power cut at any moment leaves a server that boots and a store that is whole"""
    count = int(os.environ.get("POWER_CUTS", 3))
    generator = random.Random(os.environ.get("SEED", 6))
    sums = server.run(f"cd {STORE}/patches && sha256sum *")
    server.run(f"rm -f {STORE}/marks/*; sync")
    for number in range(count):
        server.power_cut()
        server.mount()
        expect_equal(server.run(f"cd {STORE}/patches && sha256sum *"), sums,
                     "the stored bundles")
        check_marks(server)
        server.sh(f"underseal-guest retry version --marks={STORE}/marks")
        server.send(AGENT + " --once")
        delay = generator.uniform(0, 3)
        machine.time.sleep(delay * server.emulator.slowness)
        print(f"     cut {number + 1} of {count} {delay:.2f} s after the agent "
              "began", flush=True)
    server.power_cut()
    server.mount()
    check_marks(server)
    status, found, text = once(server)
    left = "MARKED (136)" in text
    expect_equal((status, found), (1, []) if left else
                 (0, [("version", "1"), ("cmdline", "3")]), text)
    expect_equal(server.kernel_trouble(), "", "kernel log")


def check_marks(server):
    """Each is whole."""
    for mark in server.marks():
        text = server.run(f"cat {STORE}/marks/{mark}")
        expect(re.fullmatch(r"boot [0-9a-f-]{36}\nname version", text), text)


CHECKS = [
    boots, marked, crashed, told_again, confirmed, confirmed_by_hand,
    ended_in_order, power_cuts,
]


def start(kernel, scratch, log):
    def begin():
        esp = files.underseal_esp(os.path.join(scratch, "reboots.img"), kernel)
        disk = make_store(kernel, os.path.join(scratch, "reboots"))
        return RebootServer(esp, kernel, disk, log, machine.Settings(smp=2))

    return begin
