#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""All tests on emulated machines.

Usage: run_tests.py RELEASE [NAME]

NAME picks one suite (bochs2, smp1, smp2, smp4, guest-agent, loader, control-1, ...) or
all checks with these words in their title. Settings: MACHINES ("bochs qemu", or one of
them), JOBS (machines at a time),
LOAD_MINUTES, SOAK_MINUTES, CALL_SECONDS, LOAD_CPUS, APPLY_TIMES, CPU, MEM, ACCEL;
OTHER_KERNELS: releases for the short suites kernel-RELEASE, MISSING_KERNELS: what could
not be had. The last line counts the unit tests too, when `make test` has just run them
(build/out/unit.log).
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time

from harness import Report, Server, fitting, run_check, run_suite, title
import agent_checks
import audit_checks
import control_checks
import fault_checks
import files
import gate_checks
import load_checks
import loader_checks
import machine
import module_checks
import module_patch_checks
import pin_checks
import reboot_checks
import seal_checks
import server_checks
import set_checks
import shadow_checks
import soak
import task_checks

LOGS = files.out("logs")


TOOLS = ["-drive", "if=none,id=tools,format=raw,snapshot=on,file=" +
         files.out("guest/tools.img"),
         "-device", "nvme,drive=tools,serial=tools"]


def start_server(kernel, scratch, name, smp, loader="underseal.efi",
                 accel=None, mem=None, extra=(), emulator="qemu"):
    def start():
        esp = files.underseal_esp(os.path.join(scratch, f"{name}.img"),
                                  kernel, loader=loader)
        server = Server(esp, kernel,
                        log=os.path.join(LOGS, f"{name}.log"),
                        settings=machine.Settings(
                            machine=emulator, smp=smp, accel=accel, mem=mem),
                        extra=extra)
        try:
            server.wait_ready()
        except machine.MachineError as error:
            tail = server.console()[-2000:]
            server.close()
            raise machine.MachineError(f"{error}\n{tail}") from None
        return server

    return start


def loader_check(report, kernel, scratch, suite, check):
    case = loader_checks.Case(kernel, scratch, LOGS)
    try:
        run_check(report, suite, check, case)
    finally:
        case.close()


def loader_jobs(report, kernel, scratch, only, suite, checks):
    return [lambda check=check: loader_check(report, kernel, scratch, suite,
                                             check)
            for check in checks
            if not only or only == suite or only in title(check)]


