# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks, the machines they run on, and the count at the end.

A suite is a list of checks that share one boot, in the order of their definition.
A check is a function of a Server that returns when all is well, raises
AssertionError (what is wrong) or Skip (why it cannot be done here). When
the machine itself is lost the rest of its suite counts as failed.
"""
import json
import os
import sys
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../build/run"))

import files            # noqa: E402
import machine          # noqa: E402

ATTACK = "/sys/kernel/debug/us_attack"


class Skip(Exception):
    """This check cannot be made here, and says why."""


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def expect_equal(actual, wanted, what):
    if actual != wanted:
        raise AssertionError(f"{what}: {actual!r}, expected {wanted!r}")


class Server(machine.Machine):
    """A machine with the test userland, and what tests ask of it."""

    attack_loaded = False
    slide = None
    text_physical = None

    def __init__(self, esp, kernel, data=None, **options):
        self.kernel = kernel
        super().__init__(esp, data or kernel.data_image(), **options)

    def is_intel(self):
        words = self.run("us-probe cpuid 0").split()
        return words[1] == "756e6547"       # "Genu"

    def part(self, seconds):
        """How long such a test lasts here: less on a slow machine."""
        return max(1, round(seconds / self.emulator.slowness))

    def attack(self, command, *numbers, timeout=60):
        """Let the hostile kernel module run one command; its answer."""
        if not self.attack_loaded:
            self.run("insmod /data/us_attack.ko")
            self.attack_loaded = True
        words = " ".join([command, *[hex(number) for number in numbers]])
        return self.run(f"echo {words} > {ATTACK} && cat {ATTACK}", timeout)

    def attack_fields(self, command, *numbers, timeout=60):
        """The same for answers of the form `key=number ...`."""
        text = self.attack(command, *numbers, timeout=timeout)
        pairs = (word.split("=", 1) for word in text.split())
        return {key: int(value, 0) for key, value in pairs}

    def symbol(self, name):
        """A symbol's address in the running kernel. The kernel's own table
        is read once a boot: it is long, and emulation slow."""
        link = self.kernel.symbol
        if self.slide is None:
            line = self.run("grep -m 1 ' _text$' /proc/kallsyms")
            self.slide = int(line.split()[0], 16) - link("_text")
        return link(name) + self.slide

    def tool(self, arguments, timeout=120):
        """`underseal-guest --json ...`: (error name or OK, answer)."""
        status, text = self.sh(f"underseal-guest {arguments} --json", timeout)
        try:
            answer = json.loads(text) if text else {}
        except ValueError:
            raise AssertionError(
                f"underseal-guest {arguments}: not JSON: {text}") from None
        error = answer.get("error") if isinstance(answer, dict) else None
        if error:
            return error["name"], answer
        expect_equal(status, 0, f"exit status of underseal-guest {arguments}")
        return "OK", answer

    def tool_ok(self, arguments, timeout=120):
        error, answer = self.tool(arguments, timeout)
        expect(error == "OK", f"underseal-guest {arguments}: {answer}")
        return answer

    def ring(self, *fields):
        """A raw request by us-ring: its answer as a dict of words."""
        text = self.run("us-ring call " + " ".join(fields))
        return dict(word.split("=", 1) for word in text.split())

    def text_bytes(self):
        """All kernel text as it lies in memory, seen from outside."""
        start = self.text_start()
        return self.physical(self.text_physical, self.symbol("_etext") - start)

    def text_start(self):
        """Linear address of _text; its physical one is known from then on."""
        start = self.symbol("_text")
        if self.text_physical is None:
            self.text_physical = int(self.attack("physical", start), 16)
        return start

    def forget_boot(self):
        """The machine starts again: nothing of the last boot holds."""
        self.attack_loaded = False
        self.slide = self.text_physical = None

    def kernel_trouble(self):
        """Lines of the kernel log that no test may cause."""
        return self.sh("dmesg | grep -E 'BUG:|Oops|Call Trace|soft lockup|"
                       "rcu.*stall|WARNING:|Kernel panic'")[1]


class Report:
    """Counts and prints results; safe for several threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.passed = self.failed = self.skipped = 0

    def add(self, verdict, suite, name, detail="", seconds=None):
        with self.lock:
            field = {"PASS": "passed", "FAIL": "failed",
                     "SKIP": "skipped"}[verdict]
            setattr(self, field, getattr(self, field) + 1)
            time_text = "" if seconds is None else f" ({seconds:.1f} s)"
            line = f"{verdict} {suite}: {name}{time_text}"
            print(line + (f"\n     {detail}" if detail else ""), flush=True)

    def total(self):
        return self.passed + self.failed + self.skipped

    def summary(self):
        return (f"{self.passed} passed, {self.failed} failed, "
                f"{self.skipped} skipped")


def title(check):
    return (check.__doc__ or check.__name__).strip().split("\n")[0]


def run_check(report, suite, check, server):
    """Returns False when the machine is lost."""
    start = time.monotonic()

    def done(verdict, detail=""):
        report.add(verdict, suite, title(check), detail,
                   time.monotonic() - start)

    try:
        check(server)
    except Skip as skip:
        done("SKIP", str(skip))
    except (AssertionError, machine.CommandFailed) as failure:
        done("FAIL", str(failure))
    except (machine.MachineError, OSError) as lost:
        done("FAIL", str(lost))
        return False
    except Exception:   # a test's own mistake must not end the run
        done("FAIL", traceback.format_exc())
    else:
        done("PASS")
    return True


def run_suite(report, suite, checks, start, only=None):
    """Boot with @start() -> Server and run @checks on it."""
    wanted = [check for check in checks
              if not only or only in title(check) or only == suite]
    if not wanted:
        return
    # What a check needs from the ones before it.
    if only and only != suite:
        wanted = [check for check in checks
                  if check in wanted or getattr(check, "needed", False)]
    try:
        server = start()
    except Exception as error:
        for check in wanted:
            report.add("FAIL", suite, title(check), f"no machine: {error}")
        return
    with server:
        for number, check in enumerate(wanted):
            if run_check(report, suite, check, server):
                continue
            tail = server.console()[-2000:]
            print(f"--- console of {suite} ends with:\n{tail}\n---",
                  flush=True)
            for rest in wanted[number + 1:]:
                report.add("FAIL", suite, title(rest), "the machine is lost")
            return


def needed(check):
    """Marks a check that later ones build on: it is never left out."""
    check.needed = True
    return check


def needs(*abilities):
    """Marks a check that asks these of the emulator (Emulator.can)."""
    def mark(check):
        check.needs = frozenset(abilities)
        return check

    return mark


def fitting(checks, smp, emulator="qemu"):
    """Those of @checks that make sense on such a machine."""
    can = machine.EMULATORS[emulator].can
    return [check for check in checks
            if (smp > 1 or not getattr(check, "several_cpus", False)) and
            getattr(check, "needs", frozenset()) <= can]


def several_cpus(check):
    """Marks a check that makes no sense on a machine with one CPU."""
    check.several_cpus = True
    return check
