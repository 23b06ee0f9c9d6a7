# SPDX-License-Identifier: GPL-2.0-or-later
"""underseal diff, on two builds of a small kernel (author/) that can be run, and on
two real ones."""
import json
import os
import struct
import subprocess

from bundle_tests import read_bundle
from tool_test import (FTRACE, HERE, OUT, build, check, counts, equal, made, read, refused, run,
                       underseal, write)

AUTHOR = os.path.join(HERE, "author")
CFLAGS = ("-g -O2 -fno-pic -mcmodel=kernel -ffreestanding -mno-red-zone "
          "-fcf-protection=none -fno-asynchronous-unwind-tables "
          "-fno-stack-protector -fno-jump-tables -fno-ipa-icf -fno-ipa-ra "
          "-fno-toplevel-reorder -fno-inline -Wno-unused").split()

# What must become of each function that changes; every other one must not be
# reported.
DECISIONS = {
    "plain": "patch", "chosen": "patch", "says": "patch", "loops": "patch",
    "alternative": "patch", "alternative_2": "patch",
    "alternative_not": "patch", "label": "patch", "warns": "patch",
    "warns_once": "patch", "bugs": "patch", "calls_through": "patch",
    "mitigated": "patch", "passes_number": "patch", "aliased": "patch",
    "alternative_flags": "alternative", "uses_new_data": "new-data",
    "uses_grown": "changed-data", "uses_percpu": "per-cpu-data",
    "uses_new_key": "new-data", "new_warning": "warning",
    "excepts": "exception-table", "layout": "changed-layout",
    "quiet": "entry-code", "at_boot": "init-code", "depends": "left-out",
    "site_at_entry": "entry-site", "too_short": "too-short",
    "loop_instruction": "assembly", "called_by_refused": "left-out",
    "refused_caller": "new-data", "called_by_gone": "patch",
    "calls_gone": "patch", "called_by_kept": "left-out", "untraced": "patch",
    "among_traced": "patch",
}
NOTES = {
    "helper": "carried", "shifts_everything": "unused",
    "removed_or_not": "removed", "grown": "data", "edited": "data",
    "gone": "removed", "kept": "removed", "keeps": "data",
    "__ksymtab_exported": "new-export",
}
FEATURE_A, FEATURE_B = 7, 40


def btf(thing, alias, warn=6):
    """Type information as pahole makes it: int, an array, structures, __warn()."""
    strings = b"\0"

    def name(text):
        nonlocal strings
        strings += text.encode() + b"\0"
        return len(strings) - len(text) - 1

    def structure(text, size, members):
        parts = struct.pack("<III", name(text), 4 << 24 | len(members), size)
        for member, kind, offset in members:
            parts += struct.pack("<III", name(member), kind, offset * 8)
        return parts

    types = struct.pack("<IIII", name("int"), 1 << 24, 4, 1 << 24 | 32)
    types += struct.pack("<IIIIII", 0, 3 << 24, 0, 1, 1, 24)
    types += structure("cpuinfo_x86", 104,
                       [("before", 1, 0), ("x86_capability", 2, 8)])
    types += structure("thing", 4 * len(thing),
                       [(member, 1, 4 * i) for i, member in enumerate(thing)])
    types += struct.pack("<III", name("alias"), 5 << 24 | len(alias), 4)
    for member in alias:
        types += struct.pack("<III", name(member), 1, 0)
    types += struct.pack("<III", 0, 13 << 24 | warn, 1) + bytes(4) + \
        struct.pack("<I", 1) + struct.pack("<II", 0, 1) * (warn - 1)
    types += struct.pack("<III", name("__warn"), 12 << 24 | 1, 6)
    return struct.pack("<HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(types),
                       len(types), len(strings)) + types + strings