def demo_check(report, kernel):
    """The demonstration, which judges itself."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, os.path.join(os.path.dirname(__file__), "demo.py"),
         kernel.release], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False)
    verdict = "FAIL" if done.returncode else "PASS"
    report.add(verdict, "demo", "the demonstration goes as its text says",
               done.stdout[-1000:] if done.returncode else "",
               time.monotonic() - start)


def suite_job(report, scratch, only, name, checks, smp, of, **start):
    """A callable that runs one suite."""
    wanted = fitting(checks, smp, start.get("emulator", "qemu"))
    return lambda: run_suite(report, name, wanted,
                             start_server(of, scratch, name, smp, **start),
                             only)


def bochs_jobs(report, kernel, scratch, only):
    """The machines with an Intel processor, under Bochs."""
    suites = [suite_job(report, scratch, only, f"bochs{smp}",
                        server_checks.BOCHS_CHECKS, smp, kernel,
                        emulator="bochs") for smp in (2, 1)]
    return suites + loader_jobs(report, kernel, scratch, only, "bochs-loader",
                                loader_checks.BOCHS_CHECKS)


def qemu_jobs(report, kernel, scratch, only):
    """The machines with an AMD processor, under QEMU, the longest first."""
    work = []

    def suite(name, checks, smp, of=kernel, **start):
        work.append(suite_job(report, scratch, only, name, checks, smp, of,
                              **start))

    suite("self-patching", seal_checks.CHECKS, 2, mem="2G", extra=TOOLS)
    suite("shadow", shadow_checks.CHECKS, 2)
    suite("soak", [server_checks.boots, seal_checks.seals, soak.short], 2)
    for name, checks, start in (
            load_checks.suites(kernel, scratch, start_server, TOOLS) +
            set_checks.suites(kernel, scratch, start_server, TOOLS) +
            task_checks.suites(kernel, scratch, start_server) +
            fault_checks.suites(kernel, scratch, start_server)):
        work.append(lambda name=name, checks=checks, start=start: run_suite(
            report, name, checks, start, only))
    for release in os.environ.get("OTHER_KERNELS", "").split():
        other = files.Kernel(release)
        suite(f"kernel-{release}", seal_checks.SHORT_CHECKS, 2, of=other)
    for smp in (4, 2, 1):
        suite(f"smp{smp}", server_checks.CHECKS, smp)
    for smp in (2, 1):
        suite(f"pins{smp}", pin_checks.CHECKS, smp)
    suite("modules", module_checks.CHECKS, 2)
    suite("module-patches", module_patch_checks.CHECKS, 2)
    suite("module-gate", gate_checks.CHECKS, 2)
    suite("agent-gate", gate_checks.AGENT, 2)
    suite("patch-health", gate_checks.PROBATION, 2)
    suite("panic-resets", gate_checks.RESETS, 2, loader="underseal-test.efi")
    suite("guest-agent", agent_checks.CHECKS, 2)
    work.append(lambda: run_suite(
        report, "agent-reboots", reboot_checks.CHECKS,
        reboot_checks.start(kernel, scratch,
                            os.path.join(LOGS, "agent-reboots.log")), only))
    suite("threads", server_checks.THREADED_CHECKS, 4,
          accel="tcg,thread=multi")
    for number, how in enumerate(control_checks.FAULT):
        suite(f"control-{number + 1}", control_checks.checks(how), 2,
              loader="underseal-test.efi")
    for policy in audit_checks.CHECKS:
        suite(f"audit-{policy}", audit_checks.checks(policy), 2)
    suite("audit-no-hpet", audit_checks.WITHOUT_HPET, 2, extra=["-no-hpet"])
    if only in (None, "demo"):
        work.append(lambda: demo_check(report, kernel))
    return work + loader_jobs(report, kernel, scratch, only, "loader",
                              loader_checks.CHECKS)


def run_machines(report, kernel, emulator, only):
    """All suites of one emulator, JOBS machines at a time; says how long."""
    at_a_time = int(os.environ.get("JOBS") or os.cpu_count() or 1)
    jobs = {"bochs": bochs_jobs, "qemu": qemu_jobs}[emulator]
    start, before = time.monotonic(), report.total()
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch, \
            concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        futures = [pool.submit(job)
                   for job in jobs(report, kernel, scratch, only)]
        for future in futures:
            future.result()
    if report.total() > before:
        name = machine.EMULATORS[emulator].name
        print(f"{name}: {report.total() - before} checks in "
              f"{(time.monotonic() - start) / 60:.1f} min", flush=True)


def add_unit_tests(report):
    """Adds what `make unit` counted on lines `N passed, N failed`."""
    try:
        with open(files.out("unit.log"), encoding="utf-8",
                  errors="replace") as file:
            text = file.read()
        with open(files.out("unit.status"), encoding="ascii") as file:
            status = int(file.read())
    except (OSError, ValueError):
        return
    counts = re.findall(r"(?m)^(?:\w+: )?(\d+) passed, (\d+) failed"
                        r"(?:, (\d+) skipped)?$", text)
    for passed, failed, skipped in counts[-1:]:
        report.passed += int(passed)
        report.failed += int(failed)
        report.skipped += int(skipped or 0)
    if status and not any(int(failed) for _, failed, _ in counts[-1:]):
        report.add("FAIL", "unit", f"make unit ended with status {status}")
    if not counts:
        report.add("FAIL", "unit", "make unit counted no tests")
    os.unlink(files.out("unit.log"))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.strip())
    kernel = files.Kernel(sys.argv[1])
    only = sys.argv[2] if len(sys.argv) == 3 else None
    report = Report()
    os.makedirs(LOGS, exist_ok=True)
    print(f"Kernel {kernel.release}; consoles in build/out/logs", flush=True)
    for emulator in (os.environ.get("MACHINES") or "bochs qemu").split():
        run_machines(report, kernel, emulator, only)
    if not only:
        for kind in os.environ.get("MISSING_KERNELS", "").split():
            report.add("SKIP", f"kernel-{kind}", "a short run on this kernel",
                       "the archive has none with debug image and headers")
        add_unit_tests(report)
    print(report.summary(), flush=True)
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
