# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sealed kernel does to its own code, each used for real by Debian's tools.

Every row observes that the feature works, that nothing was refused, and that all text
verifies afterwards.
"""
import re
import time

from harness import expect, expect_equal, needed
from server_checks import OLD, boots, clean_log, text_attacks
from verify import row, text_verifies

T = "/sys/kernel/tracing"
KPROBES = "/sys/kernel/debug/kprobes/list"
READ = "dd if=/proc/version of=/dev/null 2>/dev/null"    # calls vfs_read()


def wait_for(server, what, command, seconds=30):
    """Until @command succeeds in the guest."""
    deadline = time.monotonic() + seconds
    while server.sh(command)[0]:
        expect(time.monotonic() < deadline, f"{what}: not in {seconds} s")
        time.sleep(0.3)


def script(server, *lines, timeout=120):
    """Commands that all have to succeed."""
    return server.run(" && ".join(lines), timeout)


@needed
def tools_run(server):
    """Debian's tracing tools run in the guest"""
    # The kernel's own requests for modules go through this.
    server.run("echo /usr/bin/modprobe > /proc/sys/kernel/modprobe")
    for command, wanted in (("perf --version", "perf version"),
                            ("trace-cmd --version", "trace-cmd version"),
                            ("bpftrace --version", "bpftrace v"),
                            ("stress-ng --version", "stress-ng, version"),
                            ("kexec --version", "kexec-tools")):
        text = server.sh(command)[1]
        expect(wanted in text, f"{command}: {text}")


@needed
def seals(server):
    """the kernel is sealed, and its text verifies"""
    # Who reads a trace of vfs_read() would otherwise read for ever.
    server.run(f"echo 1 > {T}/options/pause-on-trace")
    # Emulated, switching all sites takes longer than Linux waits by itself.
    server.run("echo 0 > /proc/sys/kernel/soft_watchdog; "
               "echo 1 > /sys/module/rcupdate/parameters/"
               "rcu_cpu_stall_suppress")
    report = server.tool_ok("seal /data/baseline.ubase")
    expect_equal(report["kernel"], server.kernel.release, "kernel")
    server.sealed_text = server.text_bytes()
    text_verifies(server)


# Jump labels ---------------------------------------------------------------

@row
def schedstats(server):
    """jump labels: a sysctl switches a static key"""
    switch = "/proc/sys/kernel/sched_schedstats"
    expect("wait_sum" not in server.run("cat /proc/self/sched"), "on already")
    for _ in range(3):
        server.run(f"echo 1 > {switch}")
        expect("wait_sum" in server.run("cat /proc/self/sched"), "no effect")
        server.run(f"echo 0 > {switch}")


@row
def netfilter(server):
    """jump labels: netfilter hooks come and go, and count packets"""
    script(server, "modprobe nf_tables", "nft add table ip t",
           "nft add chain ip t in '{ type filter hook input priority 0; }'",
           "nft add rule ip t in icmp type echo-request counter",
           "ping -c 3 127.0.0.1 > /dev/null")
    rules = server.run("nft list ruleset")
    expect("counter packets 3" in rules, rules)
    script(server, "nft delete table ip t", "rmmod nf_tables nfnetlink")


@row
def cgroup_bandwidth(server):
    """jump labels: a cgroup's CPU bandwidth is limited"""
    group = "/tmp/cg/a"
    script(server, "mkdir -p /tmp/cg", "mount -t cgroup2 none /tmp/cg",
           "echo +cpu > /tmp/cg/cgroup.subtree_control", f"mkdir {group}",
           f"echo '10000 100000' > {group}/cpu.max")
    server.sh(f"echo 0 > {group}/cgroup.procs; "
              "timeout 2 sh -c 'while :; do :; done'")
    stat = server.run(f"cat {group}/cpu.stat")
    throttled = int(re.search(r"nr_throttled (\d+)", stat).group(1))
    expect(throttled > 3, stat)
    script(server, f"echo max > {group}/cpu.max", f"rmdir {group}",
           "echo -cpu > /tmp/cg/cgroup.subtree_control", "umount /tmp/cg")


# Static calls --------------------------------------------------------------

