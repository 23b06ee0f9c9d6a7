# SPDX-License-Identifier: GPL-2.0-or-later
"""underseal baseline for modules: small ones, for the small kernel of kernel/."""
import json
import lzma
import os
import struct

from baseline_tests import branch, plain, read_block
from tool_test import build, check, equal, made, read, refused, symbols, underseal, write

HEADER, BASE, SITE = 304, 88, 12
KINDS = ["", "text", "area", "percpu", "freed", "kernel", "module", "code"]
FIXED, ADD64, ADD32, DISTANCE = 0, 1, 2, 3

LOW = """
	.section .modinfo, "a"
	.asciz "name=low_one"
	.text
	.globl helper
	.type helper, @function
helper:	nop
	call with_its_type
	ret
	.data
	.globl variable
variable: .quad 1
	.section __ksymtab, "a"
__ksymtab_helper: .long helper - .
__ksymtab_variable: .long variable - .
"""

HIGH = """
	.section .modinfo, "a"
	.asciz "license=GPL"
	.asciz "name=high_one"
	.text
	.globl work
	.type work, @function
work:
	.byte 0x0f, 0x1f, 0x44, 0, 0
1:	call with_its_type		# the kernel's
2:	call helper			# another module's
3:	movq $own, %rax			# own data
4:	movl variable(%rip), %ecx	# the other's data
5:	call work			# itself
6:	movl %gs:current_task(%rip), %edx
7:	addl %gs:mine, %eax
8:	lock incl own(%rip)
9:	jmp __x86_return_thunk
	.size work, . - work
	.section .exit.text, "ax"
	.p2align 4
	ret
	.section .init.text, "ax"
	call helper
	ret
	.data
	.p2align 3
own:	.quad work
	.section .data..percpu, "aw"
mine:	.long 1
	.section __mcount_loc, "a"
	.quad work
	.section .smp_locks, "a"
	.long 8b - .
	.section .return_sites, "a"
	.long 9b - .
"""


def assemble(name, source):
    write(name + ".S", source)
    build("gcc", "-c", name + ".S", "-o", name + ".ko")
    return name + ".ko"


def read_module(path):
    """The parts of a module baseline, by common/module_baseline.h."""
    data = read(path)
    magic, version, size, total, text_len, bases, runtime, blocks = \
        struct.unpack_from("<QIIQ4I", data)
    assert (magic, version, size) == (0x454c55444f4d4255, 1, HEADER)
    assert total == len(data)
    result = {"sites": {}, "relocs": [], "bytes": {}, "probes": set(),
              "text_len": text_len,
              "name": data[176:240].rstrip(b"\0").decode()}
    at = HEADER
    result["bases"] = []
    for index in range(bases):
        link, length, kind, area = struct.unpack_from("<QQII", data, at)
        name = data[at + 24:at + 88].rstrip(b"\0").decode()
        result["bases"].append((KINDS[kind], area, name, link, length))
        at += BASE
    result["runtime"] = [
        (offset, kind_len >> 4, kind_len & 15, target, site_class)
        for offset, target, site_class, kind_len, _ in
        struct.iter_unpack("<IIHBB", data[at:at + SITE * runtime])]
    at += (SITE * runtime + 7) & ~7
    for block in range(blocks):
        where = struct.unpack_from("<Q", data, at + 16 * block)[0]
        read_block(data, where, result)
        # With the bases, which a kernel's fields do not have.
        length, relocs = struct.unpack_from("<2I", data, where + 4)
        where += 24 + ((length + 7) & ~7)
        result["fields"] = [
            (place, kind, result["bases"][base][0], value)
            for place, kind, base, value in struct.iter_unpack(
                "<IBBxxQ", data[where:where + 16 * relocs])]
    return result


def check_high(module):
    bases = {base[0]: base for base in module["bases"]}
    names = symbols("exports")
    text = bases["text"][3]
    code = module["bytes"][0]
    equal("module's name", module["name"], "high_one")
    equal("module's bases",
          [(base[0], base[1], base[2]) for base in sorted(module["bases"])],
          [("code", 0, "low_one"), ("kernel", 0, ""), ("percpu", 0, ""),
           ("text", 0, "")])
    equal("module's text is laid out", module["text_len"] % 16, 1)
    where = code.index(b"\x0f\x1f\x44\0\0") + 6
    low = bases["code"][3]
    fields = {field[0]: field[1:] for field in module["fields"]}
    equal("distance to the kernel", fields.pop(where), (
        DISTANCE, "kernel", names["with_its_type"] - text - where - 4 &
        0xffffffff))
    equal("distance to another module", fields.pop(where + 5), (
        DISTANCE, "code", low - text - where - 9 & 0xffffffff))
    own = struct.unpack_from("<I", code, where + 12)[0]
    equal("address of own data", fields.pop(where + 12)[:2], (ADD32, "text"))
    # Past the text's page: to 6.3 data shares the area.
    check("own data lies behind the text",
          0x1000 <= own - (text & 0xffffffff) < 0x10000, hex(own))
    equal("distance to another module's data", fields.pop(where + 18)[:2],
          (DISTANCE, "code"))
    equal("distance to a per-CPU variable of the kernel",
          fields.pop(where + 30)[:2], (DISTANCE, "text"))
    equal("address of a per-CPU variable", fields.pop(where + 38)[:2],
          (ADD32, "percpu"))
    equal("nothing else moves", fields, {})
    equal("run-time sites", [(site[1], site[2]) for site in module["runtime"]],
          [(3, 5), (1, 1)])
    (place, (length, kind, values)), = module["sites"].items()
    equal("return site", (length, kind), (5, "return"))
    kernel = module["bases"].index(bases["kernel"])
    wanted = plain(b"\xc3" + 4 * b"\xcc") | {
        (branch(0xe9, text + place, names[thunk]), ((1, 3 | kernel << 2),))
        for thunk in ("__x86_return_thunk", "retbleed_return_thunk",
                      "its_return_thunk")
        if thunk != "its_return_thunk" or not text + place & 0x20}
    equal("values of the return site", values, wanted)