def make_kernel(new, *more, suffix=""):
    which = ("new" if new else "old") + suffix
    flags = [f'-DRELEASE="6.1.0-{56 if new else 55}-test"',
             *(["-DNEW"] if new else [])]
    build("gcc", *CFLAGS, *more, *flags, "-c", f"{AUTHOR}/kernel.c", "-o",
          f"kernel-{which}.o")
    build("gcc", *flags, "-c", f"{AUTHOR}/code.S", "-o", f"code-{which}.o")
    build("ld", "-q", "--build-id", "-T", f"{AUTHOR}/kernel.lds",
          f"kernel-{which}.o", f"code-{which}.o", "-o", f"vmlinux-{which}")
    members = ["first", "added", "second"] if new else ["first", "second"]
    write("types", btf(members, ["first", "other"] if new else ["first"]))
    build("objcopy", "--add-section", ".BTF=types", f"vmlinux-{which}")
    return f"vmlinux-{which}"


def changes(name, *arguments):
    answer = made(name, "diff", *arguments)
    return {change["name"]: change for change in answer.get("changes", [])}


def verdict(change):
    return change["reason"] or change["verdict"]


def test_decisions():
    make_kernel(False)
    make_kernel(True)
    found = changes("diff of two kernels", "vmlinux-old", "vmlinux-new")
    for name, wanted in DECISIONS.items():
        change = found.get(name, {"reason": "", "verdict": "not reported"})
        equal(f"decision: {name} {wanted}", verdict(change), wanted)
    for name, wanted in NOTES.items():
        change = found.get(name, {"reason": "", "verdict": "not reported"})
        equal(f"report: {name} {wanted}", verdict(change), wanted)
    functions = {name for name, change in found.items()
                 if change["kind"] == "function"}
    equal("what only moved is not reported", functions - set(DECISIONS), set())
    text = underseal("diff", "vmlinux-old", "vmlinux-new").stdout
    check("the report in words", "needs a reboot" in text and
          "patch    function          plain" in text, text)
    same = made("a kernel and itself", "diff", "vmlinux-old", "vmlinux-old")
    equal("nothing differs", (same["changes"], same["needs_reboot"]),
          ([], False))


def test_untraced():
    """Where ftrace's call is missing, GCC may have told callers about registers."""
    paths = [make_kernel(new, *FTRACE, suffix="-traced")
             for new in (False, True)]
    found = changes("diff of two kernels with ftrace", *paths)
    equal("decision: untraced, with ftrace", verdict(found["untraced"]),
          "untraced")
    for name in ("plain", "among_traced"):
        equal(f"decision: {name}, with ftrace", verdict(found[name]), "patch")
    refused("NOT_PATCHABLE callers may count on registers", "diff", *paths,
            "-g", "3", "-n", "update", "-o", "u.upatch", "-f", "untraced",
            says="untraced")


