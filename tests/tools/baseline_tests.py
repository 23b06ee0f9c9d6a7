# SPDX-License-Identifier: GPL-2.0-or-later
"""underseal baseline, on the small kernel of kernel/."""
import os
import random
import struct

from tool_test import (CFLAGS, HERE, TEXT, build, check, equal, made, read, refused,
                       run, symbols, underseal, write)


def build_kernel(output="vmlinux", define="", relocations="--emit-relocs"):
    lds = os.path.join(HERE, "kernel/kernel.lds")
    flags = [f"-D{define}"] if define else []
    build("gcc", *CFLAGS, *flags, "-c", os.path.join(HERE, "kernel/data.c"), "-o",
          "data.o")
    build("gcc", "-c", os.path.join(HERE, "kernel/code.S"), "-o", "code.o")
    build("gcc", *flags, "-c", os.path.join(HERE, "kernel/patch.S"), "-o",
          "patch.o")
    build("ld", "-static", "--build-id=sha1", *relocations.split(), "-T", lds,
          "code.o", "patch.o", "data.o", "-o", output)


def build_map():
    lines = run("nm", "-n", "vmlinux").stdout.splitlines(True)
    write("System.map", "".join(line for line in lines if not
                                line.rstrip().endswith(("_site", "_reloc"))))


SITE_KINDS = ["alternative", "paravirt", "retpoline", "return", "smp_lock",
              "ftrace", "jump_label", "static_call", "other", "constant", "endbr"]
RUN_KINDS = ["", "lock", "jump", "ftrace", "call", "tail", "jcc", "tracer", "graph"]
RANGE_KINDS = ["", "text", "rodata", "after_init", "idt"]
HEADER = 872
BLOCK = 65536
ANY, THUNK, FTRACE, TYPED, GATE = 1, 2, 3, 16, 0xff00


def pad8(length):
    return (length + 7) & ~7


def read_values(data, at, count, length):
    """Set of (bytes, ((position, type), ...)), where the next one begins."""
    values = set()
    for _ in range(count):
        relocs = data[at]
        pairs = data[at + 1:at + 1 + 2 * relocs]
        at += 1 + 2 * relocs
        values.add((data[at:at + length],
                    tuple(zip(pairs[::2], pairs[1::2]))))
        at += length
    assert len(values) == count, "a value twice"
    return values


