# SPDX-License-Identifier: GPL-2.0-or-later
"""New bodies of a real update, judged by objdump: instruction by instruction they must
be the new kernel's, with every address led to the old kernel's counterpart.
"""
import json
import re
import subprocess

from bundle_tests import read_bundle, relocate
from tool_test import check, kernel_pair, underseal, write
from unwind_tests import Unwinding
from wide_tests import KEY, Image, same_text

PAIR = ("6.1.0-53-cloud-amd64", "6.1.0-54-cloud-amd64")
TEXT = 0xffffffff81000000
MOST = 90
ARENA = 0xffffffffa0000000
UD2 = b"\x0f\x0b"
TARGET = re.compile(r"^(\S+) +(?:ffffffff|0xffffffff)([0-9a-f]{8})(?: <.*)?$")


class Patched(Image):
    """The old kernel with a bundle's payload in the arena."""

    def __init__(self, release, payload):
        super().__init__(release)
        self.payload = payload

    def bytes_at(self, address, length):
        if ARENA <= address < ARENA + len(self.payload):
            return self.payload[address - ARENA:][:length]
        return super().bytes_at(address, length)

    def name(self, address):
        """A return or indirect jump that the body shares is as good as the thunk
        that it leads to."""
        code = super().bytes_at(address, 5)
        if code[:1] == b"\xe9" and self.addresses[0] <= address:
            far = address + 5 + int.from_bytes(code[1:], "little", signed=True)
            name = super().name(far)
            if name.startswith("__x86_"):
                return name
        return super().name(address)


def listing(*arguments):
    text = subprocess.run(["objdump", "-w", "--no-show-raw-insn", *arguments],
                          capture_output=True, text=True, check=True).stdout
    found = re.findall(r"(?m)^ *([0-9a-f]+):\t(.*)$", text)
    return [(int(address, 16), line.split("\t")[-1]) for address, line in found]


def normal(image, body, start, length):
    """The body with targets inside it as instruction numbers."""
    numbers = {address: i for i, (address, _) in enumerate(body)}
    numbers[start] = 0
    result = []
    for _, line in body:
        jump = TARGET.match(line)
        if jump:
            target = int("ffffffff" + jump[2], 16)
            if start <= target < start + length and target in numbers:
                result.append(f"{jump[1]} #{numbers[target]}")
                continue
            # A BUG jumps to one that the kernel's table has.
            if image.bytes_at(target, 2) == UD2:
                result.append("ud2")
                continue
            # A new function or cold part that is carried along: no name here.
            result.append(f"{jump[1]} " + (KEY if target >= ARENA else
                                           image.name(target)))
            continue
        result.append(image.normal(line))
    return result


def test_carried():
    paths = kernel_pair(PAIR)
    if not paths:
        return
    report = json.loads(underseal("diff", *paths, "--json").stdout)
    names = sorted(change["name"] for change in report["changes"]
                   if change["verdict"] == "patch")
    done = underseal("diff", *paths, "--partial", "-g", "1", "-n", "wide", "-o",
                     "wide.upatch", "-f", ",".join(names[:MOST]))
    check("a bundle of all that can be patched", done.returncode == 0,
          done.stderr)
    parts = read_bundle("wide.upatch")
    payload = relocate(parts, TEXT, ARENA)
    old, new = Patched(PAIR[0], payload), Image(PAIR[1])
    first = ARENA + min(function[2] for function in parts["functions"])
    arena = listing("-D", "-b", "binary", "-m", "i386:x86-64",
                    f"--adjust-vma={ARENA:#x}", f"--start-address={first:#x}",
                    write("arena", payload))
    unwinding = Unwinding(new, payload, ARENA)
    looked = 0
    wrong = []
    for function in parts["functions"]:
        name = parts["strings"][function[4]:].split(b"\0")[0].decode()
        spans = new.functions.get(name, [])
        if ".cold" in name or len(spans) != 1:
            continue
        start, length = spans[0]
        theirs = listing("-d", f"--start-address={start:#x}",
                         f"--stop-address={start + length:#x}", new.path)
        at, size = ARENA + function[2], function[3]
        ours = [insn for insn in arena if at <= insn[0] < at + size]
        if theirs and "__fentry__" in theirs[0][1]:
            theirs = theirs[1:]
        unwinding.look_at(name, ours, theirs)
        # Sites that became longer: not comparable line by line.
        if len(ours) != len(theirs):
            continue
        looked += 1
        a = normal(old, ours, at, size)
        b = normal(new, theirs, start, length)
        if not all(map(same_text, a, b)):
            wrong.append((name, [(x, y) for x, y in zip(a, b)
                                 if not same_text(x, y)][:2]))
    check(f"{looked} new bodies are the new kernel's", looked > 20 and
          not wrong, wrong[:5])
    unwinding.judge()
