# SPDX-License-Identifier: GPL-2.0-or-later
"""Unwind data of bundles, read by code of its own: every instruction of a new body must
have the entry that it has in the new kernel, and what the tool puts in must agree with
what it pushes.
"""
import bisect
import re
import struct
import subprocess

from bundle_tests import TEXT, read_bundle, relocate
from tool_test import (check, equal, kernel_pair, made, read, refused, underseal,
                       write)
from wide_tests import Image

PAIR = ("6.1.0-55-cloud-amd64", "6.1.0-55-cloud-amd64")
MAGIC = b"UNSLUWND"
ARENA = 0xffffffffa0000000
SP = 5


class Ranges:
    """Addresses with the entry that holds from each on."""

    def __init__(self, pairs):
        pairs = sorted(pairs, key=lambda pair: (pair[0], any(pair[1])))
        self.starts = [start for start, _ in pairs]
        self.entries = [entry for _, entry in pairs]

    def at(self, address):
        return self.entries[bisect.bisect_right(self.starts, address) - 1]


def sections(path):
    """name -> address, offset in the file, size."""
    text = subprocess.run(["readelf", "-SW", path], capture_output=True,
                          text=True, check=True).stdout
    return {name: [int(number, 16) for number in numbers.split()]
            for name, numbers in re.findall(
                r"\] (\S+) +[A-Z]+ +((?:[0-9a-f]+ +){2}[0-9a-f]+)", text)}


def kernel_ranges(path):
    """.orc_unwind_ip and .orc_unwind of a vmlinux."""
    found = sections(path)
    data = read(path)
    address, offset, size = found[".orc_unwind_ip"]
    starts = [address + at + distance for at, (distance,) in zip(
        range(0, size, 4),
        struct.iter_unpack("<i", data[offset:offset + size]))]
    offset = found[".orc_unwind"][1]
    return Ranges([(start, data[offset + 6 * i:offset + 6 * i + 6])
                   for i, start in enumerate(starts)])


def payload_ranges(payload, arena):
    """The table at a payload's start, by the description in common/unwind.h."""
    magic, size, count, mark = struct.unpack_from("<8sIIQ", payload)
    assert magic == MAGIC and size == len(payload)
    assert mark ^ 0xffffffffffffffff == size | count << 32
    starts = struct.unpack_from(f"<{count}I", payload, 24)
    assert starts[0] == 0 and list(starts) == sorted(starts)
    return Ranges([(arena + start, payload[24 + 4 * count + 6 * i:][:6])
                   for i, start in enumerate(starts)])


def called(entry, depth):
    """Does it say: @depth bytes lie above the return address, bp is as it was?"""
    offset, bp_offset, bits = struct.unpack("<hhH", entry)
    return offset == 8 + depth and not bp_offset and bits & 0xff == SP


class Unwinding:
    def __init__(self, new, payload, arena):
        self.theirs = kernel_ranges(new.path)
        self.ours = payload_ranges(payload, arena)
        self.looked = self.pushed = self.end = 0
        self.wrong = []

    def look_at(self, name, ours, theirs):
        if len(ours) == len(theirs):
            self.same(name, ours, theirs)
        # What stands in for a WARN keeps the flags and then rax.
        for i, (_, line) in enumerate(ours[:-1]):
            if re.match(r"pushfq?$", line.strip()) and \
                    re.match(r"push +%rax", ours[i + 1][1]):
                self.pushes(name, ours[i:])

    def same(self, name, ours, theirs):
        for (a, line), (b, _) in zip(ours, theirs):
            self.looked += 1
            if self.ours.at(a) != self.theirs.at(b):
                self.wrong.append((name, hex(a), line, self.ours.at(a).hex(),
                                   self.theirs.at(b).hex()))

    def pushes(self, name, insns):
        """Code that begins with nothing but its return address on the stack."""
        depth = 0
        for address, line in insns:
            if not called(self.ours.at(address), depth):
                self.wrong.append((name, hex(address), line, depth))
            if re.match(r"pushf?q? ?", line):
                self.pushed += 1
                depth += 8
            if re.match(r"popf?q? ?", line):
                depth -= 8
                if not depth:
                    return

    def judge(self):
        check(f"{self.looked} instructions unwind as in the new kernel, "
              f"{self.pushed} pushes count", self.looked > 1000 and
              self.pushed > 20 and not self.wrong, self.wrong[:5])


