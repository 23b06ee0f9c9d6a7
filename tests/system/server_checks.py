# SPDX-License-Identifier: GPL-2.0-or-later
"""One server from boot to reboot: the checks that share a boot, in order."""
import glob
import os
import re
import time

from harness import expect, expect_equal, needed, needs, several_cpus

SVM_BIT = 1 << 2            # CPUID 8000_0001 ECX
VMX_BIT = 1 << 5            # CPUID 1 ECX
FEATURE_CONTROL = 0x3a      # IA32_FEATURE_CONTROL
VMX_MSRS = range(0x480, 0x492)
LOAD_SECONDS = int(float(os.environ.get("LOAD_MINUTES") or "0.33") * 60)
CALL_SECONDS = int(os.environ.get("CALL_SECONDS") or 20)


def cpuid(server, leaf):
    return [int(word, 16)
            for word in server.run(f"us-probe cpuid {leaf:x}").split()]


# Under the hypervisor ----------------------------------------------------

@needed
def boots(server):
    """the kernel comes up under Underseal with all its CPUs"""
    cpus = server.settings.smp
    server.wait_console(rf"{cpus} CPUs? protected", timeout=1)
    expect_equal(server.run("grep -c ^processor /proc/cpuinfo"), str(cpus),
                 "CPUs in the guest")
    words = cpuid(server, 0x40000000)
    signature = b"".join(word.to_bytes(4, "little") for word in words[1:])
    expect_equal(signature, b"UndersealHyp", "CPUID signature")
    status = server.tool_ok("status")
    expect_equal(status["vcpus"], cpus, "vCPUs")
    expect_equal(status["sealed"], False, "sealed")
    expect_equal(status["control"], "ok", "control domain")


def virtualisation_is_hidden(server):
    """SVM or VMX is hidden: CPUID, MSRs and every instruction of it"""
    if server.is_intel():
        vmx_is_hidden(server)
    else:
        svm_is_hidden(server)


def vmx_is_hidden(server):
    expect(not cpuid(server, 1)[2] & VMX_BIT, "CPUID shows VMX")
    faults = server.attack_fields("vmx")
    expect_equal(faults, dict.fromkeys(faults, 1), "faulting instructions")
    enabled = server.attack_fields("vmx_enable")
    expect_equal(enabled, {"fault": 1, "set": 0}, "the guest sets CR4.VMXE")
    for number in VMX_MSRS:
        read = server.attack_fields("rdmsr", number)
        expect(read["error"] != 0, f"the guest can read MSR {number:#x}")
    wrote = server.attack_fields("wrmsr", FEATURE_CONTROL, 5)
    expect(wrote["error"] != 0, "the guest can set IA32_FEATURE_CONTROL")


def svm_is_hidden(server):
    expect(not cpuid(server, 0x80000001)[2] & SVM_BIT, "CPUID shows SVM")
    expect_equal(cpuid(server, 0x8000000a), [0, 0, 0, 0], "CPUID 8000000A")
    faults = server.attack_fields("svm")
    expect_equal(faults, dict.fromkeys(faults, 1), "faulting instructions")
    efer = server.attack_fields("rdmsr", 0xc0000080)
    expect(not efer["value"] & 1 << 12, "EFER shows SVME")
    wrote = server.attack_fields("wrmsr", 0xc0000080,
                                 efer["value"] | 1 << 12)
    expect(wrote["error"] != 0, "the guest can set EFER.SVME")
    wrote = server.attack_fields("wrmsr", 0xc0010117, 0x1000)
    expect(wrote["error"] != 0, "the guest can set VM_HSAVE_PA")


def callers(server):
    """only a privileged caller reaches the doorbell"""
    expect_equal(server.run("us-probe hypercall"), "ILL",
                 "VMCALL or VMMCALL at CPL 3")
    expect_equal(server.run("us-probe doorbell"), "SEGV",
                 "OUT without ioperm")