def test_modules():
    build("objcopy", *(f"--add-symbol=__ksymtab_{name}=.data:0,global" for name in
                       ("with_its_type", "current_task", "__x86_return_thunk")),
          "vmlinux", "exports")
    os.makedirs("tree/kernel/lib")
    high = assemble("tree/kernel/high-one", HIGH)
    assemble("tree/kernel/lib/low_one", LOW)
    packed = "tree/kernel/packed.ko.xz"
    write(packed, lzma.compress(read(assemble("packed", LOW.replace(
        "low_one", "packed").replace("helper", "packed_help").replace(
            "variable", "packed_value")))))
    made("baseline of a module", "baseline", high, "-k", "exports", "-M", "tree",
         "-o", "high.umod")
    check_high(read_module("high.umod"))
    shown = made("inspect a module's baseline", "inspect", "high.umod")
    equal("inspect says what it is", (shown.get("type"), shown.get("name")),
          ("module", "high_one"))
    first = read("high.umod")
    made("the same again", "baseline", high, "-k", "exports", "-M", "tree", "-o",
         "high.umod")
    check("baselines of modules are reproducible", read("high.umod") == first)
    sums = made("baselines of all modules", "baseline", "-k", "exports", "-M",
                "tree", "-o", "all")
    equal("all modules", sorted(os.listdir("all")),
          ["high_one.umod", "low_one.umod", "packed.umod"])
    equal("masked", sums.get("bytes_masked"), 0)
    equal("shares", sums.get("bytes_exact", 0) + sums.get("bytes_enumerated", 0),
          sums.get("text_bytes"))
    check("one at a time or all at once", read("all/high_one.umod") == first)
    equal("packed as unpacked", read_module("all/packed.umod")["text_len"],
          read_module("all/low_one.umod")["text_len"])


def test_module_errors():
    def module(name, path, *more, **options):
        refused(name, "baseline", path, "-k", "exports", "-o", "x.umod", *more,
                **options)

    high = "tree/kernel/high-one.ko"
    module("SYMBOL_MISSING module without the one that it calls", high,
           says="--modules")
    module("FILE_OPEN module that is not there", "nothing.ko")
    module("FILE_OPEN directory without modules", high, "-M", "all")
    module("ELF_FORMAT module that is a kernel", "vmlinux", says="not a kernel module")
    module("ELF_FORMAT module of text", "text")
    write("damaged.ko.xz", read("tree/kernel/packed.ko.xz")[:300])
    module("ELF_FORMAT module damaged in its packing", "damaged.ko.xz",
           says="damaged")
    data = read(high)
    for length in range(0, len(data), 97):
        write("short.ko", data[:length])
        done = underseal("baseline", "short.ko", "-k", "exports", "-M", "tree",
                         "-o", "x.umod", "--json")
        if done.returncode != 1 or \
                json.loads(done.stdout)["error"]["name"] != "ELF_FORMAT":
            check(f"module cut at {length}", False, done.stdout)
            break
    else:
        check("modules cut anywhere are refused", True)
    module("OBJECT_UNSUPPORTED module without code", assemble("tables", """
	.section .modinfo, "a"
	.asciz "name=tables"
	.data
	.globl table
table:	.quad 1
"""), says="no code")
    module("ELF_FORMAT module with a relocation that loaders do not know",
           assemble("odd", LOW.replace("\tret", "\t.word here\nhere: ret")),
           says="relocation")
    refused("USAGE modules without a kernel", "baseline", high, "-M", "tree",
            "-o", "x.umod")
    refused("USAGE neither a module nor all", "baseline", "-k", "exports", "-o",
            "x.umod")
    refused("ELF_NO_DEBUG module for a kernel without types", "baseline", high,
            "-k", "no-debug", "-o", "x.umod")
    check("no baseline of a module is left behind by a refusal",
          not os.path.exists("x.umod"))
