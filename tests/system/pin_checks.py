# SPDX-License-Identifier: GPL-2.0-or-later
"""Registers that are pinned after seal, on a server that is sealed."""
import time

from harness import ATTACK, Skip, expect, expect_equal, needed, several_cpus

# The order of tests/guest/module/registers.c.
PINNED = ["CR0.WP", "CR4.SMEP", "CR4.SMAP", "CR4.UMIP", "EFER.NXE", "EFER.SCE",
          "LSTAR", "STAR", "CSTAR", "SFMASK", "SYSENTER_CS", "SYSENTER_ESP",
          "SYSENTER_EIP", "IDTR", "GDTR"]
FREE = ["CR0.AM", "CR4.TSD", "CR4.PGE"]
ALWAYS_SET = ("CR0.WP", "CR4.SMEP", "CR4.SMAP", "EFER.NXE", "EFER.SCE")


def online_cpus(server):
    text = server.run("cat /sys/devices/system/cpu/online")
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def refused(server):
    return server.tool_ok("counters")["registers_refused"]


@needed
def seals(server):
    """the kernel is sealed, which pins its registers"""
    server.tool_ok("seal /data/baseline.ubase")


def pinned_registers(server, cpus=None):
    """a pinned register keeps its value on each CPU, and the guest gets #GP"""
    for cpu in cpus or online_cpus(server):
        before, tries = refused(server), 0
        for number, name in enumerate(PINNED):
            answer = server.attack_fields("pin_try", number, cpu)
            where = f"{name} on CPU {cpu}"
            expect(not answer["same"], f"{where}: its own value was refused")
            if answer["absent"] and name.startswith("CR"):
                expect(name not in ALWAYS_SET, f"{where} is not set")
                continue
            expect(answer["fault"], f"{where} could be changed: {answer}")
            expect(not answer["changed"], f"{where} has changed")
            tries += 1
        expect_equal(refused(server) - before, tries, "changes counted")
    log = server.run("underseal-guest log")
    expect("LSTAR <- " in log, "refused changes are not in the log")


def free_registers(server):
    """bits that are not pinned change, whatever instruction loads them"""
    for cpu in online_cpus(server):
        for number, name in enumerate(FREE, len(PINNED)):
            answer = server.attack_fields("pin_try", number, cpu)
            expect(not answer["fault"] and answer["changed"] and
                   not answer["same"], f"{name} on CPU {cpu}: {answer}")
    answer = server.attack_fields("pin_forms")
    expect(not any(answer.values()), f"wrongly carried out: {answer}")


def global_flushes(server):
    """translations are flushed by CR4.PGE as Linux does it"""
    answer = server.attack_fields("pin_global", 2000)
    expect_equal(answer["faults"], 0, "refused writes of CR4")
    expect(answer["ns"] < 1000000, f"one flush takes {answer['ns']} ns")


def wait_pinned(server, cpu):
    """Pinned again once @cpu's registers are as before: at the latest with the next
    look at it."""
    deadline = time.monotonic() + 30
    while not server.attack_fields("pin_try", 0, cpu)["fault"]:
        expect(time.monotonic() < deadline, f"CPU {cpu} stays unpinned")
        time.sleep(0.2)


@several_cpus
def cpu_restarts(server):
    """a CPU that goes offline and online again is pinned again"""
    cpu = max(online_cpus(server))
    online = f"/sys/devices/system/cpu/cpu{cpu}/online"
    for _ in range(3):
        server.run(f"echo 0 > {online} && echo 1 > {online}")
        wait_pinned(server, cpu)
    pinned_registers(server, [cpu])


def ticks(server):
    """the mappings are looked at once a second, busy or idle"""
    def audits():
        return server.tool_ok("status")["mapping"]["audits"]

    for load in (False, True):
        if load:
            server.run("(timeout 20 sh -c 'while :; do :; done' &) ; true")
        start, before = time.monotonic(), audits()
        time.sleep(8)
        done, seconds = audits() - before, time.monotonic() - start
        expect(done >= seconds * 0.5, f"{done} audits in {seconds:.1f} s")


def log_flood(server):
    """a guest that floods the log pushes out nothing but its own lines"""
    server.run("i=0; while [ $i -lt 400 ]; do echo pin_try 6 0; i=$((i+1)); "
               "done > /tmp/flood; while read -r line; do echo $line > "
               f"{ATTACK}; done < /tmp/flood", timeout=300)
    log = server.run("underseal-guest log")
    expect("sealed" in log, "the seal is not in the log any more")
    expect("LSTAR <- " in log, "the first refusals are not in the log")
    numbers = [int(line.split()[0]) for line in log.splitlines()]
    expect_equal(numbers, sorted(set(numbers)), "sequence numbers")
    expect(numbers[-1] > len(numbers), "nothing was overwritten")


def single_steps(server):
    """debug exceptions, which the hypervisor sees first, reach the guest"""
    answer = server.run("us-probe steps 500")
    expect_equal(answer, "steps=500 wrong=0", "single steps")


def reading_tables(server):
    """who only reads descriptor tables is not disturbed, whatever it costs"""
    if "umip" in server.run("grep -m 1 ^flags /proc/cpuinfo").split():
        raise Skip("with UMIP, programs cannot read them")
    answer = server.run("us-tables 1000")
    # TF: SIDT, PUSHF, AND, and the POPF that clears it.
    expect_equal(answer, "differing=0 signal=11 traps=4", "tables")


def triple_fault_reboots(server):
    """a triple fault still reboots the machine"""
    server.forget_boot()
    server.send(f"echo pin_triple_fault > {ATTACK}")
    server.wait_ready()


CHECKS = [seals, pinned_registers, free_registers, global_flushes, cpu_restarts,
          ticks, log_flood, single_steps, reading_tables, triple_fault_reboots]