def read_block(data, at, result):
    offset, length, relocs, sites, values_len, probes_len = \
        struct.unpack_from("<6I", data, at)
    at += 24
    result["bytes"][offset] = data[at:at + length]
    at += pad8(length)
    for place, kind, value in struct.iter_unpack("<IBxxxQ",
                                                 data[at:at + 16 * relocs]):
        result["relocs"].append((place, kind, value))
    at += 16 * relocs
    values_at = at + 16 * sites
    for place, size, kind, _, count, first in struct.iter_unpack(
            "<IHBBII", data[at:values_at]):
        result["sites"][place] = (
            size, SITE_KINDS[kind],
            read_values(data, values_at + first, count, size))
    at = values_at + pad8(values_len)
    for bit in range(8 * probes_len):
        if data[at + bit // 8] >> bit % 8 & 1:
            result["probes"].add(offset + bit)


def read_baseline(path):
    """The parts of a baseline, by the description in common/baseline.h."""
    data = read(path)
    magic, version, size, total, text_len = struct.unpack_from("<QIIQQ", data)
    id_len, runtime, entries, blocks, _, ranges = \
        struct.unpack_from("<6I", data, 64)
    assert (magic, version, size) == (0x454e494c45534255, 2, HEADER)
    assert total == len(data)
    result = {"sites": {}, "relocs": [], "bytes": {}, "probes": set(),
              "build_id": data[32:32 + id_len].hex(), "text_len": text_len}
    result["ranges"] = [
        (offset, length, RANGE_KINDS[kind]) for offset, length, kind, _ in
        struct.iter_unpack("<4I", data[88:88 + 16 * ranges])]
    at = HEADER
    result["runtime"] = [
        (offset, kind_len & 15, RUN_KINDS[kind_len >> 4],
         None if target == 0xffffffff else target, branch_class)
        for offset, target, branch_class, kind_len, _ in
        struct.iter_unpack("<IIHBB", data[at:at + 12 * runtime])]
    at += pad8(12 * runtime)
    result["entries"] = [
        (entry_class, offset) for offset, entry_class, _ in
        struct.iter_unpack("<IHH", data[at:at + 8 * entries])]
    at += 8 * entries
    for block in range(blocks):
        read_block(data, struct.unpack_from("<Q", data, at + 16 * block)[0],
                   result)
    return result


NOPS = [b"", b"\x90", b"\x66\x90", b"\x0f\x1f\0", b"\x0f\x1f\x40\0",
        b"\x0f\x1f\x44\0\0", b"\x66\x0f\x1f\x44\0\0",
        b"\x0f\x1f\x80\0\0\0\0", b"\x0f\x1f\x84\0\0\0\0\0",
        b"\x2e\x0f\x1f\x84\0\0\0\0\0"]
XOR, MOV1 = b"\x31\xc0", b"\xb8\1\0\0\0"
INT3 = b"\xcc"


def branch(opcode, at, target):
    return bytes([opcode]) + struct.pack("<i", target - at - 5)


def plain(*values):
    return {(value, ()) for value in values}


def returns(names, at, place=None):
    """What a return at @at becomes; moved to @place afterwards."""
    thunks = ["__x86_return_thunk", "retbleed_return_thunk"]
    if not at & 0x20:
        thunks.append("its_return_thunk")
    return plain(b"\xc3" + 4 * INT3, *(
        branch(0xe9, place or at, names[thunk]) for thunk in thunks))


def thunk_values(names):
    """Indirect branches: as linked, bare, and behind LFENCE where that fits."""
    r0, r11 = names["__x86_indirect_thunk_array"], 0
    r11 = r0 + 11 * 32
    call, jump, jcc = (names[name] for name in
                       ("call_thunk", "jump_thunk", "jcc_thunk"))
    return {
        "call_thunk": plain(b"\x2e" + branch(0xe8, call + 1, r0),
                            b"\xff\xd0" + NOPS[4],
                            b"\x0f\xae\xe8\xff\xd0\x90"),
        "jump_thunk": plain(branch(0xe9, jump, r11), b"\x41\xff\xe3\xcc\x90"),
        "jcc_thunk": plain(b"\x0f" + branch(0x84, jcc + 1, r11),
                           b"\x75\x04\x41\xff\xe3\xcc"),
    }


def common_values(names):
    """Places for which 6.1 and 6.8 have the same rules."""
    def call(place):
        return branch(0xe8, names[place], names["native_function"])

    def move(target):
        return (b"\x48\xc7\xc7" + struct.pack("<I", target & 0xffffffff),
                ((3, 2),))

    outer = call("outer")
    values = thunk_values(names)
    values.update({
        "low_return": returns(names, names["low_return"]),
        "high_return": returns(names, names["high_return"]),
        "moved_call": plain(NOPS[5], call("moved_call")),
        "two_others": plain(NOPS[7], XOR + NOPS[5], MOV1 + NOPS[2]),
        "always_there": plain(XOR + NOPS[1]),
        "never_there": plain(NOPS[3]),
        "with_field": {move(names["counter"]), move(names["counter"] + 8)},
        "locked": plain(b"\xf0\xff\x07", b"\x3e\xff\x07", XOR + NOPS[1]),
        "outer": plain(NOPS[5], b"\x0f\x1f\x9c\x9d\0", outer,
                       outer[:2] + b"\x9c\x9d" + outer[4:]),
        "returned": plain(NOPS[5]) | returns(names, names["a_return"],
                                             names["returned"]),
        "user_end": plain(*(struct.pack("<Q", (1 << bits) - 4096)
                            for bits in (47, 56, 63))),
        "shift_count": plain(*(bytes([count]) for count in range(64))),
        "endbr_site": plain(b"\x66\x0f\x1f\0"),
        "constant_site": set(),
        "quirk": plain(b"!cmt,!mbmtotal,!mbmlocal,!l3cat",
                       b"!cmt\0!mbmtotal\0!mbmlocal\0!l3cat"),
    })
    return values


def values_6_1(names):
    def call(place, target):
        return branch(0xe8, names[place], names[target])

    return {
        "plain_nops": plain(NOPS[8] + NOPS[1]),
        "near_jump": plain(NOPS[5], b"\xeb\x12" + NOPS[3]),
        "pv_call": plain(call("pv_call", "native_function") + NOPS[2]),
        "pv_nop": plain(NOPS[7]),
        "pv_none": plain(call("pv_none", "paravirt_BUG") + NOPS[2]),
    }


def values_6_8(names):
    def call(place, target):
        return branch(0xe8, names[place], names[target])

    relative = names["relative"]
    lea = struct.pack("<i", names["counter"] - relative - 9)
    return {
        "plain_nops": plain(NOPS[9]),
        "near_jump": plain(NOPS[5], b"\xeb\x12" + 3 * INT3),
        "pv_call": plain(call("pv_call", "native_function") + NOPS[1]),
        "pv_nop": plain(NOPS[6]),
        "pv_none": plain(call("pv_none", "paravirt_BUG") + NOPS[1]),
        "long_nops": plain(b"\xeb\x0c" + 12 * INT3),
        "relative": plain(NOPS[9], b"\xeb\0\x48\x8d\x05" + lea),
        "far_jump": plain(NOPS[5], branch(
            0xe9, names["far_jump"], names["__x86_indirect_thunk_array"])),
    }


def test_values(label, names, found, more):
    """The values of every place, written out by hand."""
    expected = common_values(names)
    expected.update(more)
    for name, values in sorted(expected.items()):
        place = names[name] - TEXT
        site = found["sites"].get(place, (0, "", {"no site"}))
        equal(f"values of {name}, {label}", site[2], values)
    known = {names[name] - TEXT for name in expected}
    known |= {names[name] - TEXT for name in
              ("return_site", "crowded_return_site", "retpoline_site")}
    equal(f"places, {label}", set(found["sites"]), known)
    for name in ("return_site", "crowded_return_site"):
        equal(f"values of {name}, {label}", found["sites"][names[name] - TEXT],
              (5, "return", returns(names, names[name])))


def test_runtime(names, found):
    def at(name):
        return names[name] - TEXT

    tiny = at("tiny")
    equal("runtime sites", found["runtime"], sorted([
        (at("mcount_site"), 5, "ftrace", None, FTRACE),
        (at("guarded_mcount_site"), 5, "ftrace", None, FTRACE),
        (at("crowded_mcount_site"), 5, "ftrace", None, FTRACE),
        (at("lock_site"), 1, "lock", None, 0),
        (at("locked"), 1, "lock", None, 0),
        (at("jump_label_site"), 5, "jump", tiny, 0),
        (at("short_jump_label_site"), 2, "jump", at("static_call_site"), 0),
        (at("static_call_site"), 5, "call", tiny, ANY),
        (at("__SCT__hook"), 5, "tail", tiny, ANY),
        (at("ftrace_call"), 5, "tracer", at("ftrace_stub"), ANY),
        (at("typed_call_site"), 5, "call", at("with_its_type"), TYPED),
        (at("__SCT__typed"), 5, "tail", at("with_its_type"), TYPED),
    ]))
    entries = found["entries"]
    equal("functions whose address is taken",
          {offset for cls, offset in entries if cls == ANY},
          {at(name) for name in ("tiny", "patched", "native_function",
                                 "_paravirt_nop", "with_its_type",
                                 "also_its_type", "of_another_type")})
    equal("functions of a static call's type",
          {offset for cls, offset in entries if cls == TYPED},
          {at("with_its_type"), at("also_its_type")})
    equal("return thunks", {offset for cls, offset in entries if cls == THUNK},
          {at(name) for name in ("__x86_return_thunk", "its_return_thunk",
                                 "retbleed_return_thunk")})
    equal("ftrace's entries", [offset for cls, offset in entries
                               if cls == FTRACE], [at("ftrace_caller")])
    gates = {}
    for cls, offset in entries:
        if cls >= GATE:
            gates.setdefault(cls - GATE, set()).add(offset)
    expected = {vector: {at("early_idt_handler_array") + 9 * vector}
                for vector in range(32)}
    expected.update({vector: {at("irq_entries_start") + 8 * (vector - 32)}
                     for vector in range(32, 256)})
    expected[3] = {tiny}
    expected[128].add(at("patched"))
    expected[255] = {at("native_function")}
    equal("gates of the interrupt table", gates, expected)


def test_ranges(names, found):
    def at(name):
        return names[name] - TEXT

    start, late = at("__start_rodata"), at("__start_ro_after_init")
    constants, end = late + 4096, at("__end_rodata")
    equal("ranges", found["ranges"], [
        (0, at("_etext"), "text"), (start, late - start, "rodata"),
        (late, 4096, "after_init"),
        (constants, 4096, "rodata"), (end - 4096, 4096, "after_init"),
        (at("idt_table"), 4096, "idt")])
    table = at("constant")
    equal("every relocation and its value",
          [reloc for reloc in found["relocs"] if reloc[0] not in
           (table, table + 8)], sorted([
               (at("add32_reloc"), 2, field(found, names, "add32_reloc", 4)),
               (at("sub32_reloc"), 3, field(found, names, "sub32_reloc", 4)),
               (at("add64_reloc"), 1, names["counter"])]))
    equal("relocations of constants",
          [reloc for reloc in found["relocs"] if reloc[0] >= start],
          [(table, 1, names["tiny"]), (table + 8, 1, names["counter"])])


def field(found, names, name, size):
    at = names[name] - TEXT
    return int.from_bytes(found["bytes"][0][at:at + size], "little")


def test_probes(names, found):
    """victim: not on the call of ftrace, LOCK or the return."""
    def at(name):
        return names[name] - TEXT

    victim = at("victim")
    equal("probes in a function",
          {offset for offset in found["probes"]
           if victim <= offset < at("return_site") + 5},
          {victim + 5, at("lock_site") + 7, at("sub32_reloc") - 3})
    for name in ("not_probed", "mcount_site", "lock_site", "return_site",
                 "low_return", "locked", "plain_nops"):
        check(f"no probe on {name}", at(name) not in found["probes"])
    check("a probe on a plain function", at("native_function") in
          found["probes"])


def test_baseline():
    build_kernel()
    build_map()
    answer = made("baseline of the small kernel", "baseline", "vmlinux", "-o",
                  "k.ubase", "-m", "System.map")
    names = symbols("vmlinux")
    found = read_baseline("k.ubase")
    test_values("6.1", names, found, values_6_1(names))
    test_runtime(names, found)
    test_ranges(names, found)
    test_probes(names, found)
    build("objcopy", "-O", "binary", "-j", ".text", "vmlinux", "text.bin")
    equal("text", found["bytes"][0], read("text.bin"))
    notes = run("readelf", "-n", "vmlinux").stdout
    check("build id", f"Build ID: {found['build_id']}" in notes, notes)
    test_facts(answer, names)
    test_shares(answer, found)
    build_kernel("vmlinux-6.8", "RULES_6_8")
    made("baseline of a kernel with newer rules", "baseline", "vmlinux-6.8",
         "-o", "k68.ubase")
    names = symbols("vmlinux-6.8")
    test_values("6.8", names, read_baseline("k68.ubase"), values_6_8(names))
    test_policy()
    test_damage()


def test_shares(answer, found):
    shares = answer.get("shares", {})
    equal("bytes that are not compared, and why",
          {kind: masked["bytes"] for kind, masked in
           shares.get("text_masked", {}).items()}, {"constant": 8})
    equal("every byte of text is counted once", shares.get("text_exact", 0) +
          shares.get("text_enumerated", 0) + 8, found["text_len"])
    equal("number of values in text", shares.get("values"),
          sum(len(site[2]) for place, site in found["sites"].items()
              if place < found["text_len"]))
    equal("number of probes", shares.get("probes"), len(found["probes"]))


def damage(whole, dice):
    """A few bytes, a length or an address somewhere, or the end, is wrong."""
    data = bytearray(whole)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(data) - 8)
        size = dice.choice((1, 2, 4, 8))
        if dice.random() < 0.5:
            at &= ~7
        data[at:at + size] = dice.choice((
            dice.randbytes(size), b"\0" * size, b"\xff" * size,
            struct.pack("<Q", TEXT + dice.randrange(0x20000))[:size]))
    if dice.random() < 0.1:
        del data[dice.randrange(len(data)):]
    return bytes(data)