@row
def preemption(server):
    """static calls: the preemption model changes at run time"""
    file = "/sys/kernel/debug/sched/preempt"
    mode = re.search(r"\((\w+)\)", server.run(f"cat {file}")).group(1)
    texts = set()
    for wanted in ("full", "none", "voluntary", mode):
        server.run(f"echo {wanted} > {file}")
        expect(f"({wanted})" in server.run(f"cat {file}"), wanted)
        line = server.run("us-load 4 2 local")
        expect("errors=0" in line, line)
        texts.add(server.text_bytes())
        text_verifies(server)
    expect_equal(len(texts), 3, "different texts of three models")


@row
def tracepoint_calls(server):
    """static calls: a tracepoint has one, two and again no users"""
    # Nobody else uses this one; sched_switch also has the tracer's own probe.
    enable = "events/sched/sched_waking/enable"
    other = f"{T}/instances/other"
    texts = [server.text_bytes()]
    for command in (f"echo 1 > {T}/{enable}",
                    f"mkdir {other} && echo 1 > {other}/{enable}",
                    f"sleep 0.5; echo 0 > {other}/{enable}",
                    f"echo 0 > {T}/{enable}"):
        server.run(command)
        texts.append(server.text_bytes())
        text_verifies(server)
    expect(texts[1] not in (texts[0], texts[2]), "two users call like one")
    for trace in (f"{T}/trace", f"{other}/trace"):
        expect("sched_waking:" in server.run(f"head -n 50 {trace}"), trace)
    script(server, f"rmdir {other}", f"echo > {T}/trace")


# ftrace ----------------------------------------------------------------------

@row
def ftrace_single(server):
    """ftrace: single functions, function and function_graph"""
    for tracer in ("function", "function_graph"):
        script(server, f"echo vfs_read > {T}/set_ftrace_filter",
               f"echo {tracer} > {T}/current_tracer", READ)
        expect("vfs_read" in server.run(f"tail -n 20 {T}/trace"),
               f"{tracer} saw nothing")
        script(server, f"echo vfs_write >> {T}/set_ftrace_filter",
               f"echo '!vfs_read' >> {T}/set_ftrace_filter",
               f"echo > {T}/trace", READ, "echo > /dev/null")
        trace = server.run(f"cat {T}/trace")
        expect("vfs_write" in trace and "vfs_read" not in trace, trace[-500:])
        script(server, f"echo nop > {T}/current_tracer",
               f"echo > {T}/set_ftrace_filter", f"echo > {T}/trace")


@row
def ftrace_all(server):
    """ftrace: all functions, function and function_graph, on and off"""
    for tracer in ("function", "function_graph"):
        before = server.tool_ok("status")["writes_allowed"]
        server.run(f"echo {tracer} > {T}/current_tracer", timeout=900)
        server.run(READ)
        seen = server.run(f"tail -n 4000 {T}/trace | grep -o '[a-z_]*()\\|"
                          "<-[a-z_]*' | sort -u | wc -l", timeout=300)
        expect(int(seen) > 20, f"{tracer}: {seen} functions seen")
        server.run(f"echo nop > {T}/current_tracer", timeout=900)
        server.run(f"echo > {T}/trace")
        done = server.tool_ok("status")["writes_allowed"] - before
        expect(done > 100000, f"{tracer}: only {done} writes")


@row
def trace_cmd(server):
    """ftrace: trace-cmd traces functions and records events"""
    for plugin in ("function", "function_graph"):
        # Back to nop first: trace-cmd would drop the filter first, and so trace
        # all functions for a moment, which takes long when emulated.
        script(server, f"trace-cmd start -p {plugin} -l 'vfs_r*'", READ,
               "trace-cmd stop")
        text = server.run("trace-cmd show | grep -m 3 vfs_read; "
                          "trace-cmd start -p nop; trace-cmd clear; "
                          f"echo > {T}/set_ftrace_filter")
        expect("vfs_read" in text, f"{plugin}: {text}")
    server.run("trace-cmd record -q -e sched:sched_switch -e syscalls "
               f"-o /tmp/t.dat {READ.split(' 2>')[0]}", timeout=300)
    text = server.run("trace-cmd report -i /tmp/t.dat 2>/dev/null | "
                      "grep -m 3 sys_exit_read", timeout=300)
    expect("sys_exit_read" in text, text)
    server.run(f"echo 1 > {T}/tracing_on; "
               f"echo 1 > {T}/options/pause-on-trace")


