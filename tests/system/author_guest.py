#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The difference of two Debian kernels, as `underseal diff` carries it over and as
`underseal build` compiles it from the two packages of their source, in the older one.

Usage: author_guest.py 6.1.0-55-cloud-amd64 6.1.0-56-cloud-amd64

When memory that held the map of a group's free blocks was given back, ext4 of 6.1.0-55
follows a null pointer to it; 6.1.0-56 differs from it in the two functions at fault.
Unpatched, freeing blocks after the caches were dropped has to fail; patched, all has to
go well. The bundle is then installed while ext4 is written to, and the file system has to
be clean afterwards.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import Report, expect, expect_equal, run_suite
import bundle_sets
import files
from load_checks import PATIENT
from run_tests import LOGS, TOOLS, start_server

UNDERSEAL = files.out("underseal")
CHANGED = "fs/ext4/mballoc.c"
WRITE = ("mount -o remount,rw /data && mkdir /data/w && cd /data/w && "
         "for n in 1 2 3 4 5 6; do dd if=/dev/urandom of=f$n bs=64k count=12 "
         "2>/dev/null || exit 1; done; sync; md5sum f* > /tmp/before; "
         "echo 3 > /proc/sys/vm/drop_caches; md5sum -c -s /tmp/before && "
         "rm f1 f3 && sync; echo 3 > /proc/sys/vm/drop_caches; "
         "dd if=/dev/zero of=g bs=64k count=400 2>/dev/null && sync && "
         "echo written")


def underseal(*arguments):
    subprocess.run([UNDERSEAL, *arguments], check=True)


def from_kernels(old, new, bundle):
    underseal("diff", *(files.out("kernels", release, "vmlinux")
                        for release in (old, new)),
              "-g", "90", "-n", "update", "-o", bundle)


def source_package(release):
    """The compressed source that a kernel was built from; None when the archive has
    dropped it."""
    with open(files.out("kernels", release, "version"),
              encoding="ascii") as file:
        version = file.read().strip()
    where = files.out("sources", version)
    package = "linux-source-" + ".".join(version.split(".")[:2])
    path = os.path.join(where, f"usr/src/{package}.tar.xz")
    if not os.path.exists(path):
        os.makedirs(where, exist_ok=True)
        if subprocess.run(["apt-get", "download", "-qq", "-o",
                           "APT::Sandbox::User=root", f"{package}={version}"],
                          cwd=where).returncode:
            return None
        deb, = (os.path.join(where, name) for name in os.listdir(where)
                if name.endswith(".deb"))
        subprocess.run(["dpkg-deb", "-x", deb, where], check=True)
        os.unlink(deb)
    return path


def take_out(package, path, where):
    """One file of the source, below @where."""
    os.makedirs(where)
    subprocess.run(["tar", "-x", "-C", where, "--strip-components=1",
                    "--occurrence=1", "-f", package, "--wildcards",
                    f"*/{path}"], check=True)


def from_source(old, new, bundle, scratch):
    """False when the archive has dropped the source."""
    packages = [source_package(release) for release in (old, new)]
    if None in packages:
        return False
    for package, where in zip(packages, "ab"):
        take_out(package, CHANGED, os.path.join(scratch, where))
    patch = os.path.join(scratch, "fix.diff")
    with open(patch, "w", encoding="utf-8") as file:
        subprocess.run(["diff", "-u", f"a/{CHANGED}", f"b/{CHANGED}"],
                       cwd=scratch, stdout=file)
    kernel = files.out("kernels", old)
    os.environ["XDG_CACHE_HOME"] = files.out("cache")
    underseal("build", "--patch", patch, "--source", packages[0], "--headers",
              os.path.join(kernel, "headers"), "--vmlinux",
              os.path.join(kernel, "vmlinux"), "-g", "92", "-n", "fix", "-o",
              bundle)
    return True


