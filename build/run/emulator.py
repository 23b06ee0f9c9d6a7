# SPDX-License-Identifier: GPL-2.0-or-later
"""What every emulator gives to a Machine (machine.py)."""
import os
import subprocess


class MachineError(Exception):
    """The machine did not do what every test takes for granted."""


class Settings:
    """What the environment may choose: MACHINE=, SMP=, MEM=, CPU=, ACCEL=."""

    def __init__(self, **given):
        def choose(name, default):
            return given.get(name) or os.environ.get(name.upper()) or default

        self.machine = choose("machine", "qemu")
        # The environment speaks of the machine that it names: processors have
        # other names in the other emulator.
        foreign = self.machine != (os.environ.get("MACHINE") or "qemu")
        self.smp = int(choose("smp", 2))
        self.mem = given.get("mem") or "1G" if foreign else choose("mem", "1G")
        # None: as the emulator's module says.
        self.cpu = given.get("cpu") if foreign else choose("cpu", None)
        self.accel = choose("accel", None)

    def mem_mib(self):
        number, unit = self.mem[:-1], self.mem[-1]
        return int(number) * {"M": 1, "G": 1024}[unit]


class Emulator:
    """
    A running emulator with these attributes:

    process	its process
    agent	the guest's second serial line, a connected stream socket
    can		what tests may ask of it beyond its serial lines: "physical" and
		"nmi" as below, "qmp", "clock": the guest's time is the host's
    slowness	how many times longer than in QEMU things take
    """
    name = "emulator"
    can = frozenset()
    slowness = 1
    process = agent = None

    def start(self, args, folder, **options):
        self.errors = os.path.join(folder, "emulator.err")
        # Whatever ends this program ends the emulator too.
        args = ["setpriv", "--pdeathsig", "KILL", "--", *args]
        with open(self.errors, "wb") as err:
            self.process = subprocess.Popen(args, stderr=err, **options)

    def error_text(self):
        with open(self.errors, "rb") as file:
            return file.read().decode(errors="replace")

    def close(self):
        if self.agent:
            self.agent.close()
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()

    def physical(self, address, length):
        """Bytes of the machine's physical memory, whatever the guest sees."""
        raise NotImplementedError

    def inject_nmi(self):
        """An NMI from the machine, as from its front panel."""
        raise NotImplementedError
