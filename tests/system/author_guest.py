#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A bundle that `underseal diff` made of two Debian kernels, in the older of them.

Usage: author_guest.py 6.1.0-55-cloud-amd64 6.1.0-56-cloud-amd64

When memory that held the map of a group's free blocks was given back, ext4 of 6.1.0-55
follows a null pointer to it; 6.1.0-56 differs from it in the two functions at fault.
Unpatched, freeing blocks after the caches were dropped has to fail; patched, all has to
go well.
"""
import os
import shutil
import subprocess
import sys
import tempfile

from harness import Report, expect, expect_equal, run_suite
import files
from run_tests import LOGS, start_server

UNDERSEAL = files.out("underseal")
WRITE = ("mount -o remount,rw /data && mkdir /data/w && cd /data/w && "
         "for n in 1 2 3 4 5 6; do dd if=/dev/urandom of=f$n bs=64k count=12 "
         "2>/dev/null || exit 1; done; sync; md5sum f* > /tmp/before; "
         "echo 3 > /proc/sys/vm/drop_caches; md5sum -c -s /tmp/before && "
         "rm f1 f3 && sync; echo 3 > /proc/sys/vm/drop_caches; "
         "dd if=/dev/zero of=g bs=64k count=400 2>/dev/null && sync && "
         "echo written")


def underseal(*arguments):
    subprocess.run([UNDERSEAL, *arguments], check=True)


def make_disk(old, new, scratch):
    """The old kernel's data disk with the bundle and its way back."""
    bundle, revert = (os.path.join(scratch, name)
                      for name in ("update.upatch", "update.revert"))
    underseal("diff", *(files.out("kernels", release, "vmlinux")
                        for release in (old, new)),
              "-g", "90", "-n", "update", "-o", bundle)
    underseal("authorize-revert", bundle, "-o", revert)
    disk = os.path.join(scratch, "data.img")
    shutil.copyfile(files.Kernel(old).data_image(), disk)
    # Some groups of blocks that nothing has touched yet.
    os.truncate(disk, os.path.getsize(disk) + (64 << 20))
    subprocess.run(["resize2fs", "-f", disk], check=True, capture_output=True)
    for name in (bundle, revert):
        underseal("sign", name, "--key", files.out("keys", "test.key"))
        for path in (name, name + ".minisig"):
            subprocess.run(["debugfs", "-w", "-R",
                            f"write {path} {os.path.basename(path)}", disk],
                           check=True, capture_output=True)
    return disk


def unpatched(server):
    """Without the patch ext4 oopses after the caches were dropped"""
    server.sh(f"({WRITE}) > /tmp/said 2>&1 & sleep 20")
    text = server.run("cat /tmp/said")
    expect("written" not in text, f"it went well: {text}")
    expect("NULL pointer" in server.kernel_trouble(),
           f"no word of it: {server.kernel_trouble()}")


def applied(server):
    """The bundle of two functions is installed"""
    server.tool_ok("seal /data/baseline.ubase", 600)
    server.tool_ok("apply /data/update.upatch", 300)
    installed = server.tool_ok("list")
    expect("update" in str(installed), str(installed))


def patched(server):
    """With the patch ext4 behaves as in the newer kernel"""
    text = server.run(f"({WRITE})", 300)
    expect(text.endswith("written"), text)
    expect_equal(server.kernel_trouble(), "", "the kernel log")


def traced(server):
    """A stack trace through a new body comes to its end"""
    server.run("cd /sys/kernel/tracing && echo ext4_mb_init_cache > "
               "set_ftrace_filter && echo function > current_tracer && "
               "echo 1 > options/func_stack_trace && sync; "
               "echo 3 > /proc/sys/vm/drop_caches; "
               "dd if=/dev/zero of=/data/w/t bs=64k count=64 2>/dev/null; "
               "sync; echo nop > current_tracer; true")
    expect_equal(server.kernel_trouble(), "", "the kernel log")


def reverted(server):
    """It is taken back"""
    server.tool_ok("revert /data/update.revert", 300)
    expect("update" not in str(server.tool_ok("list")), "it is still listed")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    old, new = sys.argv[1:]
    report = Report()
    os.makedirs(LOGS, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
        kernel = files.Kernel(old)
        disk = make_disk(old, new, scratch)
        kernel.data_image = lambda: disk
        run_suite(report, "unpatched", [unpatched],
                  start_server(kernel, scratch, "author-unpatched", 2))
        run_suite(report, "patched", [applied, patched, traced, reverted],
                  start_server(kernel, scratch, "author-patched", 2))
    print(report.summary(), flush=True)
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