@row
def tracing_suspended(server):
    """tracing is suspended and resumed, in instances too"""
    other = f"{T}/instances/other"
    script(server, f"mkdir {other}", f"echo 1 > {other}/options/pause-on-trace",
           f"echo vfs_read > {T}/set_ftrace_filter",
           f"echo vfs_read > {other}/set_ftrace_filter",
           f"echo function > {T}/current_tracer",
           f"echo function > {other}/current_tracer",
           f"echo 0 > {T}/tracing_on", f"echo > {T}/trace", READ)
    expect("vfs_read" not in server.run(f"cat {T}/trace"), "not suspended")
    expect("vfs_read" in server.run(f"tail -n 5 {other}/trace"), "instance")
    script(server, f"echo 1 > {T}/tracing_on", READ)
    expect("vfs_read" in server.run(f"tail -n 5 {T}/trace"), "not resumed")
    script(server, f"echo nop > {T}/current_tracer", f"echo > {other}/trace",
           READ)
    expect("vfs_read" in server.run(f"tail -n 5 {other}/trace"), "instance")
    script(server, f"echo nop > {other}/current_tracer", f"rmdir {other}",
           f"echo > {T}/set_ftrace_filter", f"echo > {T}/trace",
           f"echo 0 > /proc/sys/kernel/ftrace_enabled",
           f"echo 1 > /proc/sys/kernel/ftrace_enabled")


# Kprobes ---------------------------------------------------------------------

def past_ftrace_site(server, symbol):
    """Offset of the first instruction that neither ENDBR nor ftrace owns."""
    start = server.symbol(symbol) - server.symbol("_text")
    code = server.sealed_text[start:start + 16]
    nop = code.find(bytes.fromhex("0f1f440000"))
    expect(nop in (0, 4), f"{symbol} begins with {code.hex()}")
    return nop + 5


@row
def kprobes(server):
    """kprobes and kretprobes by kprobe_events, at and inside functions"""
    inside = past_ftrace_site(server, "vfs_read")
    script(server, "echo 0 > /proc/sys/debug/kprobes-optimization",
           f"echo 'p:us_entry vfs_read' > {T}/kprobe_events",
           f"echo 'p:us_inside vfs_read+{inside}' >> {T}/kprobe_events",
           f"echo 'r:us_return vfs_read ret=$retval' >> {T}/kprobe_events",
           f"echo 1 > {T}/events/kprobes/enable")
    listed = server.run(f"cat {KPROBES}")
    expect_equal(len(listed.splitlines()), 3, listed)
    server.run(READ)
    trace = server.run(f"cat {T}/trace")
    for name in ("us_entry", "us_inside", "us_return"):
        expect(name in trace, f"{name} was not hit: {trace[-800:]}")
    expect("ret=" in trace, "no return value")
    script(server, f"echo 0 > {T}/events/kprobes/enable",
           f"echo > {T}/kprobe_events", f"echo > {T}/trace",
           "echo 1 > /proc/sys/debug/kprobes-optimization")
    expect_equal(server.run(f"cat {KPROBES}"), "", "kprobes left")


