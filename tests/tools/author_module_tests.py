# SPDX-License-Identifier: GPL-2.0-or-later
"""underseal diff for modules: small ones of the small kernel (author/) that can be run,
and real ones."""
import os
import struct

import diff_tests
from bundle_tests import read_bundle
from diff_tests import AUTHOR, CFLAGS, FEATURE_A, Machine, feature, make_kernel, verdict
from module_tests import KINDS, read_module
from tool_test import build, check, equal, made, read, refused, run, underseal, write

DECISIONS = {
    "plain": "patch", "chosen": "patch", "says": "patch", "imports": "patch",
    "calls_shared": "patch", "percpu": "patch",
    "kernel_percpu": "patch", "alternative": "patch",
    "label": "patch", "warns_once": "patch", "bugs": "patch",
    "mitigated": "patch",
    "uses_new_data": "new-data", "uses_grown": "changed-data",
    "not_exported": "reference", "other_version": "reference",
    "new_neighbour": "reference", "layout": "changed-layout",
    "quiet": "entry-code", "at_boot": "init-code", "depends": "left-out",
}
HOME = ["--kernel", "vmlinux-old", "--modules", "neighbours"]
BOTH = ["diff", "old/author.ko", "new/author.ko"]
REVIEW = ["--vmlinux", "vmlinux-old"]
MAKE = ["-g", "3", "-n", "update", "-o", "m.upatch"]


def make_module(new):
    which = "new" if new else "old"
    os.makedirs(which, exist_ok=True)
    build("gcc", *CFLAGS, f'-DRELEASE="6.1.0-{56 if new else 55}-test"',
          *(["-DNEW"] if new else []), "-c", f"{AUTHOR}/module.c", "-o",
          f"{which}/author.o")
    build("ld", "-r", "--build-id", f"{which}/author.o", "-o",
          f"{which}/author.ko")


def make_neighbours():
    os.makedirs("neighbours", exist_ok=True)
    for name, flags in (("neighbour", ["-DFIRST"]), ("stranger", [])):
        build("gcc", *CFLAGS, *flags, "-c", f"{AUTHOR}/neighbour.c", "-o",
              f"neighbours/{name}.ko")


def report(name, *arguments):
    answer = made(name, *BOTH, *arguments)
    return answer, {change["name"]: change
                    for change in answer.get("changes", [])}


def test_decisions():
    make_kernel(False)
    make_kernel(True)
    make_module(False)
    make_module(True)
    make_neighbours()
    _, found = report("diff of two modules", *HOME)
    for name, wanted in DECISIONS.items():
        change = found.get(name, {"reason": "", "verdict": "not reported"})
        equal(f"module: {name} {wanted}", verdict(change), wanted)
    functions = {name for name, change in found.items()
                 if change["kind"] == "function"}
    equal("module: lines and places are no changes", functions - set(DECISIONS),
          set())
    equal("module: a new function is carried", verdict(found["helper"]),
          "carried")
    check("module: a reason names the symbol", "note_line" in
          found["other_version"]["detail"], found["other_version"])
    answer, found = report("diff of two modules without a kernel")
    equal("without it layouts are not compared", answer["layouts_compared"],
          False)
    equal("and all else is", set(DECISIONS) - {"depends"} <= set(found), True)


