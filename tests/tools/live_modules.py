#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the text of loaded modules with their baselines, without a hypervisor.

Boots VMLINUZ in QEMU, loads MODULES with what they depend on from the package's
modules in DIRECTORY, saves the text of each from outside (monitor command memsave)
and runs check_module on it: as loaded, with every function traced, and after
tracing. One line per check; ends with "N passed, N failed, N skipped".
"""
import argparse
import lzma
import os
import re
import subprocess
import sys
import tempfile

from live_text import Channel

# Enough to have all that the loader does: alternatives, jump labels, static calls,
# per-CPU variables, references to other modules, code that refers to init code.
MODULES = """xfs btrfs nf_tables nft_ct nft_nat ip6_tables nfs nfsd cifs dm_crypt
dm_bufio kvm_amd aesni_intel ghash_clmulni_intel crc32c_intel crct10dif_pclmul
vhost_net virtio_net virtio_blk nvme overlay fuse bridge veth vxlan wireguard tun
ceph sctp zram bonding openvswitch rds_tcp""".split()

STEPS = [
    ("loaded", "true"),
    ("function tracer", "echo function > $T/current_tracer"),
    ("tracer off", "echo nop > $T/current_tracer"),
]

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t tracefs tracefs /sys/kernel/tracing
T=/sys/kernel/tracing
echo "@text $(/bin/busybox awk '$3 == "_text" { print $1; exit }' /proc/kallsyms)"
for module in $(/bin/busybox cat /order); do
	/bin/busybox insmod /modules/$module.ko || echo "@refused $module"
done
echo "@list"
/bin/busybox cat /proc/modules
echo "@listed"
%s
echo "@end"
/bin/busybox sleep 600
"""


def find_modules(directory):
    found = {}
    for top, _, names in os.walk(directory):
        for name in names:
            match = re.fullmatch(r"(.*)\.ko(\.xz)?", name)
            if match:
                found[match.group(1).replace("-", "_")] = os.path.join(top, name)
    return found


def module_bytes(path):
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rb") as file:
        return file.read()


def load_order(found, wanted):
    """Modules with all that they depend on, those first."""
    order = []

    def add(name):
        if name in order or name not in found:
            return
        match = re.search(rb"\0depends=([^\0]*)\0", module_bytes(found[name]))
        for other in match.group(1).decode().split(",") if match else []:
            if other:
                add(other.replace("-", "_"))
        order.append(name)
    for name in wanted:
        add(name)
    return order


def make_initramfs(directory, found, order):
    root = os.path.join(directory, "root")
    for sub in ("bin", "dev", "modules"):
        os.makedirs(os.path.join(root, sub))
    subprocess.run(["cp", "/bin/busybox", os.path.join(root, "bin")], check=True)
    for name in order:
        with open(os.path.join(root, "modules", name + ".ko"), "wb") as out:
            out.write(module_bytes(found[name]))
    with open(os.path.join(root, "order"), "w") as out:
        out.write("\n".join(order) + "\n")
    steps = [f'{commands}\n/bin/busybox sleep 1\necho "@step {number}"\nread line'
             for number, (_, commands) in enumerate(STEPS)]
    init = os.path.join(root, "init")
    with open(init, "w") as out:
        out.write(INIT % "\n".join(steps))
    os.chmod(init, 0o755)
    image = os.path.join(directory, "initramfs")
    subprocess.run("find . | cpio -o -H newc --quiet | gzip -1 > " + image,
                   shell=True, cwd=root, check=True)
    return image


class Checker:
    def __init__(self, args):
        self.args = args
        self.passed = self.failed = 0

    def report(self, good, text):
        self.passed += good
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} - {self.args.label} {text}", flush=True)

    def module(self, step, name, baseline, slide, listing, dump):
        done = subprocess.run([self.args.check_module, baseline, hex(slide), listing,
                               dump], capture_output=True, text=True)
        lines = done.stdout.strip().splitlines() or [done.stderr.strip()]
        good = done.returncode == 0
        self.report(good, f"{name} {step}: " + (lines[-1] if good else "\n".join(lines)))


def text_bytes(args, baseline):
    import json
    done = subprocess.run([args.underseal, "inspect", "--json", baseline],
                          capture_output=True, check=True)
    return -(-json.loads(done.stdout)["text_bytes"] // 4096) * 4096


def drive(args, directory, checker, link_base):
    import time
    limit = time.time() + args.timeout
    serial = Channel(os.path.join(directory, "serial"), limit)
    monitor = Channel(os.path.join(directory, "monitor"), limit)
    monitor.wait_for(rb"\(qemu\) ")
    text = int(serial.wait_for(rb"@text ([0-9a-f]{16})").group(1), 16)
    slide = text - link_base
    serial.wait_for(rb"@list\r?\n")
    lines = serial.wait_for(rb"(?s)(.*)@listed").group(1).decode().replace("\r", "")
    listing = os.path.join(directory, "list")
    with open(listing, "w") as out:
        out.write(lines)
    loaded = dict(re.findall(r"^(\S+) .* 0x([0-9a-f]+)", lines, re.M))
    print(f"# slide {slide:#x}, {len(loaded)} modules", flush=True)
    for number, (step, _) in enumerate(STEPS):
        serial.wait_for(rb"@step %d" % number)
        for name, address in loaded.items():
            baseline = os.path.join(args.baselines, name + ".umod")
            dump = os.path.join(directory, "dump")
            if not os.path.exists(baseline):
                continue
            monitor.send(f"memsave 0x{address} {text_bytes(args, baseline)} "
                         f"\"{dump}\"\n")
            monitor.wait_for(rb"\n\(qemu\) ")
            checker.module(step, name, baseline, slide, listing, dump)
        serial.send("\n")
    serial.wait_for(rb"@end")
    if len(loaded) < 10:
        checker.report(False, f"only {len(loaded)} modules were loaded")
    monitor.send("quit\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("baselines", help="directory of .umod files")
    parser.add_argument("directory", help="the package's modules")
    parser.add_argument("vmlinuz")
    parser.add_argument("--link-base", type=lambda s: int(s, 0),
                        default=0xffffffff81000000)
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--append", default="")
    parser.add_argument("--timeout", type=int, default=300)
    parser.add_argument("--modules", nargs="*", default=MODULES)
    parser.add_argument("--underseal", default="build/out/underseal")
    parser.add_argument("--check-module", default="build/out/tests/check_module")
    args = parser.parse_args()
    args.label = f"{os.path.basename(os.path.dirname(os.path.abspath(args.vmlinuz)))} cpu={args.cpu}"
    checker = Checker(args)
    found = find_modules(args.directory)
    with tempfile.TemporaryDirectory() as directory:
        image = make_initramfs(directory, found, load_order(found, args.modules))
        # One thread: QEMU 7.2 loses cross-modified code with several.
        qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", args.cpu,
             "-m", "1024", "-nic", "none", "-display", "none", "-no-reboot",
             "-kernel", args.vmlinuz, "-initrd", image,
             "-append", f"console=ttyS0 quiet panic=-1 {args.append}",
             "-serial", f"unix:{directory}/serial,server=on,wait=off",
             "-monitor", f"unix:{directory}/monitor,server=on,wait=off"],
            stdin=subprocess.DEVNULL)
        try:
            drive(args, directory, checker, args.link_base)
        except (TimeoutError, EOFError, OSError) as problem:
            checker.report(False, str(problem))
        finally:
            qemu.kill()
            qemu.wait()
    print(f"{checker.passed} passed, {checker.failed} failed, 0 skipped")
    sys.exit(1 if checker.failed else 0)


if __name__ == "__main__":
    main()