def raw_requests(server):
    """malformed requests are refused, each with its error"""
    wrong = [
        ("CALL_MAGIC", "eax=1"),
        ("GUEST_ADDRESS", "rbx=0"),
        ("GUEST_ADDRESS", "rbx=0x4000000000000000"),
        ("BAD_REQUEST", "magic=1"),
        ("ABI_VERSION", "version=99"),
        ("BAD_REQUEST", "op=99"),
        ("BAD_REQUEST", "ticket=0"),
        ("OUT_TOO_SMALL", "outlen=8"),
        ("GUEST_ADDRESS", "out=0x800000000000"),
        ("GUEST_ADDRESS", "op=2 in0=0x1000 len0=4096 in1=0x1000 len1=300"),
        ("TOO_LARGE", "op=2 in0=@/bin/busybox len0=0x10000000 "
                      "in1=@/bin/busybox len1=300"),
        ("NOT_SEALED", "op=3 in0=@/data/version.upatch "
                       "in1=@/data/version.upatch.minisig"),
    ]
    seen = [(server.ring(*fields.split())["rax"], fields)
            for _, fields in wrong]
    expect_equal(seen, wrong, "answers")


# Sealing ------------------------------------------------------------------

def bad_files(server, suffix):
    """(wanted error, path in the guest) of each input made by bad_inputs.py"""
    folder = os.path.join(server.kernel.guest, "bad")
    paths = sorted(glob.glob(os.path.join(folder, "*" + suffix)))
    expect(paths, f"no bad input {suffix}")
    names = [os.path.basename(path) for path in paths]
    return [(name.split("-")[0], "/data/bad/" + name) for name in names]


def refuse_all(server, command, suffix):
    wrong = []
    for wanted, path in bad_files(server, suffix):
        error, answer = server.tool(f"{command} {path}")
        if error != wanted:
            wrong.append(f"{os.path.basename(path)}: {error} {answer}")
    expect(not wrong, "\n     ".join(wrong))


def wrong_baselines(server):
    """wrong baselines are refused and nothing is half sealed"""
    refuse_all(server, "seal", ".ubase")
    expect_equal(server.tool_ok("status")["sealed"], False, "sealed")
    symbol = server.symbol("version_proc_show") + 20
    expect_equal(server.attack_fields("text_alias", symbol)["changed"], 1,
                 "a write to text that nobody sealed arrives")


def altered_kernel(server):
    """an altered kernel is refused with the first differing address"""
    address = server.symbol("version_proc_show") + 5
    before = server.attack_fields("text_poke", address, 0xcc)["was"]
    try:
        error, answer = server.tool("seal /data/baseline.ubase")
    finally:
        server.attack("text_poke", address, before)
    expect_equal(error, "KERNEL_TEXT", "seal")
    expect(f"{address:x}" in str(answer), f"address {address:x}: {answer}")
    expect_equal(server.tool_ok("status")["sealed"], False, "sealed")


@needed
def seals(server):
    """the kernel is verified against its baseline and sealed"""
    server.text_before_seal = server.text_bytes()
    report = server.tool_ok("seal /data/baseline.ubase")
    start = server.symbol("_text")
    expect_equal(int(report["text"]["address"], 16), start, "text address")
    expect(report["bytes_exact"] > report["bytes_enumerated"] > 0 and
           report["bytes_masked"] == 0, f"bytes {report}")
    expect_equal(report["bytes_exact"] + report["bytes_enumerated"],
                 report["text"]["bytes"], "bytes of text")
    expect_equal(int(report["slide"], 16), server.slide, "slide")
    expect_equal(report["kernel"], server.kernel.release, "kernel")
    expect_equal(server.tool_ok("status")["sealed"], True, "sealed")
    error, _ = server.tool("seal /data/baseline.ubase")
    expect_equal(error, "ALREADY_SEALED", "second seal")
    server.sealed_text = server.text_bytes()
    expect(server.sealed_text == server.text_before_seal,
           "sealing changed the text")


def differences(one, other):
    """Offsets at which two texts differ."""
    step = 4096
    return [offset for start in range(0, len(one), step)
            if one[start:start + step] != other[start:start + step]
            for offset in range(start, min(start + step, len(one)))
            if one[offset] != other[offset]]


