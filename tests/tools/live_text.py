#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare a running kernel's memory with its baseline, without a hypervisor.

Boots VMLINUZ in QEMU with a tiny userland that works through STEPS, saves all
ranges of the baseline from outside after each (monitor command memsave), and runs
check_text on them: every byte must be one that the baseline has for it, and from
one step to the next only runtime sites may change. Prints one line per check and ends with
"N passed, N failed, N skipped".
"""
import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

# Name, shell commands inside the guest.
STEPS = [
    ("boot", "true"),
    ("function tracer", "echo function > $T/current_tracer"),
    ("function_graph tracer", "echo function_graph > $T/current_tracer"),
    ("tracer off", "echo nop > $T/current_tracer"),
    ("all trace events", "echo 1 > $T/events/enable 2>/dev/null"),
    ("trace events off", "echo 0 > $T/events/enable 2>/dev/null"),
    ("jump labels", "echo 1 > /proc/sys/kernel/sched_schedstats; "
     "echo 1 > /proc/sys/net/ipv4/tcp_syncookies"),
    ("CPU 1 off and on", "if [ -e $C ]; then echo 0 > $C; echo 1 > $C; fi"),
]

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t tracefs tracefs /sys/kernel/tracing
T=/sys/kernel/tracing
C=/sys/devices/system/cpu/cpu1/online
echo "@text $(/bin/busybox awk '$3 == "_text" { print $1; exit }' /proc/kallsyms)"
%s
echo "@end"
/bin/busybox sleep 600
"""


def make_initramfs(directory):
    steps = []
    for number, (_, commands) in enumerate(STEPS):
        steps.append(f'{commands}\n/bin/busybox sleep 1\necho "@step {number}"\nread line')
    root = os.path.join(directory, "root")
    os.makedirs(os.path.join(root, "bin"))
    subprocess.run(["cp", "/bin/busybox", os.path.join(root, "bin")], check=True)
    init = os.path.join(root, "init")
    with open(init, "w") as out:
        out.write(INIT % "\n".join(steps))
    os.chmod(init, 0o755)
    os.makedirs(os.path.join(root, "dev"))
    image = os.path.join(directory, "initramfs")
    subprocess.run("find . | cpio -o -H newc --quiet > " + image,
                   shell=True, cwd=root, check=True)
    return image


class Channel:
    """Lines from a UNIX socket that QEMU listens on."""

    def __init__(self, path, limit):
        self.limit = limit
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.time() > limit:
                    raise
                time.sleep(0.1)

    def wait_for(self, pattern):
        while True:
            match = re.search(pattern, self.buffer)
            if match:
                self.buffer = self.buffer[match.end():]
                return match
            left = self.limit - time.time()
            if left <= 0:
                raise TimeoutError(f"no {pattern!r}; last: {self.buffer[-500:]!r}")
            self.socket.settimeout(left)
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"closed; last: {self.buffer[-500:]!r}")
            self.buffer += data

    def send(self, text):
        self.socket.sendall(text.encode())


class Checker:
    def __init__(self, args):
        self.args = args
        self.passed = self.failed = 0
        self.previous = None

    def run(self, name, *command):
        done = subprocess.run([self.args.check_text, *command],
                              capture_output=True, text=True)
        good = done.returncode == 0
        self.passed += good
        self.failed += not good
        lines = done.stdout.strip().splitlines() or [f"exit status {done.returncode}"]
        print(f"{'ok' if good else 'not ok'} - {name}: "
              f"{lines[0] if good else chr(10).join(lines)}", flush=True)
        if good and self.args.verbose:
            print("\n".join(lines[1:]), flush=True)

    def step(self, name, dumps, slide):
        label = f"{self.args.name} cpu={self.args.cpu} smp={self.args.smp} "
        label += f"{self.args.append} {name}" if self.args.append else name
        self.run(label, self.args.baseline, hex(slide), *dumps)
        if self.previous:
            self.run(label + ", runtime sites", "--runtime", self.args.baseline,
                     self.previous, dumps[0])
            os.remove(self.previous)
        self.previous = dumps[0]
        for dump in dumps[1:]:
            os.remove(dump)


def inspect(args):
    import json
    done = subprocess.run([args.underseal, "inspect", "--json", args.baseline],
                          capture_output=True, check=True)
    return json.loads(done.stdout)


def drive(args, directory, checker):
    info = inspect(args)
    limit = time.time() + args.timeout
    serial = Channel(os.path.join(directory, "serial"), limit)
    monitor = Channel(os.path.join(directory, "monitor"), limit)
    monitor.wait_for(rb"\(qemu\) ")
    text = int(serial.wait_for(rb"@text ([0-9a-f]{16})").group(1), 16)
    slide = text - int(info["facts"]["link_base"], 16)
    print(f"# _text {text:#x} slide {slide:#x}", flush=True)
    for number, (name, _) in enumerate(STEPS[:1] if args.boot_only else STEPS):
        serial.wait_for(rb"@step %d" % number)
        time.sleep(1)
        dumps = []
        for index, part in enumerate(info["ranges"]):
            dumps.append(os.path.join(directory, f"dump{number}.{index}"))
            monitor.send(f"memsave {text + part['image_offset']:#x} "
                         f"{part['bytes']} \"{dumps[-1]}\"\n")
            monitor.wait_for(rb"\n\(qemu\) ")
        checker.step(name, dumps, slide)
        serial.send("\n")
    if not args.boot_only:
        serial.wait_for(rb"@end")
    monitor.send("quit\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("baseline")
    parser.add_argument("vmlinuz")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--smp", default="1")
    parser.add_argument("--append", default="")
    parser.add_argument("--timeout", type=int, default=240)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--underseal", default="build/out/underseal")
    parser.add_argument("--check-text", default="build/out/tests/check_text")
    parser.add_argument("--name", default="kernel")
    parser.add_argument("--boot-only", action="store_true",
                        help="the first step alone")
    args = parser.parse_args()
    checker = Checker(args)
    with tempfile.TemporaryDirectory() as directory:
        image = make_initramfs(directory)
        # One thread: QEMU 7.2 loses cross-modified code with several.
        qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", args.cpu,
             "-smp", args.smp, "-m", "512", "-nic", "none", "-display", "none",
             "-no-reboot", "-kernel", args.vmlinuz, "-initrd", image,
             "-append", f"console=ttyS0 quiet panic=-1 {args.append}",
             "-serial", f"unix:{directory}/serial,server=on,wait=off",
             "-monitor", f"unix:{directory}/monitor,server=on,wait=off"],
            stdin=subprocess.DEVNULL)
        try:
            drive(args, directory, checker)
        except (TimeoutError, EOFError, OSError) as problem:
            print(f"not ok - {problem}")
            checker.failed += 1
        finally:
            qemu.kill()
            qemu.wait()
    print(f"{checker.passed} passed, {checker.failed} failed, 0 skipped")
    sys.exit(1 if checker.failed else 0)


if __name__ == "__main__":
    main()
