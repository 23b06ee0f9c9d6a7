# SPDX-License-Identifier: GPL-2.0-or-later
"""underseal diff on two Debian kernels with thousands of changes, judged by another
method: objdump's text, with every address replaced by what nm calls it or, for
constants without a name, by what lies there.

Looked at is a stretch of the text. What is reported changed must differ in that text or
in what the kernel's tables say; what is not must be the same.
"""
import bisect
import json
import os
import re
import struct
import subprocess

from tool_test import OUT, check, kernel_pair, underseal

PAIR = ("6.1.0-54-cloud-amd64", "6.1.0-55-cloud-amd64")
FIRST, LAST = "ext4_get_group_number", "cap_capable"
ADDRESS = re.compile(r"(?:\$?0x)?(ffffffff[89a-f][0-9a-f]{7})(?: <[^>]*>)?")
NEGATIVE = re.compile(r"-0x(7[0-9a-f]{7})(?=\()")
PER_CPU = re.compile(r"%gs:0x([0-9a-f]+)(?![0-9a-f(])")
RIP = re.compile(r"-?0x[0-9a-f]+\(%rip\)([^#]*)# (?:0x)?([0-9a-f]+)"
                 r"(?: <.*>)?")
NUMBER = re.compile(r"(\.\d+)+$|(?<=__UNIQUE_ID_ddebug)\d+(\.\d+)?$")
KEY = "lock-class"


class Image:
    """Sections and symbols of a vmlinux, read by code of its own."""

    def __init__(self, release):
        self.path = os.path.join(OUT, "kernels", release, "vmlinux")
        self.version = release
        self.sections = []
        with open(self.path, "rb") as file:
            header = file.read(64)
            offset, = struct.unpack_from("<Q", header, 40)
            count, = struct.unpack_from("<H", header, 60)
            file.seek(offset)
            table = file.read(64 * count)
        for fields in struct.iter_unpack("<IIQQQQIIQQ", table):
            _, kind, flags, address, place, size = fields[:6]
            if flags & 2 and kind != 8 and address:
                self.sections.append((address, place, size))
        self.symbols = []
        self.keys = set()
        self.functions = {}
        nm = subprocess.run(["nm", "-nS", self.path], capture_output=True,
                            text=True, check=True).stdout
        for line in nm.splitlines():
            parts = line.split()
            # Lock classes are empty without lockdep: they lie anywhere.
            if len(parts) == 3 and parts[2].startswith("__key."):
                self.keys.add(int(parts[0], 16))
            if len(parts) == 4:
                address, size = int(parts[0], 16), int(parts[1], 16)
                self.symbols.append((address, size, parts[3]))
                if parts[2] in "tT":
                    self.functions.setdefault(parts[3], []).append(
                        (address, size))
        self.addresses = [symbol[0] for symbol in self.symbols]
        self.file = open(self.path, "rb")

    def bytes_at(self, address, length):
        for start, place, size in self.sections:
            if start <= address < start + size:
                self.file.seek(place + address - start)
                return self.file.read(min(length, start + size - address))
        return b""

    def name(self, address):
        """What stands at @address, in words that do not depend on where."""
        if address in self.keys:
            return KEY
        at = bisect.bisect_right(self.addresses, address) - 1
        while at >= 0 and address - self.addresses[at] < 1 << 16:
            start, size, name = self.symbols[at]
            if address - start < size or address == start:
                return f"{NUMBER.sub('', name)}+{address - start:#x}"
            if address > start + size:
                break
            at -= 1
        text = self.bytes_at(address, 400).split(b"\0")[0]
        return repr(text.replace(self.version.encode(), b"RELEASE"))

    def normal(self, line):
        """An instruction as objdump prints it, without its place."""
        line = RIP.sub(lambda m: f"[{self.name(int(m[2], 16))}]{m[1]}", line)
        line = ADDRESS.sub(lambda m: self.name(int(m[1], 16)), line)
        line = NEGATIVE.sub(
            lambda m: self.name((1 << 64) - int(m[1], 16)), line)
        line = PER_CPU.sub(lambda m: "%gs:" + self.name(int(m[1], 16)), line)
        return " ".join(line.split())

    def disassembly(self, first, last):
        """function -> its instructions in normal form."""
        start = self.functions[first][0][0]
        end = self.functions[last][0][0]
        listing = subprocess.run(
            ["objdump", "-d", "-w", "--no-show-raw-insn",
             f"--start-address={start:#x}", f"--stop-address={end:#x}",
             self.path], capture_output=True, text=True, check=True).stdout
        result, body, left = {}, None, 0
        for line in listing.splitlines():
            head = re.match(r"^([0-9a-f]{16}) <(.*)>:$", line)
            if head:
                address, name = int(head[1], 16), head[2]
                spans = dict(self.functions.get(name, []))
                left = address + spans.get(address, 0)
                body = result.setdefault(name, []) if address in spans and \
                    len(spans) == 1 else None
                continue
            at = re.match(r"^([0-9a-f]{16}):\t(.*)$", line)
            if at and body is not None and int(at[1], 16) < left:
                body.append((int(at[1], 16), self.normal(at[2])))
        return result

    def lines(self, addresses):
        """Source line numbers, by addr2line."""
        said = subprocess.run(
            ["addr2line", "-e", self.path, *map(hex, addresses)],
            capture_output=True, text=True, check=True).stdout.splitlines()
        return [int(re.search(r":(\d+|\?)", line)[1].replace("?", "0"))
                for line in said]