def expect_text(server, wanted, what):
    """Not one byte of the kernel's text is another than in @wanted."""
    now = server.text_bytes()
    wrong = differences(now, wanted)
    if wrong:
        first = wrong[0]
        raise AssertionError(
            f"{what}: {len(wrong)} bytes of text differ, first at "
            f"_text+{first:#x}: {now[first:first + 16].hex()}, expected "
            f"{wanted[first:first + 16].hex()}")


def expect_text_but_sites(server, what):
    """The same, but the kernel may have patched itself where it may: work
    switches jump labels. What it did so is expected from then on."""
    now = server.text_bytes()
    sites = set()
    for offset, length in server.kernel.runtime_sites():
        sites.update(range(offset, offset + length))
    wrong = [offset for offset in differences(now, server.sealed_text)
             if offset not in sites]
    expect(not wrong, f"{what}: text differs at " +
           ", ".join(f"_text+{offset:#x}" for offset in wrong[:8]))
    server.sealed_text = now


# Patching -----------------------------------------------------------------

OLD = "Patched by Underseal"


def wrong_bundles(server):
    """wrong bundles are refused and no byte of text changes"""
    refuse_all(server, "apply", ".upatch")
    error = server.ring("op=3", "in0=@/data/version.upatch")["rax"]
    expect_equal(error, "SIG_MISSING", "no signature at all")
    expect_equal(server.tool_ok("list")["patches"], [], "installed")
    expect_text(server, server.sealed_text, "after refusals")


def some_wrong_bundles(server):
    """one bundle of each kind of fault is refused and no byte of text changes"""
    seen = set()
    for wanted, path in bad_files(server, ".upatch"):
        if wanted in seen:
            continue
        seen.add(wanted)
        error, answer = server.tool(f"apply {path}")
        expect_equal(error, wanted, f"{path}: {answer}")
    expect_text(server, server.sealed_text, "after refusals")


def expect_time_counted(server, before):
    """Where the time goes: some to each, and no more than there was."""
    after = server.tool_ok("counters")
    spent = [after[key] - before[key] for key in ("hypervisor_ns",
                                                  "control_ns")]
    expect(min(spent) > 0, f"time in hypervisor and control domain: {spent}")
    expect(after["hypervisor_ns"] + after["control_ns"] <
           after["time_ns"] * len(after["exits"]), f"too much time: {after}")


@needed
def applies(server):
    """a signed patch is applied and takes effect"""
    expect(OLD not in server.run("cat /proc/version"), "patched already")
    before = server.tool_ok("counters")
    receipt = server.tool_ok("apply /data/version.upatch")
    expect_time_counted(server, before)
    expect(OLD in server.run("cat /proc/version"), "no effect")
    expect_equal(receipt["name"], "version", "name")
    expect_equal(receipt["functions"], 1, "functions")
    expect(receipt["stop_ns"] > 0, "no stop was measured")
    changed = len(differences(server.text_bytes(), server.sealed_text))
    expect(0 < changed <= receipt["bytes_written"],
           f"{changed} bytes differ, {receipt['bytes_written']} written")
    patches = server.tool_ok("list")["patches"]
    expect_equal([patch["name"] for patch in patches], ["version"], "list")


def old_generation(server):
    """a bundle that is not newer is refused"""
    error, _ = server.tool("apply /data/version.upatch")
    expect_equal(error, "OLD_GENERATION", "again")


def wrong_reverts(server):
    """wrong revert authorisations are refused"""
    before = server.text_bytes()
    refuse_all(server, "revert", ".revert")
    error, _ = server.tool("revert /data/cmdline.revert")
    expect_equal(error, "PATCH_NOT_FOUND", "patch that is not installed")
    expect_text(server, before, "after refusals")