def bodies(parts, payload):
    """name -> offset and bytes of each new body."""
    return {parts["strings"][function[4]:].split(b"\0")[0].decode():
            (function[2], payload[function[2]:function[2] + function[3]])
            for function in parts["functions"]}


def test_real_kernel():
    paths = kernel_pair(PAIR)
    if not paths:
        return
    answer = made("stack traces of a real kernel", "unwind", paths[0], "-g", "3",
                  "-o", "unwind.upatch")
    equal("its name", answer.get("name"), "unwind")
    underseal("unwind", paths[0], "-g", "3", "-o", "again.upatch")
    equal("the same bytes again", read("again.upatch"), read("unwind.upatch"))
    parts = read_bundle("unwind.upatch")
    payload = relocate(parts, TEXT, ARENA)
    image = Image(PAIR[0])
    names = [image.name(TEXT + function[0]) for function in
             parts["functions"] if image.name(TEXT + function[0])]
    check("what is replaced", {name.split(".")[0].split("+")[0] for name in
                               names} == {"orc_find", "is_ftrace_trampoline"},
          names)
    ranges, kernel = payload_ranges(payload, ARENA), kernel_ranges(paths[0])
    at, _ = bodies(parts, payload)["is_ftrace_trampoline"]
    entry = image.functions["is_ftrace_trampoline"][0][0]
    equal("what stands in front unwinds as the function's first byte does",
          ranges.at(ARENA + at), kernel.at(entry))
    equal("the room before the first body says nothing",
          any(ranges.at(ARENA)), False)
    equal("nor does what follows the code",
          any(ranges.at(ARENA + len(payload) - 1)), False)


def test_gate():
    """The other bundle that only puts code in front of a function."""
    paths = kernel_pair(PAIR)
    if not paths:
        return
    answer = made("modules wait in a real kernel", "gate", paths[0], "-g", "4",
                  "-o", "gate.upatch")
    equal("its name", answer.get("name"), "gate")
    underseal("gate", paths[0], "-g", "4", "-o", "again.upatch")
    equal("the same bytes again", read("again.upatch"), read("gate.upatch"))
    parts = read_bundle("gate.upatch")
    payload = relocate(parts, TEXT, ARENA)
    image = Image(PAIR[0])
    at, code = bodies(parts, payload)["klp_module_coming"]
    ranges, kernel = payload_ranges(payload, ARENA), kernel_ranges(paths[0])
    entry = image.functions["klp_module_coming"][0][0]
    equal("its first byte unwinds as the function's", ranges.at(ARENA + at),
          kernel.at(entry))
    # PUSH RBX; PUSH RBP; PUSH R12; SUB RSP, 160: behind the last one all lie there.
    equal("what it pushes first", code[:11].hex(), "535541544881eca0000000")
    check("and that counts", all(
        called(ranges.at(ARENA + at + offset), depth)
        for offset, depth in ((1, 8), (2, 16), (4, 24), (11, 184))),
          [ranges.at(ARENA + at + offset).hex() for offset in range(12)])
    call = code.index(b"\xbf\x0a\0\0\0\xe8") + 10
    target = struct.unpack_from("<i", code, call - 4)[0]
    equal("it calls msleep()", ARENA + at + call + target,
          image.functions["msleep"][0][0])


def test_refusals():
    refused("USAGE no output", "gate", "vmlinux", "-g", "1")
    refused("ELF_FORMAT no kernel", "gate", "/bin/true", "-g", "1", "-o",
            "g.upatch")
    refused("USAGE no output", "unwind", "vmlinux", "-g", "1")
    refused("USAGE no generation", "unwind", "vmlinux", "-o", "u.upatch")
    refused("FILE_OPEN no such kernel", "unwind", "nothing", "-g", "1", "-o",
            "u.upatch")
    write("empty.c", "int nothing;")
    subprocess.run(["cc", "-c", "empty.c", "-o", "empty.o"], check=True)
    refused("ELF_FORMAT an object", "unwind", "empty.o", "-g", "1", "-o",
            "u.upatch", says="no vmlinux")


def test_unwind():
    test_real_kernel()
    test_gate()
    test_refusals()
