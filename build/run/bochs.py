# SPDX-License-Identifier: GPL-2.0-or-later
"""Bochs under OVMF: an Intel machine with VT-x and EPT.

Debian's Bochs has its debugger built in and starts there: a file of commands lets
it go on, and SIGINT brings the prompt back. It has no display without a
reader but RFB's; nothing needs to connect there.
"""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import files
from emulator import Emulator, MachineError

OVMF = "/usr/share/ovmf/OVMF.fd"
VGA_BIOS = "/usr/share/seabios/vgabios-stdvga.bin"
CPU = "corei7_haswell_4770"

# Instructions per second of the guest's clock. What a guest waits for costs so many
# instructions; at less, its timer interrupts leave no time for work.
IPS = 50000000

PROMPT = re.compile(rb"<bochs:\d+> ")

CONFIGURATION = """\
plugin_ctrl: unmapped=true, biosdev=true, speaker=false, serial=true, iodebug=true, gameport=false
config_interface: textconfig
display_library: rfb, options="timeout=0"
megs: {megs}
romimage: file={OVMF}
vgaromimage: file={VGA_BIOS}
cpu: model={cpu}, count={smp}, ips={IPS}, reset_on_triple_fault=1, ignore_bad_msrs=1{cpu_more}
pci: enabled=1, chipset=i440fx
{disks}
boot: disk
com1: enabled=1, mode=file, dev={console}
com2: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
clock: sync=none, time0=utc
log: bochs.log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""


def configuration(settings, console, disks, port):
    """bochsrc: the same machine as qemu.arguments(), as far as Bochs goes."""
    cpu, _, more = (settings.cpu or CPU).partition(",")
    lines = [f"ata0-{place}: type=disk, path={path}, mode=volatile"
             for place, path in zip(("master", "slave"), disks)]
    return CONFIGURATION.format(
        OVMF=OVMF, VGA_BIOS=VGA_BIOS, IPS=IPS, cpu=cpu,
        cpu_more=more and ", " + more, megs=settings.mem_mib(),
        smp=settings.smp, disks="\n".join(lines), console=console, port=port)


def add_acpi_tables(esp, path):
    """A copy of an EFI system partition that first installs ACPI tables, which OVMF
    does not find in Bochs, and then starts what it started before."""
    shutil.copy(esp, path)
    volume = ["-i", f"{path}@@1M"]
    for command in (["mmove", *volume, "::EFI/BOOT/BOOTX64.EFI",
                     "::EFI/BOOT/NEXT.EFI"],
                    ["mcopy", *volume, files.out("tests/acpi_tables.efi"),
                     "::EFI/BOOT/BOOTX64.EFI"]):
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


class Bochs(Emulator):
    name = "Bochs"
    can = frozenset(("physical",))
    slowness = 4

    def __init__(self, settings, folder, console, esp, data, extra=()):
        if extra:
            raise MachineError("Bochs takes no more arguments")
        self.folder = folder
        disks = [add_acpi_tables(esp, os.path.join(folder, "esp.img"))]
        if data:
            disks.append(os.path.abspath(data))
        with socket.create_server(("127.0.0.1", 0)) as server:
            text = configuration(settings, os.path.abspath(console), disks,
                                 server.getsockname()[1])
            self._write("bochsrc", text)
            self._write("commands", "c\n")
            self.start(["bochs-bin", "-q", "-f", "bochsrc", "-rc", "commands"],
                       folder, cwd=folder, stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE)
            try:
                server.settimeout(30)
                self.agent, _ = server.accept()
            except OSError:
                self.close()
                raise MachineError("Bochs did not start: " +
                                   self.error_text()) from None

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w",
                  encoding="ascii") as file:
            file.write(text)

    def close(self):
        super().close()
        if self.process:
            self.process.stdin.close()
            self.process.stdout.close()

    # The debugger ---------------------------------------------------------

    def _until_prompt(self, timeout):
        """What the debugger printed up to its next prompt."""
        deadline, text = time.monotonic() + timeout, b""
        while not PROMPT.search(text[-32:]):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [],
                                              left)[0]:
                raise MachineError("no prompt of Bochs's debugger")
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise MachineError("Bochs ended: " + self.error_text())
            text += chunk
        return text

    def _command(self, line, timeout=60):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self._until_prompt(timeout)

    def debug(self, *lines):
        """Answers of the debugger to commands, while all CPUs stand still."""
        self.process.send_signal(signal.SIGINT)
        self._until_prompt(60)
        answers = [self._command(line) for line in lines]
        self.process.stdin.write(b"c\n")
        self.process.stdin.flush()
        return answers
