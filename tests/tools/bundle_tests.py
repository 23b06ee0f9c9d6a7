# SPDX-License-Identifier: GPL-2.0-or-later
"""underseal bundle, on objects from short sources."""
import re
import struct

from baseline_tests import read_baseline
from tool_test import (CFLAGS, FTRACE, TEXT, build, check, equal, made, read, refused,
                       symbols, write)

FIX = """
extern unsigned int counter;
extern int tiny(void);
extern int percpu_value __attribute__((visibility("default")));
static const char words[] = "new words";
const char *pointer_holder(void);
static int __attribute__((noinline)) helper(int value)
{
	return tiny() + value + words[value];
}
int victim(int value)
{
	int number;

	asm("movl %%gs:percpu_value(%%rip), %0" : "=r" (number));
	counter += number;
	return helper(value & 7) + tiny();
}
int guarded(void)
{
	return (int)(long)&counter;
}
"""


def compile_object(name, source, *flags):
    write(f"{name}.c", source)
    build("gcc", *CFLAGS, *flags, "-c", f"{name}.c", "-o", f"{name}.o")
    return f"{name}.o"


def bundle(object_path, *more, output="b.upatch"):
    return ["bundle", object_path, "-b", "k.ubase", "-m", "System.map", "-g",
            "7", "-n", "fix", "-o", output, *more]


def read_bundle(path):
    """The parts of a bundle, by the description in common/bundle.h."""
    data = read(path)
    fields = struct.unpack_from("<QIIQQ32s8I64s128s64s32s8I128s", data)
    functions, hunks, relocs, strings, payload, _, bases = fields[7:14]
    links, writes, watches = fields[20:23]
    at = 544
    result = {}
    result["functions"] = list(struct.iter_unpack(
        "<6I", data[at:at + 24 * functions]))
    at += 24 * functions
    result["hunks"] = list(struct.iter_unpack(
        "<II16s16s", data[at:at + 40 * hunks]))
    at += 40 * hunks
    result["relocs"] = list(struct.iter_unpack(
        "<IBBBBq", data[at:at + 16 * relocs]))
    at += 16 * relocs
    result["bases"] = list(struct.iter_unpack(
        "<II64s", data[at:at + 72 * bases]))
    at += 72 * bases
    result["links"] = list(struct.iter_unpack(
        "<II32s64s", data[at:at + 104 * links]))
    at += 104 * links
    result["writes"] = list(struct.iter_unpack(
        "<BBBBIQII16s16s", data[at:at + 56 * writes]))
    at += 56 * writes
    result["watches"] = list(struct.iter_unpack(
        "<QQII", data[at:at + 24 * watches]))
    at += 24 * watches
    result["flags"], result["consistency"] = fields[12], fields[19]
    result["shadow"], result["probation"] = fields[23], fields[24]
    result["reason"] = fields[26].rstrip(b"\0").decode()
    result["strings"] = data[at:at + strings]
    at += (strings + 7) & ~7
    result["payload"] = data[at:at + payload]
    assert len(data) == at + ((payload + 7) & ~7) == fields[3]
    return result


def relocate(parts, image, arena):
    """The payload as it would lie at @arena with the kernel at @image."""
    payload = bytearray(parts["payload"])
    for where, space, kind, target_space, _, target in parts["relocs"]:
        if space != 2:
            continue
        value = {1: image, 2: arena, 4: 0}[target_space] + target
        if kind == 3:
            value -= arena + where
        size = 8 if kind == 1 else 4
        assert kind == 1 or -1 << 31 <= sign(value) < 1 << 31, hex(value)
        payload[where:where + size] = (value % (1 << 8 * size)).to_bytes(
            size, "little")
    return bytes(payload)


def sign(value):
    value %= 1 << 64
    return value - (1 << 64) if value >> 63 else value