def test_damage(rounds=int(os.environ.get("DAMAGE_ROUNDS", "50"))):
    """A damaged vmlinux is refused or not, but never crashes the command."""
    generator = random.Random(6112)
    bad = []
    for source in ("vmlinux", "vmlinux-6.8"):
        whole = read(source)
        for number in range(rounds):
            write("damaged", damage(whole, generator))
            done = underseal("baseline", "damaged", "-o", "d.ubase", "--json",
                             timeout=60)
            made_it = os.path.exists("d.ubase")
            if done.returncode not in (0, 1) or made_it != (not done.returncode):
                bad.append((source, number, done.returncode, done.stderr[-300:]))
            if made_it:
                os.remove("d.ubase")
    equal("damaged kernels do no harm", bad, [])


def test_policy():
    def policy(name, *options):
        answer = made(name, "baseline", "vmlinux", "-o", "p.ubase", *options)
        return answer.get("policy")

    usual = {"jump-label": "allow", "static-call": "allow", "ftrace": "allow",
             "trampoline": "allow", "kprobe": "allow-log", "smp-lock": "allow",
             "module": "open", "mapping": "repair", "execute": "any"}
    equal("policy unless told otherwise", policy("a usual policy"), usual)
    usual.update({"kprobe": "deny", "mapping": "halt", "module": "as-found"})
    equal("a policy of one's own",
          policy("a policy of one's own is taken", "--policy",
                 "kprobe=deny,mapping=halt", "--policy", "module=as-found"),
          usual)
    for text in ("kprobe", "kprobe=open", "tea=allow", "kprobe=deny,", ""):
        refused(f"USAGE policy '{text}'", "baseline", "vmlinux", "-o", "x.ubase",
                "--policy", text)