@needed
def reverts(server):
    """a signed revert restores every byte"""
    server.tool_ok("revert /data/version.revert")
    expect(OLD not in server.run("cat /proc/version"), "still patched")
    expect_text(server, server.sealed_text, "after revert")
    expect_equal(server.tool_ok("list")["patches"], [], "list")
    error, _ = server.tool("revert /data/version.revert")
    expect_equal(error, "PATCH_NOT_FOUND", "second revert")
    error, _ = server.tool("apply /data/version.upatch")
    expect_equal(error, "OLD_GENERATION", "replay after revert")


def function_in_use(server):
    """a function that is in use blocks its patch, and says who uses it"""
    server.run("us-probe pause > /tmp/pause & sleep 0.5")
    error, answer = server.tool("apply /data/pause.upatch --deadline 1500")
    expect_equal(error, "FUNCTION_IN_USE", "apply")
    pid = server.run("pidof us-probe")
    named = f"__x64_sys_pause in task us-probe, pid {pid} ("
    expect(answer["error"]["detail"].startswith(named), answer)
    expect_text(server, server.sealed_text, "after refusal")
    server.run("killall us-probe; sleep 0.3; true")
    receipt = server.tool_ok("apply /data/pause.upatch")
    expect_equal(receipt["name"], "pause", "name")
    server.run("us-probe pause > /tmp/pause & sleep 0.5; killall us-probe")
    expect(int(server.run("wc -l < /tmp/pause")) > 1,
           "pause() still sleeps")
    server.tool_ok("revert /data/pause.revert")
    expect_text(server, server.sealed_text, "after revert")


# Attacks ------------------------------------------------------------------

def text_attacks(server, cpus=None):
    """writes to kernel text from inside the kernel are refused"""
    refused = server.tool_ok("status")["writes_refused"]
    address = server.symbol("version_proc_show") + 20
    ways = ["text_alias", "text_wp", "text_pte", "text_direct",
            "text_string"]
    for way in ways:
        fields = server.attack_fields(way, address)
        expect_equal(fields["changed"], 0, f"{way}: changed")
    counted = server.tool_ok("status")["writes_refused"] - refused
    # Clearing CR0.WP is refused itself, and the write finds a read-only page.
    expect(counted >= len(ways) - 1, f"{counted} refusals counted")
    expect_text(server, server.sealed_text, "after attacks")
    log = server.run("underseal-guest log")
    expect(f"{address:x}" in log, f"no log entry names {address:x}:\n{log}")


def half_a_store(server):
    """of a store over a page's end whose second half is refused nothing stays"""
    before = server.tool_ok("status")
    fields = server.attack_fields("text_crossing", server.symbol("_text") +
                                  0x10000, 200)
    expect_equal(fields, {"changed": 0, "pages": 200}, "answer")
    after = server.tool_ok("status")
    expect_equal(after["writes_refused"] - before["writes_refused"], 200,
                 "refused")
    allowed = after["writes_allowed"] - before["writes_allowed"]
    expect(allowed > 20, f"{allowed} first halves were in order")
    expect_text(server, server.sealed_text, "after the stores")


def arena_attack(server):
    """the patch arena cannot be written by the guest"""
    status = server.tool_ok("status")
    arena = int(status["arena"]["address"], 16)
    before = server.physical(arena, 0x200000)
    server.attack("hidden_write", arena, 0x200000)
    expect(server.physical(arena, 0x200000) == before, "the arena changed")


def hidden_range(server):
    """[start, end) of the memory that the guest must not see"""
    status = server.tool_ok("status")
    # The arena and, behind it, shadow memory, which are not hidden.
    start = int(status["arena"]["address"], 16) + 2 * 0x200000
    for line in server.run("cat /proc/iomem").splitlines():
        match = re.match(r"\s*([0-9a-f]+)-([0-9a-f]+) : Reserved", line)
        if match:
            low, high = (int(text, 16) for text in match.groups())
            if low <= start <= high:
                return start, high + 1
    raise AssertionError(f"{start:#x} is not reserved in /proc/iomem")


