# SPDX-License-Identifier: GPL-2.0-or-later
"""Bochs under OVMF: an Intel machine with VT-x and EPT.

Debian's Bochs has its debugger built in and starts there: a file of commands lets
it go on. It has no display without a reader but RFB's; nothing needs to connect there.
"""
import os
import re
import shutil
import socket
import subprocess

import files
from emulator import Emulator, MachineError

OVMF = "/usr/share/ovmf/OVMF.fd"
VGA_BIOS = "/usr/share/seabios/vgabios-stdvga.bin"
CPU = "corei7_haswell_4770"

# Instructions of each CPU in a second of the guest's clock. A second that a guest waits
# costs as many; with fewer, sealing takes longer than the hypervisor grants the
# control domain (REQUEST_BUDGET_MS).
IPS = 100000000

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
info: action=ignore, memory=report
debug: action=ignore, memory=report
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
    slowness = 6

    def __init__(self, settings, folder, console, esp, data, extra=()):
        if extra:
            raise MachineError("Bochs takes no more arguments")
        self.folder = folder
        self.megs = settings.mem_mib()
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
                       stdout=subprocess.DEVNULL)
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

    # Memory from outside ----------------------------------------------------

    def _memory_map(self):
        """(address of the memory in Bochs, size of a block, {block of the guest's
        memory: which one of Bochs's}), as its log tells: a block gets its place
        when it is first used."""
        with open(os.path.join(self.folder, "bochs.log"),
                  encoding="ascii", errors="replace") as file:
            text = file.read()
        vector = re.search(r"after alignment, vector=(0x[0-9a-f]+)", text)
        size = re.search(r"mem block size = (0x[0-9a-f]+)", text)
        if not vector or not size:
            raise MachineError("Bochs does not say where its memory is")
        places = {int(block, 16): int(used, 16) - 1 for block, used in
                  re.findall(r"allocate_block: block=0x([0-9a-f]+) used "
                             r"0x([0-9a-f]+) of", text)}
        return int(vector.group(1), 16), int(size.group(1), 16), places

    def physical(self, address, length):
        vector, size, places = self._memory_map()
        if address + length > self.megs << 20:
            raise MachineError(f"no memory at {address + length:#x}")
        parts = []
        with open(f"/proc/{self.process.pid}/mem", "rb") as memory:
            while length:
                block, offset = divmod(address, size)
                part = min(length, size - offset)
                if block in places:
                    memory.seek(vector + places[block] * size + offset)
                    parts.append(memory.read(part))
                else:
                    parts.append(bytes(part))
                address, length = address + part, length - part
        return b"".join(parts)