def linked(object_path, image, arena):
    """The same by ld, with the kernel's symbols moved to @image. Per-CPU
    symbols stay."""
    names = symbols("vmlinux")
    script = "SECTIONS { . = %#x; .all : { " % arena
    script += "*(.text) *(.text.*) *(.rodata) *(.rodata.*) } =0xcccccccc\n"
    script += "/DISCARD/ : { *(*) } }\n"
    for name, address in names.items():
        if name in ("victim", "guarded"):
            continue
        moved = address + image - TEXT if address >= TEXT else address
        script += f"PROVIDE({name} = {moved:#x});\n"
    build("ld", "-static", "-e", "victim", "-T", write("link.lds", script),
          object_path, "-o", "linked")
    build("objcopy", "-O", "binary", "linked", "linked.bin")
    return read("linked.bin")


def test_bundle():
    fix = compile_object("fix", FIX)
    answer = made("bundle from an object", *bundle(fix, "-d", "why"))
    parts = read_bundle("b.upatch")
    names = symbols("vmlinux")
    old = {name: names[name] - TEXT for name in ("victim", "victim.cold",
                                                 "guarded")}
    equal("functions: old bodies, cold parts too",
          sorted(function[0] for function in parts["functions"]),
          sorted(old.values()))
    equal("old sizes run up to the next symbol",
          {function[0]: function[1] for function in parts["functions"]},
          {old["victim"]: 48, old["victim.cold"]: 16, old["guarded"]: 32})
    new = symbols(fix)
    equal("new bodies", {function[0]: function[2] for function
                         in parts["functions"]},
          {old["victim"]: new["victim"], old["victim.cold"]: new["victim"],
           old["guarded"]: new["guarded"]})
    text = read_baseline("k.ubase")["bytes"][0]
    places = [old["victim"] + 5, old["guarded"] + 4 + 5]
    equal("jumps lie behind landing pad and ftrace site",
          [hunk[0] for hunk in parts["hunks"]], places)
    equal("expected bytes", [hunk[2][:hunk[1]] for hunk in parts["hunks"]],
          [text[place:place + 5] for place in places])
    equal("replacements", [hunk[3][:5] for hunk in parts["hunks"]],
          [b"\xe9\0\0\0\0"] * 2)
    equal("jumps' relocations", [reloc for reloc in parts["relocs"]
                                 if reloc[1] == 3],
          [(0 << 8 | 1, 3, 3, 2, 0, new["victim"] - 4),
           (1 << 8 | 1, 3, 3, 2, 0, new["guarded"] - 4)])
    equal("name, generation, build id",
          (answer["name"], answer["generation"], answer["description"],
           answer["build_id"]),
          ("fix", 7, "why", read_baseline("k.ubase")["build_id"]))
    check("per-CPU offsets do not move",
          any(reloc[3] == 4 for reloc in parts["relocs"]), parts["relocs"])
    for image, arena in ((TEXT, 0xffffffffa0000000),
                         (0xffffffff9ac00000, 0xffffffffbf600000)):
        equal(f"relocated to {image:#x} as ld would",
              relocate(parts, image, arena), linked(fix, image, arena))
    test_ftrace_call()
    made("bundle can be inspected", "inspect", "b.upatch")


def test_ftrace_call():
    traced = compile_object("traced", "int victim(void) { return 3; }\n",
                            *FTRACE)
    made("bundle from an object with ftrace sites",
         *bundle(traced, output="traced.upatch"))
    start = read_bundle("traced.upatch")["payload"][:5]
    equal("ftrace's call is a NOP in the new body", start.hex(), "0f1f440000")


