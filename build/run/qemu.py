# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU under OVMF, its disks, its serial lines and QMP."""
import json
import os
import shutil
import socket
import subprocess
import time

import kvm
from emulator import Emulator, MachineError

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"

# QEMU 7.2 loses code that one vCPU patches under another when each has its own
# thread; one thread for all is sound.
ACCEL = "tcg,thread=single"
CPU = "max"


def processor(settings, kvm_problem):
    """Arguments: what runs the machine's processors, and which they are."""
    accel = settings.accel or ACCEL
    if accel != "kvm":
        return ["-accel", accel, "-cpu", settings.cpu or CPU]
    problem = kvm_problem()
    if problem:
        raise MachineError(f"ACCEL=kvm: {problem}")
    return ["-accel", "kvm", "-cpu", settings.cpu or "host"]


def arguments(settings, esp, data, vars_file, kvm_problem=kvm.problem):
    args = [
        os.environ.get("QEMU") or "qemu-system-x86_64",
        "-nodefaults", "-no-user-config", "-display", "none",
        "-machine", "q35", *processor(settings, kvm_problem),
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


class Qemu(Emulator):
    name = "QEMU"
    can = frozenset(("physical", "nmi", "qmp", "clock"))

    def __init__(self, settings, folder, console, esp, data, extra=()):
        self.folder = folder
        vars_file = os.path.join(folder, "vars.fd")
        shutil.copy(OVMF_VARS, vars_file)
        args = arguments(settings, esp, data, vars_file)
        args += ["-serial", f"file:{console}"]
        args += ["-chardev", "socket,id=agent,server=on,wait=off,path="
                 + os.path.join(folder, "agent")]
        args += ["-serial", "chardev:agent"]
        args += ["-qmp", "unix:" + os.path.join(folder, "qmp") +
                 ",server=on,wait=off"]
        self.start([*args, *extra], folder, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            self.qmp = Monitor(os.path.join(folder, "qmp"), deadline)
            self.agent = connect(os.path.join(folder, "agent"), deadline)
        except (MachineError, OSError):
            self.close()
            raise MachineError("QEMU did not start: " +
                               self.error_text()) from None

    def physical(self, address, length):
        path = os.path.join(self.folder, "memory")
        self.qmp.command("pmemsave", val=address, size=length, filename=path)
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
        return data

    def inject_nmi(self):
        self.qmp.command("inject-nmi")