def make_disk(old, new, scratch):
    """The old kernel's data disk with the bundles and their ways back; and whether
    the one from source is there."""
    bundles = [os.path.join(scratch, name) for name in
               ("update.upatch", "unwind.upatch", "fix.upatch")]
    from_kernels(old, new, bundles[0])
    underseal("unwind", files.out("kernels", old, "vmlinux"), "-g", "91", "-o",
              bundles[1])
    have_source = from_source(old, new, bundles[2], scratch)
    disk = os.path.join(scratch, "data.img")
    shutil.copyfile(files.Kernel(old).data_image(), disk)
    # Some groups of blocks that nothing has touched yet.
    os.truncate(disk, os.path.getsize(disk) + (64 << 20))
    subprocess.run(["resize2fs", "-f", disk], check=True, capture_output=True)
    for bundle in bundles[:2 + have_source]:
        revert = bundle.replace(".upatch", ".revert")
        underseal("authorize-revert", bundle, "-o", revert)
        for name in (bundle, revert):
            underseal("sign", name, "--key", files.out("keys", "test.key"))
            for path in (name, name + ".minisig"):
                subprocess.run(["debugfs", "-w", "-R",
                                f"write {path} {os.path.basename(path)}",
                                disk], check=True, capture_output=True)
    return disk, have_source


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
    """A tracer's stack traces go through the new body to the system call"""
    trace = server.run("cd /sys/kernel/tracing && echo ext4_mb_init_cache > "
               "set_ftrace_filter && echo function > current_tracer && "
               "echo 1 > options/func_stack_trace; for n in 1 2; do sync; "
               "echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/zero "
               "of=/data/w/t bs=64k count=64 conv=fsync 2>/dev/null; done; "
               "cat trace; echo nop > current_tracer; "
               "echo 0 > options/func_stack_trace; true")
    expect(re.search(r"=> ext4_mb_init_cache\n => 0xffffffff[0-9a-f]{8}\n"
                     r"( => [\w.]+\n)+ => do_syscall_64\n", trace + "\n"),
           trace[-2000:])
    expect_equal(server.kernel_trouble(), "", "the kernel log")


def stack_below(server):
    """/proc/PID/stack of a task that waits for the disk in a function that a new body
    has called. The bitmap that it needs was never read, and it may read little."""
    return server.run(
        "{ mkdir -p /tmp/cg && { mount -t cgroup2 none /tmp/cg 2>/dev/null; true; } && "
        "echo +io > /tmp/cg/cgroup.subtree_control && mkdir -p /tmp/cg/slow && "
        "disk=$(grep ' /data ' /proc/self/mountinfo | cut -d' ' -f3) && "
        "mkdir -p /data/w && rm -f /data/w/* && sync && umount /data && mount -t ext4 -o "
        "rw,no_prefetch_block_bitmaps $(findfs LABEL=data) /data && "
        ": > /data/w/s && "
        "echo \"$disk rbps=1000\" > /tmp/cg/slow/io.max; } || exit 1; "
        "sh -c 'echo $$ > /tmp/cg/slow/cgroup.procs; exec dd if=/dev/zero "
        "of=/data/w/s bs=64k count=64 conv=notrunc,fsync' 2> /dev/null & "
        "pid=$!; n=0; while [ $n -lt 400 ]; do n=$((n + 1)); "
        "cat /proc/$pid/stack > /tmp/stack || break; "
        "grep -q ext4_mb_init_cache /tmp/stack && break; usleep 50000; done; "
        "echo \"$disk rbps=max\" > /tmp/cg/slow/io.max; wait $pid; "
        "cat /tmp/stack", 120)


def stack_ends(server):
    """Without unwind data a stack ends below a new body"""
    stack = stack_below(server)
    expect("ext4_mb_init_cache" in stack, stack)
    expect("entry_SYSCALL" not in stack, stack)


def hooked(server):
    """The bundle for stack traces is installed"""
    server.tool_ok("apply /data/unwind.upatch", 300)
    expect("unwind" in str(server.tool_ok("list")), "it is not listed")


def stack_complete(server):
    """With it a stack goes through the new body to the system call"""
    stack = stack_below(server)
    new = re.search(r"ext4_mb_init_cache.*\n\[<0>\] 0xffffffff[0-9a-f]{8}\n"
                    r"\[<0>\] ext4_mb_\w+\+", stack)
    expect(new, stack)
    expect("entry_SYSCALL_64_after_hwframe" in stack.splitlines()[-1], stack)


