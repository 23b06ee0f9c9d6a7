# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated server: a Machine, whichever emulator runs it (qemu.py, bochs.py).

The first serial line is the console (a file, or the terminal in `make run`); the
hypervisor writes there too. On the second one the test userland takes shell
commands (tests/guest/init), so that a test is host code that looks at the
guest from inside, through Machine.sh, and from outside, through the emulator.
"""
import os
import re
import shutil
import socket
import tempfile
import time

from bochs import Bochs
from emulator import MachineError, Settings
from qemu import Qemu

EMULATORS = {"qemu": Qemu, "bochs": Bochs}

# Emulation is slow and the machine may be shared: limits are for what hangs. They
# are QEMU's; slower emulators get their multiple.
BOOT_TIMEOUT = 180
COMMAND_TIMEOUT = 120


class CommandFailed(Exception):
    """A command in the guest that has to succeed did not; the guest lives."""


class Machine:
    """A running machine. Use as a context manager: leaving it ends it."""

    def __init__(self, esp, data=None, log=None, settings=None, extra=()):
        self.settings = settings or Settings()
        self.dir = tempfile.mkdtemp(prefix="underseal-")
        self.console_path = log or os.path.join(self.dir, "console.log")
        os.makedirs(os.path.dirname(self.console_path) or ".", exist_ok=True)
        with open(self.console_path, "wb"):     # it exists from now on
            pass
        try:
            self.emulator = EMULATORS[self.settings.machine](
                self.settings, self.dir, self.console_path, esp, data, extra)
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        self.agent_buffer = b""
        self.serial = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.emulator.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    # The console --------------------------------------------------------

    def console(self, start=0):
        with open(self.console_path, "rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")

    def console_size(self):
        return os.path.getsize(self.console_path)

    def wait_console(self, pattern, timeout=BOOT_TIMEOUT, start=0):
        """Wait until a regular expression matches; returns the match."""
        deadline = self.deadline(timeout)
        while True:
            match = re.search(pattern, self.console(start))
            if match:
                return match
            if self.emulator.process.poll() is not None:
                raise MachineError(f"{self.emulator.name} ended before: "
                                   f"{pattern}")
            if time.monotonic() > deadline:
                raise MachineError(f"not on the console in time: {pattern}")
            time.sleep(0.1)

    # The guest's shell --------------------------------------------------

    def _agent_until(self, pattern, timeout):
        deadline = self.deadline(timeout)
        pattern = re.compile(pattern)
        while True:
            match = pattern.search(self.agent_buffer)
            if match:
                before = self.agent_buffer[:match.start()]
                self.agent_buffer = self.agent_buffer[match.end():]
                return match, before
            left = deadline - time.monotonic()
            if left <= 0:
                raise MachineError("the guest gave no answer in time: " +
                                   repr(self.agent_buffer[-300:]))
            self.emulator.agent.settimeout(left)
            try:
                chunk = self.emulator.agent.recv(65536)
            except socket.timeout:
                continue
            if not chunk:
                raise MachineError(f"{self.emulator.name} ended")
            self.agent_buffer += chunk

    def wait_ready(self, timeout=BOOT_TIMEOUT):
        """Wait for the test userland. Returns its boot facts as a dict."""
        match, _ = self._agent_until(rb"@@READY ([^\r\n]*)\r?\n", timeout)
        pairs = match.group(1).decode().split()
        return dict(pair.split("=", 1) for pair in pairs)

    def sh(self, command, timeout=COMMAND_TIMEOUT, check=False):
        """Run one line of shell in the guest; returns (status, output)."""
        self.serial += 1
        line = f"{self.serial} {command}\n".encode()
        if b"\n" in line[:-1]:
            raise ValueError("one line only")
        self.emulator.agent.settimeout(30)
        self.emulator.agent.sendall(line)
        match, output = self._agent_until(
            rb"@@END %d (\d+)\r?\n" % self.serial, timeout)
        status = int(match.group(1))
        text = output.decode(errors="replace").replace("\r\n", "\n")
        text = text.strip("\n")
        if check and status != 0:
            raise CommandFailed(f"in the guest: {command}: {status}: {text}")
        return status, text

    def run(self, command, timeout=COMMAND_TIMEOUT):
        """Output of a command that has to succeed."""
        return self.sh(command, timeout, check=True)[1]

    def send(self, command):
        """Start a command whose answer nobody waits for (reboot)."""
        self.serial += 1
        self.emulator.agent.sendall(f"{self.serial} {command}\n".encode())

    # From outside -------------------------------------------------------

    def deadline(self, timeout):
        """When the host's clock shows that @timeout of QEMU's pace is over."""
        return time.monotonic() + timeout * self.emulator.slowness

    def physical(self, address, length):
        return self.emulator.physical(address, length)