def test_facts(answer, names):
    equal("kernel release", answer.get("kernel"), "9.9.9-test")
    facts = {name: int(value, 16) if value else None
             for name, value in answer.get("facts", {}).items()}
    image = {"entry_syscall": "entry_SYSCALL_64", "image_end": "_end",
             "level2_kernel_pgt": "level2_kernel_pgt",
             "init_top_pgt": "init_top_pgt", "init_task": "init_task",
             "per_cpu_offset": "__per_cpu_offset", "nr_cpu_ids": "nr_cpu_ids",
             "panic_cpu": "panic_cpu"}
    equal("facts: image offsets", {name: facts[name] for name in image},
          {name: names[symbol] - TEXT for name, symbol in image.items()})
    # As the structures in kernel/data.c are laid out.
    members = {"link_base": TEXT, "percpu_current_task": 8,
               "percpu_hardirq_stack": 16, "task_stack": 8, "task_tasks": 16,
               "task_pid": 32, "task_thread_node": 40, "task_comm": 56,
               "task_signal": 72, "task_thread_sp": 104,
               "signal_thread_head": 8, "thread_size": 16384,
               "irq_stack_size": 16384, "task_on_cpu": None,
               "task_nvcsw": 112, "task_nivcsw": 120, "task_start_time": 128,
               "percpu_exception_stacks": 24, "percpu_runqueues": 32,
               "rq_nr_switches": 8, "rq_idle": 24,
               "exception_stacks_size": 12288}
    equal("facts: members and sizes", {name: facts[name] for name in members},
          members)