def reverted_hook(server):
    """The bundle for stack traces is taken back"""
    server.tool_ok("revert /data/unwind.revert", 300)
    stack_ends(server)
    expect_equal(server.kernel_trouble(), "", "the kernel log")


def reverted(server):
    """It is taken back"""
    server.tool_ok("revert /data/update.revert", 300)
    expect("update" not in str(server.tool_ok("list")), "it is still listed")


def applied_source(server):
    """The bundle from source is installed"""
    server.tool_ok("apply /data/fix.upatch", 300)
    expect("fix" in str(server.tool_ok("list")), "it is not listed")
    # Not earlier: without any patch this may be the end of the kernel.
    server.run("rm -rf /data/w; sync; true")


def patched_source(server):
    """With the bundle from source ext4 behaves as in the newer kernel too"""
    patched(server)


def reverted_source(server):
    """That one is taken back as well"""
    server.tool_ok("revert /data/fix.revert", 300)
    expect("fix" not in str(server.tool_ok("list")), "it is still listed")


# Under load -----------------------------------------------------------------------

def written_to(server):
    """the kernel is sealed, and ext4 written to"""
    bundle_sets.mount(server)
    server.tool_ok("seal /data/baseline.ubase", 600)
    # Unpatched, what is cached must stay so.
    server.run("touch /tmp/busy.keep && /load/busy start")
    files_written(server, 2)


def files_written(server, count):
    """Until the load has written so many more files."""
    server.run(f"end=$(($(wc -l < /tmp/busy/files) + {count})); "
               "until [ $(wc -l < /tmp/busy/files) -ge $end ]; do sleep 1; done",
               timeout=600)


def applied_busy(server):
    """The bundle is installed while ext4 is written to"""
    receipt = server.tool_ok(f"apply /data/update.upatch {PATIENT}", 300)
    print(f"     busy: stop {receipt['stop_ns'] / 1e6:.1f} ms, whole "
          f"{receipt['total_ns'] / 1e6:.0f} ms, {receipt['attempts']} tries; "
          f"{receipt['arena_bytes']} bytes in the arena", flush=True)


def goes_on(server):
    """ext4 goes on, with its caches dropped again and again"""
    server.run("rm /tmp/busy.keep")
    files_written(server, 8)
    server.run("/load/busy stop", 300)
    expect_equal(server.kernel_trouble(), "", "the kernel log")
    status = server.tool_ok("status")
    expect_equal((status["writes_refused"], status["control"]), (0, "ok"),
                 "status")


def clean_disk(disk):
    def check(server):
        server.run("umount /load && sync")
        done = subprocess.run(["e2fsck", "-f", "-n", disk], text=True,
                              capture_output=True)
        expect_equal(done.returncode, 0, done.stdout + done.stderr)

    check.__doc__ = "fsck finds no fault in the file system"
    return check


def under_load(report, kernel, scratch):
    folder = os.path.join(scratch, "load")
    os.makedirs(folder)
    disk = bundle_sets.make_disk(os.path.join(scratch, "written.img"), folder)
    run_suite(report, "under-load",
              [written_to, applied_busy, goes_on, clean_disk(disk)],
              start_server(kernel, scratch, "author-load", 2, mem="2G",
                           extra=TOOLS + bundle_sets.drive(disk, keep=True)))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    old, new = sys.argv[1:]
    report = Report()
    os.makedirs(LOGS, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
        kernel = files.Kernel(old)
        disk, have_source = make_disk(old, new, scratch)
        kernel.data_image = lambda: disk
        run_suite(report, "unpatched", [unpatched],
                  start_server(kernel, scratch, "author-unpatched", 2))
        steps = [applied, patched, stack_ends, hooked, traced,
                 stack_complete, reverted_hook, reverted]
        if have_source:
            steps += [applied_source, patched_source, reverted_source]
        else:
            print("the archive has dropped the source: nothing is compiled")
        run_suite(report, "patched", steps,
                  start_server(kernel, scratch, "author-patched", 2))
        under_load(report, kernel, scratch)
    print(report.summary(), flush=True)
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