def test_bundle_errors():
    def no_bundle(name, source, *flags, **options):
        path = compile_object("bad", source, *flags)
        refused(name, *bundle(path), **options)

    no_bundle("NOTHING_TO_REPLACE bundle of unknown functions",
              "int nobody_knows(void) { return 1; }")
    no_bundle("FUNCTION_TOO_SHORT bundle for a function of one byte",
              "int tiny(void) { return 1; }", says="tiny")
    add_second_twice()
    no_bundle("SYMBOL_AMBIGUOUS bundle for one of two functions", "int twice("
              "void) { return 1; }", says="twice")
    no_bundle("SYMBOL_MISSING bundle that calls what is not there",
              "int gone(void); int victim(void) { return gone() + 1; }",
              says="gone")
    no_bundle("SITE_OVERLAP bundle whose jump meets a return site",
              "int crowded(void) { return 1; }", says="return")
    writable = "OBJECT_UNSUPPORTED bundle with "
    no_bundle(writable + "data that the kernel has", "int counter = 1; int "
              "victim(void) { return counter++; }", says="the kernel has counter")
    no_bundle(writable + "bss that the kernel has", "static int late; int "
              "victim(void) { return late++; }", says="the kernel has late")
    no_bundle(writable + "variables of each CPU", 'int mine __attribute__(('
              'section(".data..percpu"))); int victim(void) { return mine++; }',
              says="of each CPU")
    for section, text in (("__jump_table", "static key"),
                          (".altinstructions", "alternatives"),
                          ("__ex_table", "exception"),
                          ("__bug_table", "WARN"),
                          (".init.text", "boot"),
                          ("___ksymtab+x", "not known")):
        no_bundle(f"{writable}{section}", f'asm(".pushsection {section},'
                  '\\"a\\"; .long 1; .popsection");'
                  "int victim(void) { return 1; }", says=text)
    no_bundle(writable + "a zero-extended address", 'int victim(void) { int x;'
              'asm("movl $counter, %0" : "=r" (x)); return x; }', "-no-pie",
              says="zero-extended")
    no_bundle(writable + "a global offset table", 'int victim(void) { long x;'
              'asm("movq counter@GOTPCREL(%%rip), %0" : "=r" (x)); '
              'return x; }', says="global offset table")
    no_bundle(writable + "thread-local data", "__thread int x = 3; int victim("
              "void) { return x; }", says="section .tdata")
    refused("RELOCATION bundle that reaches too far inside itself", *bundle(
        compile_object("far", 'int victim(void) { int x; asm("movl 1f + '
                       '0x7fffffff(%%rip), %0; .pushsection .rodata.x; .skip '
                       '256; 1: .long 0; .popsection" : "=r" (x)); '
                       'return x; }')))
    test_bundle_inputs()


def add_second_twice():
    """Give the map a second function called twice."""
    lines = read("System.map").decode().splitlines()
    lines.append("ffffffff81000108 t twice")
    write("System.map", "\n".join(sorted(lines)) + "\n")


def test_bundle_inputs():
    good = bundle("fix.o")
    refused("ELF_FORMAT bundle of a text file", *bundle("text"))
    refused("ELF_FORMAT bundle of a linked file", *bundle("vmlinux"))
    refused("ELF_FORMAT bundle of a truncated object", *bundle(
        write("short.o", read("fix.o")[:1000])))
    refused("FILE_OPEN bundle of nothing", *bundle("nothing.o"))
    refused("BASELINE_MAGIC bundle with a wrong baseline", "bundle", "fix.o",
            "-b", "fix.o", "-m", "System.map", "-g", "1", "-n", "x", "-o", "x")
    wrong = read("System.map").decode()
    write("wrong.map", re.sub(r"\w+ (\w) init_task", r"ffffffff81abc000 \1 "
                              "init_task", wrong))
    refused("SYMBOL_AMBIGUOUS bundle with a map of another build", "bundle",
            "fix.o", "-b", "k.ubase", "-m", "wrong.map", "-g", "1", "-n", "x",
            "-o", "x", says="different builds")
    for name, change in (("generation 0", ["-g", "0"]),
                         ("a negative generation", ["-g", "-1"]),
                         ("an empty name", ["-n", ""]),
                         ("a name of 64", ["-n", "n" * 64]),
                         ("a name of two lines", ["-n", "a\nb"]),
                         ("a long description", ["-d", "d" * 128])):
        refused(f"USAGE bundle with {name}", *good, *change)