@row
def optimised_kprobes(server):
    """optimised kprobes become jumps, and int3 again by sysctl"""
    server.run("echo 1 > /proc/sys/debug/kprobes-optimization")
    names = ("vfs_read", "vfs_write", "ksys_write", "vfs_open", "do_sys_poll",
             "vfs_statx")
    for name in names:
        offset = past_ftrace_site(server, name)
        script(server, f"echo 'p:us_{name} {name}+{offset}' >> "
               f"{T}/kprobe_events")
    server.run(f"echo 1 > {T}/events/kprobes/enable")
    wait_for(server, "no kprobe is optimised", f"grep -q OPTIMIZED {KPROBES}")
    server.run("sleep 1")
    jumps = server.run(f"grep -c OPTIMIZED {KPROBES}")
    script(server, READ, "echo > /dev/null")
    trace = server.run(f"cat {T}/trace")
    for name in ("us_vfs_read:", "us_vfs_write:"):
        expect(name in trace, f"{name} ({jumps} optimised): {trace[-500:]}")
    server.run("echo 0 > /proc/sys/debug/kprobes-optimization")
    wait_for(server, "still optimised", f"! grep -q OPTIMIZED {KPROBES}")
    script(server, f"echo > {T}/trace", READ)
    expect("us_vfs_read:" in server.run(f"cat {T}/trace"), "int3 is not hit")
    server.run("echo 1 > /proc/sys/debug/kprobes-optimization")
    wait_for(server, "not optimised again", f"grep -q OPTIMIZED {KPROBES}")
    script(server, f"echo 0 > {T}/events/kprobes/enable",
           f"echo > {T}/kprobe_events", f"echo > {T}/trace")
    wait_for(server, "kprobes are left", f"[ -z \"$(cat {KPROBES})\" ]")


@row
def perf_probe(server):
    """kprobes: perf probe at entry and return"""
    script(server, "perf probe -q -a vfs_read",
           "perf probe -q -a 'vfs_read%return ret=$retval'")
    server.run(f"perf record -q -e 'probe:*' -o /tmp/p -- {READ}")
    text = server.run("perf script -i /tmp/p")
    expect("probe:vfs_read:" in text and "ret=" in text, text[-500:])
    server.run("perf probe -q -d '*'")


# Tracepoints and BPF ----------------------------------------------------------

@row
def tracepoints(server):
    """tracepoints: perf records them, counts them"""
    server.run("perf record -q -a -e sched:sched_switch -e "
               "syscalls:sys_enter_read -o /tmp/p -- " + READ)
    text = server.run("perf script -i /tmp/p")
    expect("sys_enter_read" in text and "sched_switch" in text, text[-500:])
    text = server.run("perf stat -x, -e syscalls:sys_enter_read "
                      "dd if=/proc/version of=/dev/null 2>&1")
    count = re.search(r"(?m)^(\d+),,syscalls:sys_enter_read", text)
    expect(count and int(count.group(1)) > 0, text)


@row
def many_events(server):
    """tracepoints: hundreds of events at once, on and off"""
    # Not all: emulated, a kernel that records each interrupt does nothing else.
    groups = "syscalls sched kmem ext4 block net signal task tcp vmscan writeback"
    switch = f"for g in {groups}; do echo %d > {T}/events/$g/enable; done"
    server.run(switch % 1, timeout=300)
    server.run(READ)
    server.run(switch % 0, timeout=300)
    events = server.run(f"tail -n 2000 {T}/trace | grep -o ' [a-z_]*: ' | "
                        "sort -u | wc -l", timeout=120)
    expect(int(events) > 10, f"{events} kinds of event seen")
    server.run(f"echo > {T}/trace")


def bpftrace(server, program, while_attached, timeout=120):
    """Output of a program that is attached while the guest runs something."""
    server.run(f"bpftrace -e '{program}' > /tmp/bpf 2>&1 & "
               "echo $! > /tmp/bpf.pid")
    wait_for(server, "bpftrace does not attach",
             "grep -q Attaching /tmp/bpf", timeout)
    server.run("sleep 1")
    while_attached()
    server.run("kill -INT $(cat /tmp/bpf.pid)")
    wait_for(server, "bpftrace does not end",
             "! kill -0 $(cat /tmp/bpf.pid) 2>/dev/null", timeout)
    return server.run("cat /tmp/bpf")


@row
def bpf_trampolines(server):
    """BPF trampolines: fentry and fexit by bpftrace"""
    text = bpftrace(server, "kfunc:vfs_read { @in[comm] = count(); } "
                    "kretfunc:vfs_read /retval > 0/ { @out[comm] = count(); }",
                    lambda: server.run(READ))
    expect("@in[dd]" in text and "@out[dd]" in text, text)