def same_text(old, new):
    """Equal but for a name that may stand for a lock class, too."""
    if old == new:
        return True
    words = list(zip(re.split(r"[][,() ]", old), re.split(r"[][,() ]", new)))
    return all(a == b or KEY in (a, b) for a, b in words)


def same_body(old, new):
    return len(old) == len(new) and all(same_text(a[1], b[1])
                                        for a, b in zip(old, new))


def number_of(text):
    """The immediate operand of an instruction that may pass a line number."""
    found = re.match(r"(?:mov|movl|push) \$0x([0-9a-f]{1,4})\b(.*)$", text)
    return (int(found[1], 16), found[2]) if found else (None, text)


def only_lines(old, new, before, after):
    """Do the two bodies differ in nothing but line numbers of their own?"""
    if len(before) != len(after):
        return False
    pairs = [(a, b) for a, b in zip(before, after)
             if not same_text(a[1], b[1])]
    lines = zip(old.lines([a[0] for a, _ in pairs]),
                new.lines([b[0] for _, b in pairs]))
    for (a, b), (line_a, line_b) in zip(pairs, lines):
        (x, rest_x), (y, rest_y) = number_of(a[1]), number_of(b[1])
        if None in (x, y) or rest_x != rest_y or abs(x - line_a) > 5 or \
                y - line_b != x - line_a:
            return False
    return True


def test_wide_pair():
    paths = kernel_pair(PAIR)
    if not paths:
        return
    answer = json.loads(underseal("diff", *paths, "--json").stdout)
    reported = {}
    for change in answer["changes"]:
        if change["kind"] == "function":
            reported[change["name"]] = change
    check("a wide update: many functions changed, a reboot is needed",
          len(reported) > 1000 and answer["needs_reboot"], len(reported))
    old, new = (Image(release) for release in PAIR)
    before, after = (image.disassembly(FIRST, LAST) for image in (old, new))
    both = sorted(name for name in set(before) & set(after)
                  if ".cold" not in name)
    check("a stretch of some size", len(both) > 500, len(both))
    differ = {name for name in both
              if not same_body(before[name], after[name])}
    wrong = [name for name in both if name not in differ and
             name in reported and
             reported[name]["what"] in ("length", "instructions")]
    check(f"what is reported changed differs ({len(both)} functions looked "
          f"at, {len(differ)} differ)", not wrong, wrong[:10])
    missed = [name for name in sorted(differ) if name not in reported]
    lines = [name for name in missed
             if only_lines(old, new, before[name], after[name])]
    check(f"what is not reported does not differ, but for line numbers in "
          f"{len(lines)}", lines == missed, sorted(set(missed) - set(lines)))