def test_bundle():
    refused("OBJECT_UNSUPPORTED a bundle for a module without its kernel", *BOTH,
            *MAKE, "--partial", says="--kernel")
    check("no bundle is left behind by it", not os.path.exists("m.upatch"))
    made("a bundle for a module", *BOTH, *HOME, *MAKE, "--partial")
    first = read("m.upatch")
    made("a bundle for a module again", *BOTH, *HOME, *MAKE, "--partial")
    equal("module: the same inputs, the same bytes", read("m.upatch"), first)
    shown = made("inspect a module's bundle", "inspect", "m.upatch")
    module = shown.get("module") or {}
    notes = run("readelf", "-n", "old/author.ko").stdout
    equal("it names the module", (module.get("name"), module.get("build_id", "-")
                                  in notes), ("author", True))
    equal("and what the code follows",
          sorted((base["kind"], base["module"]) for base in module["bases"]),
          [("code", "neighbour"), ("per-cpu", ""), ("text", "")])
    equal("a bundle for the kernel names none",
          made("inspect the kernel's bundle", "inspect", "d.upatch")["module"],
          None)
    # The same places as in the module's baseline: entries of the old text.
    names = {line.split()[2]: int(line.split()[0], 16) for line in
             run("nm", "old/author.ko").stdout.splitlines()
             if len(line.split()) == 3}
    places = {function[4]: function[0]
              for function in read_bundle("m.upatch")["functions"]}
    strings = read_bundle("m.upatch")["strings"]
    for place, offset in places.items():
        name = strings[place:].split(b"\0")[0].decode()
        if name != "quiet":
            equal(f"module: {name} is where the loader puts it", offset,
                  names[name])
    shown = made("inspect with the module", "inspect", "m.upatch", "-D", *REVIEW,
                 "--module", "old/author.ko", "--modules", "neighbours")
    targets = {reloc["target"] for reloc in shown["relocation_list"]}
    for name in ("own_percpu", "shared", "shared_counter", "own", "stays",
                 "__warn", "text_of"):
        check(f"inspect names {name}", name in targets, sorted(targets))
    code = {function["name"]: function for function in shown["disassembly"]}
    equal("inspect shows the old code", bool(code["plain"]["old"]), True)
    check("with names", any("stays" in line["text"]
                            for line in code["plain"]["old"]), code["plain"])
    shown = made("inspect without the module", "inspect", "m.upatch", "-D")
    targets = {reloc["target"] for reloc in shown["relocation_list"]}
    check("inspect names the bases alone", "neighbour:code" in targets and
          any(target.startswith("author:text+") for target in targets),
          sorted(targets))
    equal("and has no old code", shown["disassembly"][0]["old"], [])
    refused("WRONG_BUILD_ID inspect with another module", "inspect", "m.upatch",
            *REVIEW, "--module", "neighbours/neighbour.ko")
    refused("WRONG_BUILD_ID inspect with another kernel", "inspect", "m.upatch",
            "--vmlinux", "vmlinux-new")
    refused("USAGE inspect with a module without its kernel", "inspect",
            "m.upatch", "--module", "old/author.ko")


class Loaded(Machine):
    """The small kernel with modules in it."""

    def __init__(self, which, *bundle):
        super().__init__("vmlinux-old")
        self.command = ["./run", "vmlinux-old", "neighbours/neighbour.ko",
                        "neighbours/stranger.ko", f"{which}/author.ko", *bundle]
        self.names = type("Names", (dict,), {
            "__missing__": lambda self, name: name,
            "get": lambda self, name, default=None: name})()

    def poke(self, name, value, offset=0):
        self.lines.append(f"poke {name if not offset else ADDRESS[name] + offset} "
                          f"{value}")


ADDRESS = {}


def exercise(machine):
    for name in ("plain", "chosen", "calls_shared", "percpu", "alternative",
                 "keeps"):
        for argument in (0, 3, 6):
            machine.call(name, argument)
    # What warns is a trap here, and a call in a new body.
    machine.call("warns_once", 5)
    machine.call("bugs", 6)
    for name in ("says", "imports"):
        machine.text(name, 0)
        machine.text(name, 2)
    machine.call("mitigated", "stays", 4)
    return machine.go()


def test_behaviour():
    ADDRESS.update(diff_tests.names_of("vmlinux-old"))
    wanted = exercise(Loaded("new"))
    got = exercise(Loaded("old", "m.upatch"))
    old = exercise(Loaded("old"))
    equal("patched, the old module behaves as the new one", got, wanted)
    check("module: and not as before", old != got and len(old) == len(got),
          str(old))


def calls(bundle, *lines):
    machine = Loaded("old", *bundle)
    for kind, name, value in lines:
        getattr(machine, kind)(name, value)
    return machine.go()


def test_sites():
    bundle = ["m.upatch"]
    machine = Loaded("old", *bundle)
    offset, value = feature(FEATURE_A)
    machine.call("alternative", 0)
    machine.poke("boot_cpu_data", value, offset)
    machine.call("alternative", 0)
    equal("module: an alternative tests the kernel's CPU", machine.go(),
          ["104", "105"])
    equal("module: jump labels of the kernel's key and of its own",
          calls(bundle, ("call", "label", 0), ("poke", "key", 1),
                ("call", "label", 0), ("poke", "own_key", 1),
                ("call", "label", 0)), ["25", "1025", "1005"])
    machine = Loaded("old", *bundle)
    for _ in range(2):
        machine.call("warns_once", 6)
        machine.peek("warnings")
    machine.peek("last_line")
    machine.call("bugs", 6)
    equal("module: WARN_ONCE warns once and goes on, BUG stops", machine.go(),
          ["8", "1", "8", "1", "78", "signal 4"])