def test_choice():
    make = ["-g", "3", "-n", "update", "-o", "d.upatch"]
    both = ["diff", "vmlinux-old", "vmlinux-new"]
    refused("NOT_PATCHABLE without --partial", *both, *make)
    check("no bundle is left behind", not os.path.exists("d.upatch"))
    refused("NOT_PATCHABLE a function that is asked for", *both, *make, "-f",
            "excepts", says="exception-table")
    refused("NOT_PATCHABLE a changed callee is left out", *both, *make, "-f",
            "chosen", says="plain")
    refused("NOT_PATCHABLE a changed caller is left out", *both, *make, "-f",
            "plain", says="is called by chosen")
    refused("NOT_PATCHABLE a caller that is gone would run on", *both, *make,
            "-f", "called_by_gone", says="is called by gone")
    refused("NOT_PATCHABLE a caller that data leads to is gone", *both, *make,
            "-f", "called_by_kept", says="is called by kept")
    refused("SYMBOL_MISSING in --functions", *both, *make, "-f", "stays")
    refused("SYMBOL_MISSING in --exclude", *both, *make, "-x", "nothing")
    made("the last caller of one that is gone goes along", *both, *make, "-f",
         "called_by_gone,calls_gone")
    done = underseal(*both, *make, "-f", "chosen,plain")
    stay = [name for name in DECISIONS if name not in ("chosen", "plain")]
    warned = done.stderr.split("their changes: ")[-1].split()
    equal("every changed function that stays is named",
          sorted(name.strip(",") for name in warned),
          sorted(name for name in stay if DECISIONS[name] != "init-code"))
    made("--functions", *both, *make, "-f", "chosen,plain")
    equal("only what was asked for", len(read_bundle("d.upatch")["hunks"]), 2)
    patched = [name for name, wanted in DECISIONS.items() if wanted == "patch"]
    made("--partial", *both, *make, "--partial")
    equal("all that can be patched", len(read_bundle("d.upatch")["hunks"]),
          len(patched))
    first = read("d.upatch")
    made("again", *both, *make, "--partial")
    equal("the same inputs, the same bytes", read("d.upatch"), first)
    made("--exclude", *both, *make, "--partial", "-x", "says,loops")
    equal("less what was excluded", len(read_bundle("d.upatch")["hunks"]),
          len(patched) - 2)
    rules = made("rules of a bundle", *both, *make, "-f", "chosen,plain",
                 "--cumulative", "--needs", "other", "--write", "counter "
                 "hex:00000000 hex:01000000", "--probation", "5", "--watch",
                 "counter:3")
    equal("are in it", (rules["cumulative"], rules["links"][0]["name"],
                        rules["writes"][0]["variable"],
                        rules["watches"][0]["allowed"]),
          (True, "other", "counter", 3))
    refused("VARIABLE_SEALED in --write", *both, *make, "-f", "chosen,plain",
            "--write", "plain/1 0 1", says="plain is code")
    made("--partial", *both, *make, "--partial")


def names_of(kernel):
    lines = run("nm", kernel).stdout.splitlines()
    return {line.split()[2]: int(line.split()[0], 16) for line in lines
            if len(line.split()) == 3}


class Machine:
    """Commands for author/run.c, with names for addresses."""

    def __init__(self, kernel, bundle=None):
        self.names = names_of(kernel)
        self.command = ["./run", kernel, *([bundle] if bundle else [])]
        self.lines = []

    def call(self, name, *arguments):
        numbers = [str(self.names.get(a, a)) for a in arguments]
        self.lines.append(f"call {self.names[name]} {' '.join(numbers)}")

    def text(self, name, argument):
        self.lines.append(f"text {self.names[name]} {argument}")

    def poke(self, name, value, offset=0):
        self.lines.append(f"poke {self.names[name] + offset} {value}")

    def peek(self, name):
        self.lines.append(f"peek {self.names[name]}")

    def go(self):
        done = subprocess.run(self.command, input="\n".join(self.lines) + "\n",
                              capture_output=True, text=True, timeout=60)
        return done.stdout.splitlines() + done.stderr.splitlines()


def feature(bit):
    """Offset in boot_cpu_data and value of the word with that bit."""
    return 8 + bit // 32 * 4, 1 << bit % 32


def exercise(machine):
    # Not alternative_not and label: nobody patches the new kernel's own sites here.
    for name in ("plain", "chosen", "loops", "alternative", "alternative_2",
                 "warns", "warns_once", "bugs", "stays", "table_of"):
        for argument in (0, 3, 5):
            machine.call(name, argument)
    for name in ("says", "text_of"):
        machine.text(name, 0)
        machine.text(name, 2)
    machine.call("calls_through", "plain", 4)
    machine.call("mitigated", "stays", 4)
    return machine.go()


def test_behaviour():
    build("gcc", "-O1", "-g", "-D_GNU_SOURCE", "-I", "common", "-o", "run",
          f"{AUTHOR}/run.c", f"{AUTHOR}/load.c", "common/bundle.c")
    wanted = exercise(Machine("vmlinux-new"))
    got = exercise(Machine("vmlinux-old", "d.upatch"))
    old = exercise(Machine("vmlinux-old"))
    equal("patched, the old kernel behaves as the new one", got, wanted)
    check("and not as before", old != got and len(old) == len(got), str(old))
    test_alternatives()
    test_labels()
    test_warnings()