@row
def bpf_and_ftrace(server):
    """BPF trampolines: a function is traced by BPF and ftrace at once"""
    def both():
        script(server, f"echo vfs_read > {T}/set_ftrace_filter",
               f"echo function > {T}/current_tracer", READ)
        expect("vfs_read" in server.run(f"tail -n 5 {T}/trace"), "ftrace")
        script(server, f"echo nop > {T}/current_tracer", READ,
               f"echo > {T}/set_ftrace_filter", f"echo > {T}/trace")

    text = bpftrace(server, "kfunc:vfs_read { @in[comm] = count(); }", both)
    expect("@in[dd]" in text, text)


@row
def raw_tracepoints(server):
    """BPF: raw tracepoints"""
    count = server.run("us-bpf sched_switch 2")
    expect(int(count) > 0, f"{count} events")


@row
def bpf_kprobes(server):
    """BPF: programs on kprobes, kretprobes and tracepoints"""
    text = bpftrace(server, "kprobe:vfs_read { @a[comm] = count(); } "
                    "kretprobe:vfs_read { @b[comm] = count(); } "
                    "tracepoint:syscalls:sys_enter_read { @c[comm] = count(); }",
                    lambda: server.run(READ))
    for name in ("@a[dd]", "@b[dd]", "@c[dd]"):
        expect(name in text, text)


# Modules ---------------------------------------------------------------------

@row
def modules(server):
    """modules are loaded, used, traced and unloaded"""
    for _ in range(3):
        script(server, "modprobe loop", "truncate -s 16M /tmp/disk",
               "losetup /dev/loop0 /tmp/disk", "mkdir -p /tmp/m",
               "mke2fs /dev/loop0 > /dev/null 2>&1",
               "mount -t ext4 /dev/loop0 /tmp/m", "cp /bin/busybox /tmp/m/b",
               "cmp /bin/busybox /tmp/m/b", "umount /tmp/m",
               "losetup -d /dev/loop0", "sleep 0.5", "rmmod loop")
        script(server, "modprobe dummy numdummies=1", "ip link set dummy0 up",
               "ip addr add 10.9.9.1/24 dev dummy0",
               f"echo dummy_xmit > {T}/set_ftrace_filter",
               f"echo function > {T}/current_tracer")
        server.sh("ping -c 1 -W 1 10.9.9.2; arping -c 1 -I dummy0 10.9.9.2")
        expect("dummy_xmit" in server.run(f"tail -n 5 {T}/trace"),
               "a module's function is not traced")
        script(server, f"echo nop > {T}/current_tracer",
               f"echo > {T}/set_ftrace_filter", f"echo > {T}/trace",
               "rmmod dummy", "modprobe veth", "rmmod veth")
    expect_equal(server.run("grep -cE '^(dummy|veth|loop) ' /proc/modules; "
                            "true"), "0", "modules left")


@row
def livepatch(server):
    """a kernel live patch is loaded, works, and is unloaded"""
    switch = "/sys/kernel/livepatch/us_live"
    server.run("insmod /data/us_live.ko")
    wait_for(server, "transition", f"[ $(cat {switch}/transition) = 0 ]", 60)
    expect_equal(server.run("cat /proc/cmdline"), "live patched", "cmdline")
    server.run(f"echo 0 > {switch}/enabled")
    wait_for(server, "transition back", f"! [ -e {switch} ]", 60)
    expect("us.agent" in server.run("cat /proc/cmdline"), "still patched")
    wait_for(server, "unload", "rmmod us_live")


@row
def hotplug_while_traced(server):
    """CPUs go offline and online while traced"""
    online = "/sys/devices/system/cpu/cpu1/online"
    script(server, f"echo 'vfs_*' > {T}/set_ftrace_filter",
           f"echo function > {T}/current_tracer",
           f"echo 1 > {T}/events/sched/sched_switch/enable")
    for _ in range(2):
        script(server, f"echo 0 > {online}",
               "echo 1 > /proc/sys/kernel/sched_schedstats",
               f"echo 1 > {online}",
               "echo 0 > /proc/sys/kernel/sched_schedstats")
        script(server, f"echo > {T}/trace", f"taskset 2 {READ}")
        expect("[001]" in server.run(f"grep vfs_read {T}/trace"),
               "CPU 1 is not traced")
    script(server, f"echo nop > {T}/current_tracer",
           f"echo 0 > {T}/events/sched/sched_switch/enable",
           f"echo > {T}/set_ftrace_filter", f"echo > {T}/trace")