def test_refusals():
    def module(name, *arguments, partial=True, **options):
        refused(name, "diff", *arguments, *MAKE[:-1], "none.upatch",
                *(["--partial"] if partial else []), **options)

    module("SYMBOL_MISSING a module without its neighbours", *BOTH[1:],
           "--kernel", "vmlinux-old", says="--modules")
    module("WRONG_BUILD_ID a module of another kernel", *BOTH[1:], "--kernel",
           "vmlinux-new", "--modules", "neighbours", says="6.1.0-56-test")
    module("WRONG_BUILD_ID a new kernel that is not the new module's", *BOTH[1:],
           *HOME, "--new-kernel", "vmlinux-old")
    module("ELF_FORMAT a module in place of its kernel", *BOTH[1:], "--kernel",
           "old/author.ko")
    module("FILE_OPEN no such kernel", *BOTH[1:], "--kernel", "absent")
    module("USAGE a kernel for a kernel", "vmlinux-old", "vmlinux-new",
           "--kernel", "vmlinux-old", says="no module")
    module("USAGE neighbours without a kernel", *BOTH[1:], "--modules",
           "neighbours")
    module("UNRELATED two modules", "old/author.ko",
           "neighbours/neighbour.ko", *HOME)
    for which in ("old", "new"):
        build("objcopy", "--strip-debug", f"{which}/author.ko",
              f"{which}/plain.ko")
    module("NOT_PATCHABLE a module without debug information", "old/plain.ko",
           "new/plain.ko", *HOME, "-f", "plain", partial=False,
           says="changed-layout")
    whole = read("old/author.ko")
    for part in (2, 4, 64):
        module(f"ELF_FORMAT module cut to 1/{part}",
               write("short.ko", whole[:len(whole) // part]), "new/author.ko",
               *HOME, error="ELF_FORMAT")
    arm = bytearray(whole)
    struct.pack_into("<H", arm, 18, 183)
    module("ELF_FORMAT module of another architecture",
           write("arm.ko", bytes(arm)), "new/author.ko", *HOME, says="x86-64")
    check("none of them left a file behind", not os.path.exists("none.upatch"))


def kernels(old, new):
    return [os.path.join(diff_tests.KERNELS, f"6.1.0-{n}-cloud-amd64")
            for n in (old, new)]


def real_diff(name, module, old, new, *more, where="modules"):
    return made(name, "diff", *(f"{top}/{where}/{module}" for top in (old, new)),
                "--kernel", f"{old}/vmlinux", "--new-kernel", f"{new}/vmlinux",
                "--modules", f"{old}/modules", *more)


def test_same_modules():
    """Shipped modules: no debug information, and nothing that needs any."""
    old, new = kernels(55, 56)
    names = ["kernel/drivers/net/veth.ko", "kernel/drivers/nvme/host/nvme-fabrics.ko",
             "kernel/lib/zstd/zstd_compress.ko"]
    if not all(os.path.exists(f"{top}/modules/{name}") for top in (old, new)
               for name in names):
        diff_tests.skip("modules of 6.1.0-55 and -56", "not in build/out/kernels")
        return
    for name in names:
        found = real_diff(f"diff of {name}, 6.1.0-55 and -56", name, old, new)
        equal("compiled again, it does not differ",
              (found["layouts_compared"], found["changes"]), (True, []))


def test_real_module():
    old, new = kernels(53, 54)
    name = "kernel/net/sched/sch_ets.ko"
    if not all(os.path.exists(f"{top}/debug-modules/{name}")
               for top in (old, new)):
        diff_tests.skip("sch_ets of 6.1.0-53 and -54", "not in build/out/kernels "
                        "with debug information; build/run/fetch-kernel gets it")
        return
    found = real_diff("diff of sch_ets, 6.1.0-53 and -54", name, old, new, "-g",
                      "1", "-n", "ets", "-o", "ets.upatch", "--partial",
                      "--report", where="debug-modules")
    equal("sch_ets: what changed", {change["name"]: verdict(change)
                                    for change in found["changes"]},
          {"ets_class_change": "patch", "ets_qdisc_change": "reference"})
    made("baseline of sch_ets as shipped", "baseline", f"{old}/modules/{name}",
         "--kernel", f"{old}/vmlinux", "--modules", f"{old}/modules", "-o",
         "ets.umod")
    baseline = read_module("ets.umod")
    text = b"".join(baseline["bytes"][at] for at in sorted(baseline["bytes"]))
    bundle = read_bundle("ets.upatch")
    (offset, length, expected, _), = bundle["hunks"]
    equal("sch_ets: the bundle and the baseline know the same text",
          text[offset:offset + length], expected[:length])
    kinds = [KINDS.index(base[0]) for base in baseline["bases"]]
    equal("sch_ets: the bundle's bases are the baseline's",
          {base[0] for base in bundle["bases"]} <= set(kinds), True)


def test_author_modules():
    test_decisions()
    test_bundle()
    test_behaviour()
    test_sites()
    test_refusals()
    test_same_modules()
    test_real_module()