def hidden_memory(server):
    """hidden memory reads as zeros or faults, and writes change nothing"""
    start, end = hidden_range(server)
    expect(end - start >= 1 << 20, f"only {end - start} bytes hidden")
    expect(any(server.physical(start, 0x10000)), "nothing is there to hide")
    fields = server.attack_fields("hidden_read", start, end - start)
    expect_equal(fields["nonzero"], 0, "bytes seen")
    expect(fields["read"] // 4096 + fields["faults"] ==
           (end - start) // 4096, f"pages tried: {fields}")
    server.attack("hidden_write", start, end - start)
    server.attack("hidden_locked", start)
    after = server.physical(start, end - start)
    hit = [offset for offset in range(0x100, len(after), 0x1000)
           if after[offset] == 0x5a]
    expect(len(hit) * 16 < len(after) // 0x1000,
           f"{len(hit)} pages took the write")
    expect_equal(server.tool_ok("status")["control"], "ok", "control domain")


def sleep_states(server):
    """only power-off passes of the sleep states, which would end protection"""
    ports = server.run("grep PM1a_CNT /proc/ioports").split("-")
    control = int(ports[0], 16)
    modes = server.run("cat /sys/power/mem_sleep").split()
    expect_equal(modes, ["[s2idle]"], "what the kernel knows of")
    # S3 and S4 of this machine: SLP_EN is bit 13, SLP_TYP bits 12-10.
    for kind in (1, 2):
        word = 1 << 13 | kind << 10
        server.run(f"us-probe out 2 {control} {word}")
        server.run(f"us-probe out 1 {control + 1} {word >> 8}")
    log = str(server.tool_ok("log"))
    expect_equal(log.count("sleep refused"), 4, "refusals in the log")
    expect_equal(server.tool_ok("status")["control"], "ok", "control domain")


def random_calls(server):
    """random hypercalls from ring 0 and ring 3 harm nobody"""
    seconds = server.part(CALL_SECONDS)
    fields = server.attack_fields("random_calls", seconds,
                                  timeout=seconds * 4 + 120)
    expect(fields["calls"] > 100 and fields["other"] > 10, str(fields))
    server.run(f"us-ring fuzz {seconds} 1", timeout=seconds * 4 + 120)
    status = server.tool_ok("status")
    expect_equal(status["control"], "ok", "control domain")
    expect_equal(status["sealed"], True, "sealed")
    expect_text(server, server.sealed_text, "after random calls")


# Living on while sealed ----------------------------------------------------

TRACING = "/sys/kernel/tracing"


def ftrace(server):
    """ftrace switches on and off while sealed, and traces"""
    allowed = server.tool_ok("status")["writes_allowed"]
    run = server.run
    run(f"echo 'vfs_*' > {TRACING}/set_ftrace_filter")
    for tracer in ("function", "function_graph"):
        run(f"echo {tracer} > {TRACING}/current_tracer", timeout=300)
        run("ls / > /dev/null; cat /proc/version")
        expect("vfs_" in run(f"head -n 200 {TRACING}/trace"),
               f"{tracer} saw nothing")
        run(f"echo nop > {TRACING}/current_tracer", timeout=300)
        run(f"echo > {TRACING}/trace")
    run(f"echo > {TRACING}/set_ftrace_filter")
    expect(server.tool_ok("status")["writes_allowed"] > allowed,
           "no write was let through")
    expect_text(server, server.sealed_text, "after tracing")


def jump_labels(server):
    """jump labels switch while sealed"""
    allowed = server.tool_ok("status")["writes_allowed"]
    switch = "/proc/sys/kernel/sched_schedstats"
    events = f"{TRACING}/events/sched/sched_switch/enable"
    for _ in range(3):
        server.run(f"echo 1 > {switch}; echo 1 > {events}")
        expect(server.text_bytes() != server.sealed_text,
               "no jump label was switched")
        server.run(f"echo 0 > {switch}; echo 0 > {events}")
    expect_text(server, server.sealed_text, "after switching back")
    expect(server.tool_ok("status")["writes_allowed"] > allowed,
           "no write was let through")


def patched_and_traced(server):
    """a patched function is traced by its old site, and reverts cleanly"""
    server.tool_ok("apply /data/cmdline.upatch")
    expect_equal(server.run("cat /proc/cmdline"), "withheld", "/proc/cmdline")
    server.run(f"echo cmdline_proc_show > {TRACING}/set_ftrace_filter && "
               f"echo function > {TRACING}/current_tracer")
    expect_equal(server.run("cat /proc/cmdline"), "withheld",
                 "/proc/cmdline while traced")
    trace = server.run(f"cat {TRACING}/trace")
    server.run(f"echo nop > {TRACING}/current_tracer; "
               f"echo > {TRACING}/set_ftrace_filter; echo > {TRACING}/trace")
    expect("cmdline_proc_show" in trace, "the call was not traced")
    server.tool_ok("revert /data/cmdline.revert")
    expect("us.agent" in server.run("cat /proc/cmdline"), "not reverted")
    expect_text(server, server.sealed_text, "after revert")


@several_cpus
def cpu_hotplug(server):
    """CPUs go offline and online again, still protected"""
    cpus = server.settings.smp
    address = server.symbol("version_proc_show") + 20
    for _ in range(3):
        for cpu in range(1, cpus):
            online = f"/sys/devices/system/cpu/cpu{cpu}/online"
            server.run(f"echo 0 > {online} && echo 1 > {online}")
            mask = f"{1 << cpu:x}"
            line = server.run(
                f"taskset {mask} sh -c 'echo text_alias {address:#x} > "
                "/sys/kernel/debug/us_attack'; "
                "cat /sys/kernel/debug/us_attack")
            expect("changed=0" in line, f"CPU {cpu}: {line}")
    expect_equal(server.run("grep -c ^processor /proc/cpuinfo"), str(cpus),
                 "CPUs online")
    expect_text(server, server.sealed_text, "after hotplug")


@several_cpus
def patch_without_a_cpu(server):
    """patching works while a CPU is offline"""
    online = "/sys/devices/system/cpu/cpu1/online"
    server.run(f"echo 0 > {online}")
    error, answer = server.tool("apply /data/later.upatch")
    server.run(f"echo 1 > {online}")
    expect_equal(error, "OK", str(answer))
    expect("later" in server.run("cat /proc/filesystems"), "no effect")
    server.tool_ok("revert /data/later.revert")
    expect_text(server, server.sealed_text, "after revert")


def interrupts(server):
    """every CPU gets its timer interrupts and the clock keeps time"""
    def counts():
        line = server.run("grep LOC: /proc/interrupts")
        return [int(word) for word in line.split()[1:1 + server.settings.smp]]

    seconds = server.part(4)
    busy = " ".join(f"taskset {1 << cpu:x} timeout {seconds} sh -c 'while :; do :; "
                    "done' &" for cpu in range(server.settings.smp))
    before, start = counts(), time.monotonic()
    uptime = float(server.run("cut -d' ' -f1 /proc/uptime"))
    server.run(f"{busy} sleep {seconds + 1}", timeout=60)
    passed = float(server.run("cut -d' ' -f1 /proc/uptime")) - uptime
    host_passed = time.monotonic() - start
    grown = [b - a for a, b in zip(before, counts())]
    expect(all(count > 50 for count in grown), f"timer interrupts {grown}")
    expect(passed > seconds + 0.9, f"the clock went on by {passed:.1f} s")
    if "clock" in server.emulator.can:
        expect(abs(passed - host_passed) < 2,
               f"{passed:.1f} s in the guest, {host_passed:.1f} s outside")


def load(server):
    """work and traffic run without a wrong byte or a lost interrupt"""
    workers = server.settings.smp + 1
    seconds = server.part(LOAD_SECONDS)
    line = server.run(f"us-load {seconds} {workers}",
                      timeout=seconds * 2 + 120)
    expect("errors=0" in line, line)
    expect_text_but_sites(server, "after load")


def patch_under_load(server):
    """a patch is applied and reverted while the server works"""
    seconds = server.part(15)
    server.run(f"us-load {seconds} 3 > /tmp/load & sleep 1")
    server.tool_ok("apply /data/busy.upatch --deadline 10000")
    expect_equal(server.run("us-probe ppid"), "4242", "getppid()")
    server.tool_ok("revert /data/busy.revert --deadline 10000")
    server.run(f"wait; sleep {seconds}")
    expect("errors=0" in server.run("cat /tmp/load"),
           server.run("cat /tmp/load"))
    expect_text_but_sites(server, "after revert")


def clean_log(server):
    """neither the kernel nor the hypervisor complained"""
    expect_equal(server.kernel_trouble(), "", "kernel log")
    status = server.tool_ok("status")
    expect_equal(status["control"], "ok", "control domain")
    expect_equal(status["sealed"], True, "sealed")


@needs("nmi")
def nmi(server):
    """the guest's own NMIs reach it"""
    before = server.run("grep NMI: /proc/interrupts").split()
    server.run("echo l > /proc/sysrq-trigger; sleep 1")
    server.emulator.inject_nmi()
    after = server.run("sleep 1; grep NMI: /proc/interrupts").split()
    cpus = range(1, 1 + server.settings.smp)
    got = [int(after[i]) - int(before[i]) for i in cpus]
    expect(sum(got) >= server.settings.smp, f"NMIs by CPU: {got}")


def reboots(server):
    """the guest reboots and comes up under Underseal again"""
    server.forget_boot()
    server.send("reboot -f")
    server.wait_ready()
    status = server.tool_ok("status")
    expect_equal(status["sealed"], False, "sealed")
    expect_equal(status["vcpus"], server.settings.smp, "vCPUs")


def agent(server):
    """the agent seals at boot and installs the stored bundles"""
    server.run("mkdir /tmp/patches && cp /data/version.upatch* "
               "/data/cmdline.upatch* /tmp/patches/")
    text = server.run("underseal-agent --once --baselines=/data "
                      "--patches=/tmp/patches")
    expect_equal(server.tool_ok("status")["sealed"], True, "sealed")
    patches = server.tool_ok("list")["patches"]
    expect_equal([patch["name"] for patch in patches],
                 ["version", "cmdline"], f"installed ({text})")
    expect(OLD in server.run("cat /proc/version"), "no effect")
    expect_equal(server.run("cat /proc/cmdline"), "withheld", "/proc/cmdline")
    server.run("cp /data/bad/WRONG_BUILD_ID* /tmp/patches/")
    status, text = server.sh("underseal-agent --once --baselines=/data "
                             "--patches=/tmp/patches")
    expect(len(server.tool_ok("list")["patches"]) == 2,
           f"another kernel's bundle: {status} {text}")


def powers_off(server):
    """the guest powers the machine off"""
    server.send("poweroff -f")
    deadline = server.deadline(60)
    while server.emulator.process.poll() is None:
        expect(time.monotonic() < deadline, "the machine runs on")
        time.sleep(0.2)


CHECKS = [
    boots, virtualisation_is_hidden, callers, raw_requests, wrong_baselines,
    altered_kernel, seals, wrong_bundles, applies, old_generation,
    wrong_reverts, reverts, function_in_use, text_attacks, half_a_store,
    arena_attack,
    hidden_memory, sleep_states, ftrace, jump_labels, patched_and_traced,
    cpu_hotplug,
    interrupts, random_calls, load, patch_under_load, patch_without_a_cpu,
    clean_log, nmi, reboots, agent,
]

# What runs with one host thread for each vCPU, for real concurrency. QEMU 7.2 then
# loses code that one vCPU patches under another, so nothing here patches text.
THREADED_CHECKS = [
    boots, virtualisation_is_hidden, callers, raw_requests, seals, wrong_bundles,
    text_attacks, arena_attack, hidden_memory, random_calls, interrupts,
    clean_log,
]

# What a machine under Bochs has time for.
BOCHS_CHECKS = [
    boots, virtualisation_is_hidden, callers, raw_requests, seals,
    some_wrong_bundles, applies, old_generation, reverts, text_attacks,
    half_a_store, arena_attack, hidden_memory, sleep_states, jump_labels,
    patched_and_traced, cpu_hotplug, interrupts, random_calls, load,
    patch_under_load, clean_log, powers_off,
]