def results(prepare, *calls):
    machine = Machine("vmlinux-old", "d.upatch")
    prepare(machine)
    for name, argument in calls:
        machine.call(name, argument)
    return [int(line) for line in machine.go()]


def test_alternatives():
    calls = [(name, 0) for name in ("alternative", "alternative_2",
                                    "alternative_not")]
    base = 100 + 3          # stays(0) is counter, 3
    for bits, wanted in (((), [1, 1, 2]), ((FEATURE_A,), [2, 2, 1]),
                         ((FEATURE_B,), [1, 3, 2]),
                         ((FEATURE_A, FEATURE_B), [2, 3, 1])):
        def prepare(machine):
            for bit in bits:
                offset, value = feature(bit)
                machine.poke("boot_cpu_data", value, offset)
        equal(f"alternatives of a CPU with features {bits}",
              results(prepare, *calls), [base + n for n in wanted])


def test_labels():
    for key, wanted in ((0, 20), (1, 1000), (-1, 1000), (2, 1000)):
        equal(f"jump label, key {key}",
              results(lambda machine: machine.poke("key", key), ("label", 0)),
              [3 + 2 + wanted])
    machine = Machine("vmlinux-old", "d.upatch")
    for key in (0, 1, 0):
        machine.poke("key", key)
        machine.call("label", 0)
    equal("the key changes later", machine.go(), ["25", "1005", "25"])


def test_warnings():
    machine = Machine("vmlinux-old", "d.upatch")
    for name in ("warns", "warns", "warns_once", "warns_once"):
        machine.call(name, 6)
        machine.peek("warnings")
    machine.peek("last_line")
    machine.peek("last_taint")
    machine.peek("printed")
    equal("WARN warns each time, WARN_ONCE once; both go on", machine.go(),
          ["8", "1", "8", "2", "8", "3", "8", "3", "78", "9", "3"])
    machine = Machine("vmlinux-old", "d.upatch")
    machine.call("bugs", 6)
    equal("BUG stops", machine.go(), ["signal 4"])


def damage(path, offset, data):
    content = bytearray(read("vmlinux-old"))
    content[offset:offset + len(data)] = data
    return write(path, bytes(content))


def test_other_warn():
    """A kernel whose __warn() is another one."""
    for name in ("vmlinux-old", "vmlinux-new"):
        write("types", btf(["first", "second"], ["first"], warn=5))
        build("objcopy", "--update-section", ".BTF=types", name, f"{name}-5")
    found = changes("diff with another __warn()", "vmlinux-old-5",
                    "vmlinux-new-5")
    equal("a WARN is refused", verdict(found["warns"]), "warning")
    equal("what does not warn is not", verdict(found["plain"]), "patch")


def test_objects():
    """Relocatable files, as modules are, without a kernel: the report."""
    for which in ("old", "new"):
        build("ld", "-r", f"kernel-{which}.o", f"code-{which}.o", "-o",
              f"{which}.ko")
    found = changes("diff of two modules", "old.ko", "new.ko")
    functions = {name for name, change in found.items()
                 if change["kind"] == "function"}
    equal("the same functions as in the kernel", functions, set(DECISIONS))
    for name in ("plain", "chosen", "warns", "excepts", "at_boot"):
        equal(f"module: {name} {DECISIONS[name]}", verdict(found[name]),
              DECISIONS[name])