@row
def together(server):
    """ftrace, kprobe, event and patch on one function at the same time"""
    script(server, f"echo cmdline_proc_show > {T}/set_ftrace_filter",
           f"echo function > {T}/current_tracer",
           f"echo 'p:us_both cmdline_proc_show' > {T}/kprobe_events",
           f"echo 1 > {T}/events/kprobes/us_both/enable")
    server.tool_ok("apply /data/cmdline.upatch")
    expect_equal(server.run("cat /proc/cmdline"), "withheld", "/proc/cmdline")
    trace = server.run(f"cat {T}/trace")
    expect("us_both:" in trace and "cmdline_proc_show <-" in trace, trace)
    server.tool_ok("revert /data/cmdline.revert")
    script(server, f"echo nop > {T}/current_tracer",
           f"echo 0 > {T}/events/kprobes/us_both/enable",
           f"echo > {T}/kprobe_events", f"echo > {T}/set_ftrace_filter",
           f"echo > {T}/trace")
    expect("us.agent" in server.run("cat /proc/cmdline"), "not reverted")


@row
def stress(server):
    """events and functions are traced under stress-ng's load"""
    server.run("stress-ng --cpu 1 --pipe 1 --sock 1 --hdd 1 --hdd-bytes 4M "
               "--temp-path /tmp --timeout 12 > /tmp/stress 2>&1 & "
               "echo $! > /tmp/stress.pid")
    for _ in range(4):
        script(server, f"echo 'tcp_*' > {T}/set_ftrace_filter",
               f"echo function > {T}/current_tracer",
               f"echo 1 > {T}/events/sched/enable", "sleep 0.5",
               f"echo 0 > {T}/events/sched/enable",
               f"echo nop > {T}/current_tracer",
               f"echo > {T}/set_ftrace_filter", f"echo > {T}/trace")
    wait_for(server, "stress-ng does not end",
             "! kill -0 $(cat /tmp/stress.pid) 2>/dev/null", 90)
    text = server.run("cat /tmp/stress")
    expect("successful run completed" in text, text)


# Another kernel ----------------------------------------------------------------

def kexec(server):
    """kexec gets no kernel to run that is not sealed: the machine restarts"""
    server.run("kexec -c -l /data/vmlinuz --reuse-cmdline")
    size = server.console_size()
    server.forget_boot()
    server.send("kexec -e")
    server.wait_ready()
    server.wait_console(r"CPUs? protected", timeout=1, start=size)
    expect_equal(server.tool_ok("status")["sealed"], False, "sealed")


CHECKS = [
    boots, tools_run, seals, schedstats, netfilter, cgroup_bandwidth,
    preemption, tracepoint_calls, tracepoints, many_events, ftrace_single,
    trace_cmd, tracing_suspended, ftrace_all, bpf_trampolines, bpf_and_ftrace,
    raw_tracepoints, bpf_kprobes, modules, livepatch, hotplug_while_traced,
    stress, kprobes, optimised_kprobes, perf_probe, together, clean_log, kexec,
]


# What the other kernels are put through: one boot, a few minutes -----------------

@needed
def applies(server):
    """a signed patch is applied and takes effect"""
    server.tool_ok("apply /data/version.upatch")
    expect(OLD in server.run("cat /proc/version"), "no effect")


def refuses(server):
    """wrong bundles and writes from inside the kernel are refused"""
    for wrong, name in (("SIG_INVALID", "bit-in-payload"),
                        ("WRONG_BUILD_ID", "other-kernel"),
                        ("SIG_KEY_UNKNOWN", "stranger")):
        error, _ = server.tool(f"apply /data/bad/{wrong}-{name}.upatch")
        expect_equal(error, wrong, name)
    server.sealed_text = server.text_bytes()
    text_attacks(server)


def reverts(server):
    """a signed revert restores every byte"""
    server.tool_ok("revert /data/version.revert")
    expect(OLD not in server.run("cat /proc/version"), "still patched")
    text_verifies(server)


SHORT_CHECKS = [boots, seals, schedstats, preemption, ftrace_single,
                tracing_suspended, modules, livepatch, applies, refuses,
                reverts, kprobes, optimised_kprobes, clean_log]
