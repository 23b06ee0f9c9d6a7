#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent in an ordinary Debian server: what `make debian-server` runs.

Usage: debian_server.py RELEASE

Debian 12 with systemd on an emulated machine under Underseal: sealed from the
initramfs, patched by the service, the same again after a reboot into kernel
lockdown, switched off.
"""
import os
import re
import subprocess
import sys
import tempfile
import time

from harness import Report, Server, expect, expect_equal, needed, run_suite
import files
import machine

LOG = files.out("logs/debian-server.log")
ARGS = "console=ttyS0,115200 root=/dev/vda ro panic=0"
OLD = "Patched by Underseal"
# Much more happens in such a boot than in that of the test userland.
BOOT_TIMEOUT = 3 * machine.BOOT_TIMEOUT
STORE = "/var/lib/underseal/patches"


class DebianServer(Server):
    boot_start = 0      # where on the console this boot begins
    esp = None

    def configure(self, args):
        """Other kernel arguments from the next boot on. The cloud kernel has
        no driver for this disk: its file is edited from outside."""
        subprocess.run(["mcopy", "-o", "-i", self.esp + "@@1M", "-",
                        "::/EFI/BOOT/underseal.conf"], check=True,
                       input=files.config(args=args).encode())

    def journal(self, *options):
        return self.run("journalctl -b -q -u underseal-agent --no-pager " +
                        " ".join(options))

    def wait_journal(self, pattern, *options):
        deadline = time.monotonic() + 90
        while True:
            text = self.journal(*options)
            if re.search(pattern, text):
                return text
            expect(time.monotonic() < deadline,
                   f"nothing like {pattern} in the journal:\n{text}")
            time.sleep(1)


def expect_order(text, *patterns):
    at = 0
    for pattern in patterns:
        match = re.compile(pattern).search(text, at)
        expect(match, f"{pattern} is not on the console in its turn")
        at = match.end()


@needed
def sealed_before_root(server):
    """the initramfs seals the kernel before the root file system is mounted"""
    expect_order(server.console(server.boot_start),
                 r"\d CPUs? protected", r"Linux version",
                 rf"underseal-agent: sealed kernel {server.kernel.release}: ",
                 r"EXT4-fs \(vda\): mounted", r"systemd\[1\]: ")
    status = server.tool_ok("status")
    expect_equal(status["sealed"], True, "sealed")
    expect_equal(status["vcpus"], server.settings.smp, "vCPUs")


def service_installs(server):
    """the service installs the stored bundle early and reports it"""
    state = server.run("systemctl show -P ActiveState -P SubState "
                       "underseal-agent").split()
    expect_equal(state, ["active", "running"], "state")
    text = server.journal("-p notice -o cat")
    expect("installed version, generation 1, stop of " in text, text)
    expect_equal(server.journal("-p warning -o cat"), "", "complaints")
    expect(OLD in server.run("cat /proc/version"), "no effect")
    agent, sysinit = (
        int(server.run(f"systemctl show -P ActiveEnterTimestampMonotonic "
                       f"{unit}"))
        for unit in ("underseal-agent.service", "sysinit.target"))
    expect(0 < agent < sysinit, f"ready at {agent} us, sysinit at {sysinit}")
    expect_equal(server.run("systemctl --failed --no-legend"), "",
                 "failed units")


def reports(server):
    """a refused write is in the journal as a warning"""
    address = server.symbol("version_proc_show") + 20
    expect_equal(server.attack_fields("text_alias", address)["changed"], 0,
                 "changed")
    text = server.wait_journal("write refused: ", "-p warning -o short")
    print(re.sub(r"(?m)^", "     ", text), flush=True)


def damaged_bundle(server):
    """a damaged bundle is an error in the journal, and the next is installed"""
    # The first letter of its name (common/bundle.h): well formed, not signed.
    server.run(f"cp /data/pause.upatch* /data/cmdline.upatch* {STORE}/ && "
               f"printf X | dd of={STORE}/pause.upatch bs=1 conv=notrunc "
               "seek=96 status=none && systemctl reload underseal-agent")
    server.wait_journal(rf"{STORE}/pause.upatch: SIG_INVALID \(23\)",
                        "-p err -o cat")
    server.wait_journal("installed cmdline, generation 3", "-p notice -o cat")
    expect_equal(server.run("systemctl is-active underseal-agent"), "active",
                 "service")
    server.run(f"rm {STORE}/pause.upatch*; sync")


@needed
def reboots_in_lockdown(server):
    """after a reboot, in lockdown now, it comes up sealed and patched again"""
    server.configure(ARGS + " lockdown=integrity")
    server.boot_start = server.console_size()
    server.forget_boot()
    server.send("systemctl reboot")
    server.wait_ready(BOOT_TIMEOUT)
    expect("[integrity]" in server.run("cat /sys/kernel/security/lockdown"),
           "not in lockdown")
    sealed_before_root(server)
    text = server.journal("-p notice -o cat")
    expect_equal(re.findall(r"installed (\w+), generation (\d+)", text),
                 [("version", "1"), ("cmdline", "3")], text)
    expect(OLD in server.run("cat /proc/version"), "no effect")
    expect_equal(server.run("cat /proc/cmdline"), "withheld", "/proc/cmdline")
    expect_equal(server.kernel_trouble(), "", "kernel log")


def powers_off(server):
    """it powers off cleanly"""
    start = server.console_size()
    server.send("systemctl poweroff")
    try:
        expect_equal(server.emulator.process.wait(BOOT_TIMEOUT), 0,
                     "QEMU's status")
    except subprocess.TimeoutExpired:
        raise AssertionError("the machine is still on") from None
    text = server.console(start)
    expect_order(text, r"All filesystems unmounted", r"reboot: Power down")
    for trouble in ("Failed unmounting", "Timed out"):
        expect(trouble not in text, f"{trouble}:\n{text[-1500:]}")


CHECKS = [
    sealed_before_root, service_installs, reports, damaged_bundle,
    reboots_in_lockdown, powers_off,
]


def start(kernel, scratch):
    disk = os.path.join(scratch, "disk.img")
    initrd = os.path.join(scratch, "initrd.img")
    subprocess.run([os.path.join(files.ROOT, "build/run/make-debian"),
                    kernel.release, disk, initrd], check=True)
    esp = files.underseal_esp(os.path.join(scratch, "esp.img"), kernel,
                              conf=files.config(args=ARGS),
                              more={"initrd.img": initrd})
    server = DebianServer(esp, kernel, log=LOG, extra=[
        "-drive", f"if=none,id=root,format=raw,file={disk}",
        "-device", "virtio-blk-pci,drive=root"])
    server.esp = esp
    try:
        server.wait_ready(BOOT_TIMEOUT)
    except machine.MachineError as error:
        tail = server.console()[-3000:]
        server.close()
        raise machine.MachineError(f"{error}\n{tail}") from None
    return server


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    kernel = files.Kernel(sys.argv[1])
    report = Report()
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
        run_suite(report, "debian-server", CHECKS,
                  lambda: start(kernel, scratch))
    print(report.summary(), flush=True)
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
