# SPDX-License-Identifier: GPL-2.0-or-later
"""Stand in for a firmware that has switched AMD-V off.

QEMU's processor has no VM_CR (it reads as 0), so a debugger answers for it: the
machine is held as soon as the loader greets, which is before it looks at the
processor, and a breakpoint behind its RDMSR of VM_CR sets SVMDIS in the result.
Everything else, the loader's code included, is as on any machine.
"""
import os
import socket
import time

# mov $0xc0010114, %ecx; rdmsr
READ_VM_CR = bytes.fromhex("b9140101c00f32")
SVMDIS = 1 << 4
RAX = 0			# gdb's number for it


class Debugger:
    """The few packets of gdb's remote protocol that this takes."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(path)
        self.buffer = b""
        # QEMU serves single registers only to who has asked what there are.
        self.ask("qXfer:features:read:target.xml:0,ffb")

    def _fill(self):
        chunk = self.sock.recv(4096)
        if not chunk:
            raise OSError("QEMU closed its debugger port")
        self.buffer += chunk

    def receive(self):
        while True:
            start = self.buffer.find(b"$")
            end = self.buffer.find(b"#", start)
            if start >= 0 and 0 <= end <= len(self.buffer) - 3:
                break
            self._fill()
        packet = self.buffer[start + 1:end].decode()
        self.buffer = self.buffer[end + 3:]
        self.sock.sendall(b"+")
        return packet

    def send(self, packet):
        data = packet.encode()
        self.sock.sendall(b"$%s#%02x" % (data, sum(data) & 0xff))

    def ask(self, packet):
        self.send(packet)
        return self.receive()

    def read(self, register):
        answer = self.ask(f"p{register:x}")
        if len(answer) != 16:
            raise OSError(f"the register was not read: {answer}")
        return int.from_bytes(bytes.fromhex(answer), "little")

    def write(self, register, value):
        answer = self.ask(f"P{register:x}={value.to_bytes(8, 'little').hex()}")
        if answer != "OK":
            raise OSError(f"the register was not written: {answer}")

    def close(self):
        self.sock.close()


def hold_at_greeting(machine, timeout):
    """Stop the machine after the loader's greeting, before it goes on."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with open(machine.console_path, "rb") as file:
            if b"Underseal " in file.read():
                machine.emulator.qmp.command("stop")
                return
        time.sleep(0.01)
    raise AssertionError("the loader did not greet")


def find_code(machine):
    """Addresses behind every RDMSR of VM_CR in memory (copies included)."""
    path = os.path.join(machine.dir, "memory")
    size = machine.emulator.qmp.command("query-memory-size-summary")["base-memory"]
    machine.emulator.qmp.command("pmemsave", val=0, size=min(size, 2 << 30),
                        filename=path)
    with open(path, "rb") as file:
        memory = file.read()
    os.unlink(path)
    found, at = [], memory.find(READ_VM_CR)
    while at >= 0:
        found.append(at + len(READ_VM_CR))
        at = memory.find(READ_VM_CR, at + 1)
    return found


def switch_svm_off(machine, timeout=120):
    """
    Let the loader of @machine, which has just been started with one CPU, find
    SVMDIS set. Returns once it has read VM_CR.
    """
    hold_at_greeting(machine, timeout)
    addresses = find_code(machine)
    assert addresses, "the loader's read of VM_CR is not in memory"
    path = os.path.join(machine.dir, "gdb")
    machine.emulator.qmp.command(
        "human-monitor-command",
        **{"command-line": f"gdbserver unix:{path},server=on,wait=off"})
    debugger = Debugger(path)
    try:
        debugger.ask("?")
        for address in addresses:
            assert debugger.ask(f"Z1,{address:x},1") == "OK"
        stop = debugger.ask("c")
        assert stop.startswith(("T05", "S05")), f"stopped by {stop}"
        debugger.write(RAX, debugger.read(RAX) | SVMDIS)
        for address in addresses:
            assert debugger.ask(f"z1,{address:x},1") == "OK"
        assert debugger.ask("D") == "OK"
    finally:
        debugger.close()