def test_baseline_errors():
    def baseline(name, path, *more, **options):
        refused(name, "baseline", path, "-o", "x.ubase", *more, **options)

    baseline("FILE_OPEN baseline of nothing", "nothing", says="nothing")
    baseline("ELF_FORMAT baseline of a directory", HERE)
    baseline("ELF_FORMAT baseline of a text file",
             write("text", "no kernel\n" * 99))
    baseline("ELF_FORMAT baseline of an object", "code.o")
    baseline("ELF_FORMAT baseline of a truncated vmlinux",
             write("short", read("vmlinux")[:20000]))
    baseline("ELF_NO_DEBUG baseline without DWARF",
             without_debug("vmlinux", "no-debug"))
    build_kernel("no-relocs", relocations="")
    baseline("ELF_NO_RELOCATIONS baseline without them", "no-relocs",
             says="--image")
    baseline("ELF_FORMAT baseline with an --image that is none", "no-relocs",
             "-i", "text", says="bootable")
    for symbol in ("init_task", "level2_kernel_pgt", "_etext", "_end",
                   "idt_table", "irq_entries_start", "__end_rodata"):
        build("objcopy", f"--redefine-sym={symbol}=renamed", "vmlinux", "lacks")
        baseline(f"SYMBOL_MISSING baseline without {symbol}", "lacks",
                 says=symbol)
    end = symbols("vmlinux")["_etext"]
    wrong = read("System.map").replace(b"%x T _etext" % end,
                                       b"%x T _etext" % (end + 1))
    baseline("SYMBOL_AMBIGUOUS baseline with a map of another build", "vmlinux",
             "-m", write("wrong.map", wrong))
    baseline("SYMBOL_MISSING baseline with an empty map", "vmlinux", "-m",
             write("stub.map", "ffffffffffffffff B elsewhere\n"))
    baseline("ELF_FORMAT baseline with a map that is none", "vmlinux", "-m",
             "text")
    refused("FILE_WRITE baseline into nowhere", "baseline", "vmlinux", "-o",
            "no/such/directory")
    refused("FILE_WRITE baseline onto a full disk", "baseline", "vmlinux",
            "-o", "/dev/full")
    check("no baseline is left behind by a refusal",
          not os.path.exists("x.ubase"))


def without_debug(source, target):
    """strip -g would drop the relocation sections of the text with it."""
    build("objcopy", "--remove-section=.debug_*",
          "--remove-section=.rela.debug_*", source, target)
    return target
