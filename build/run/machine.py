# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated server: QEMU under OVMF, its disks, its serial lines and QMP.

The first serial line is the console (a file, or the terminal in `make run`); the
hypervisor writes there too. On the second one the test userland takes shell
commands (tests/guest/init), so that a test is host code that looks at the
guest from inside, through Guest.sh, and from outside, through QMP.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"

# Emulation is slow and the machine may be shared: limits are for what hangs.
BOOT_TIMEOUT = 180
COMMAND_TIMEOUT = 120


class MachineError(Exception):
    """The machine did not do what every test takes for granted."""


class CommandFailed(Exception):
    """A command in the guest that has to succeed did not; the guest lives."""


class Settings:
    """What the environment may choose: SMP=, MEM=, CPU=, ACCEL=."""

    def __init__(self, **given):
        env = os.environ.get
        self.smp = int(given.get("smp") or env("SMP") or 2)
        self.mem = given.get("mem") or env("MEM") or "1G"
        self.cpu = given.get("cpu") or env("CPU") or "max"
        # QEMU 7.2 loses code that one vCPU patches under another when each
        # has its own thread; one thread for all is sound.
        self.accel = (given.get("accel") or env("ACCEL") or
                      "tcg,thread=single")
        self.qemu = env("QEMU") or "qemu-system-x86_64"


def qemu_arguments(settings, esp, data, vars_file):
    args = [
        settings.qemu, "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", "q35", "-accel", settings.accel, "-cpu", settings.cpu,
        "-smp", str(settings.smp), "-m", settings.mem, "-nic", "none",
        "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}",
        "-drive", f"if=pflash,format=raw,unit=1,file={vars_file}",
        "-drive", f"if=none,id=esp,format=raw,snapshot=on,file={esp}",
        "-device", "ide-hd,drive=esp,bootindex=0",
    ]
    if data:
        args += ["-drive",
                 f"if=none,id=data,format=raw,snapshot=on,file={data}",
                 "-device", "nvme,drive=data,serial=data"]
    return args


class Monitor:
    """QMP: the machine seen from outside."""

    def __init__(self, path, deadline):
        self.sock = connect(path, deadline)
        self.buffer = b""
        self._message()
        self.command("qmp_capabilities")

    def _message(self):
        while b"\n" not in self.buffer:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise MachineError("QEMU closed its monitor")
            self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def command(self, name, **arguments):
        self.sock.settimeout(60)
        request = {"execute": name, "arguments": arguments}
        self.sock.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = self._message()
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise MachineError(f"{name}: {message['error']['desc']}")


def connect(path, deadline):
    while True:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
            return sock
        except OSError:
            sock.close()
            if time.monotonic() > deadline:
                raise MachineError(f"QEMU did not open {path}") from None
            time.sleep(0.05)


class Machine:
    """A running QEMU. Use as a context manager: leaving it ends QEMU."""

    def __init__(self, esp, data=None, log=None, settings=None, extra=()):
        self.settings = settings or Settings()
        self.dir = tempfile.mkdtemp(prefix="underseal-")
        self.console_path = log or os.path.join(self.dir, "console.log")
        os.makedirs(os.path.dirname(self.console_path) or ".", exist_ok=True)
        vars_file = os.path.join(self.dir, "vars.fd")
        shutil.copy(OVMF_VARS, vars_file)
        args = qemu_arguments(self.settings, esp, data, vars_file)
        args += ["-serial", f"file:{self.console_path}"]
        args += ["-chardev", "socket,id=agent,server=on,wait=off,path="
                 + os.path.join(self.dir, "agent")]
        args += ["-serial", "chardev:agent"]
        args += ["-qmp", "unix:" + os.path.join(self.dir, "qmp") +
                 ",server=on,wait=off"]
        args += list(extra)
        with open(os.path.join(self.dir, "qemu.err"), "wb") as err:
            self.process = subprocess.Popen(
                args, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
        try:
            deadline = time.monotonic() + 30
            self.qmp = Monitor(os.path.join(self.dir, "qmp"), deadline)
            self.agent = connect(os.path.join(self.dir, "agent"), deadline)
        except (MachineError, OSError):
            with open(os.path.join(self.dir, "qemu.err"), "rb") as err:
                text = err.read().decode(errors="replace")
            self.close()
            raise MachineError(f"QEMU did not start: {text}") from None
        self.agent_buffer = b""
        self.serial = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
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
        deadline = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.console(start))
            if match:
                return match
            if self.process.poll() is not None:
                raise MachineError(f"QEMU ended before: {pattern}")
            if time.monotonic() > deadline:
                raise MachineError(f"not on the console in time: {pattern}")
            time.sleep(0.1)

    # The guest's shell --------------------------------------------------

    def _agent_until(self, pattern, timeout):
        deadline = time.monotonic() + timeout
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
            self.agent.settimeout(left)
            try:
                chunk = self.agent.recv(65536)
            except socket.timeout:
                continue
            if not chunk:
                raise MachineError("QEMU ended")
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
        self.agent.settimeout(30)
        self.agent.sendall(line)
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
        self.agent.sendall(f"{self.serial} {command}\n".encode())

    # From outside -------------------------------------------------------

    def physical(self, address, length):
        """Bytes of the machine's physical memory, whatever the guest sees."""
        path = os.path.join(self.dir, "memory")
        self.qmp.command("pmemsave", val=address, size=length, filename=path)
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
        return data