def test_bad_input():
    both = ["-g", "1", "-n", "x", "-o", "none.upatch", "--partial"]
    refused("FILE_OPEN diff of nothing", "diff", "absent", "vmlinux-new", *both)
    refused("ELF_FORMAT diff of a text", "diff", write("text", "text" * 40),
            "vmlinux-new", *both, says="no ELF")
    refused("ELF_FORMAT another architecture", "diff",
            damage("arm", 18, struct.pack("<H", 183)), "vmlinux-new", *both,
            says="x86-64")
    refused("ELF_FORMAT a shared library", "diff",
            damage("shared", 16, struct.pack("<H", 3)), "vmlinux-new", *both)
    build("strip", "-o", "stripped", "vmlinux-old")
    refused("ELF_NO_RELOCATIONS stripped", "diff", "stripped", "vmlinux-new",
            *both)
    build("objcopy", "--strip-unneeded", "code-old.o", "nosymbols.o")
    whole = read("vmlinux-old")
    for part in (2, 4, 64):
        refused(f"ELF_FORMAT truncated to 1/{part}", "diff",
                write("short", whole[:len(whole) // part]), "vmlinux-new",
                *both, error="ELF_FORMAT")
    build("ld", "-T", f"{AUTHOR}/kernel.lds", "--build-id", "kernel-old.o",
          "code-old.o", "-o", "norelocs")
    refused("ELF_NO_RELOCATIONS diff", "diff", "norelocs", "vmlinux-new", *both)
    for name in ("vmlinux-old", "vmlinux-new"):
        build("objcopy", "--remove-section", ".BTF", name, f"{name}-plain")
    refused("NOT_PATCHABLE without type information", "diff",
            "vmlinux-old-plain", "vmlinux-new-plain", *both[:-1], "-f", "plain",
            says="BTF")
    write("other.c", "".join(f"int other{i}(void) {{ return {i}; }}\n"
                             for i in range(99)) + "void *entry = other1;\n")
    build("gcc", *CFLAGS, "-c", "other.c", "-o", "other.o")
    build("ld", "-q", "-T", f"{AUTHOR}/kernel.lds", "other.o", "-o", "other")
    refused("UNRELATED", "diff", "vmlinux-old", "other", *both)
    refused("UNRELATED kernel and object", "diff", "vmlinux-old",
            "kernel-new.o", *both)
    refused("NOTHING_TO_REPLACE the same kernel twice", "diff", "vmlinux-old",
            "vmlinux-old", *both)
    refused("USAGE diff -o without --name", "diff", "vmlinux-old",
            "vmlinux-new", "-o", "none.upatch")
    check("none of them left a file", not os.path.exists("none.upatch"))


KERNELS = os.path.join(OUT, "kernels")


def real_pair(old, new):
    paths = [os.path.join(KERNELS, f"6.1.0-{n}-cloud-amd64", "vmlinux")
             for n in (old, new)]
    return paths if all(map(os.path.exists, paths)) else None


def skip(name, why):
    counts["skipped"] += 1
    print(f"ok - {name} # SKIP {why}")


def test_real_pair():
    paths = real_pair(55, 56)
    if not paths:
        skip("6.1.0-55 to 6.1.0-56",
             "not in build/out/kernels; build/run/fetch-kernel gets them")
        return
    done = run("/usr/bin/time", "-f", "%e %M", f"{OUT}/underseal", "diff",
               *paths, "-g", "1", "-n", "ext4", "-o", "real.upatch", "--report",
               "--json")
    found = json.loads(done.stdout)
    equal("6.1.0-55 to 6.1.0-56: two functions of ext4",
          sorted(change["name"] for change in found["changes"]),
          ["ext4_mb_init_group", "ext4_mb_load_buddy_gfp"])
    equal("both can be patched", found["needs_reboot"], False)
    seconds, kilobytes = map(float, done.stderr.split()[-2:])
    check("under 20 seconds of a quiet machine and 2 GiB",
          kilobytes < 2 << 20 and seconds < 20 * max(1, os.getloadavg()[0]),
          done.stderr)


def test_diff():
    test_decisions()
    test_untraced()
    test_choice()
    test_behaviour()
    test_other_warn()
    test_objects()
    test_bad_input()
    test_real_pair()
