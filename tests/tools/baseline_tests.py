# SPDX-License-Identifier: GPL-2.0-or-later
"""underseal baseline, on the small kernel of kernel/."""
import os
import struct

from tool_test import (CFLAGS, HERE, TEXT, build, check, equal, made, read, refused,
                       run, symbols, write)


def build_kernel():
    lds = os.path.join(HERE, "kernel/kernel.lds")
    build("gcc", *CFLAGS, "-c", os.path.join(HERE, "kernel/data.c"), "-o",
          "data.o")
    build("gcc", "-c", os.path.join(HERE, "kernel/code.S"), "-o", "code.o")
    build("ld", "-static", "--build-id=sha1", "--emit-relocs", "-T", lds,
          "code.o", "data.o", "-o", "vmlinux")
    lines = run("nm", "-n", "vmlinux").stdout.splitlines(True)
    write("System.map", "".join(line for line in lines if not
                                line.rstrip().endswith(("_site", "_reloc"))))


SITE_KINDS = ["alternative", "paravirt", "retpoline", "return", "smp_lock",
              "ftrace", "jump_label", "static_call", "other"]


def read_baseline(path):
    """The parts of a baseline, by the description in common/baseline.h."""
    data = read(path)
    magic, version, size, total, text_len = struct.unpack_from("<QIIQQ", data)
    id_len, runtime, blocks, _ = struct.unpack_from("<IIII", data, 64)
    assert (magic, version, size) == (0x454e494c45534255, 1, 464)
    assert total == len(data)

    def sites(at, count):
        return [(offset, length, SITE_KINDS[kind]) for offset, length, kind, _
                in struct.iter_unpack("<IBBH", data[at:at + 8 * count])]

    result = {"runtime": sites(464, runtime), "sites": [], "relocs": [],
              "text": b"", "build_id": data[32:32 + id_len].hex()}
    at = 464 + 8 * runtime
    for block in range(blocks):
        offset, _, _ = struct.unpack_from("<QII", data, at + 16 * block)
        _, length, relocs, site_count = struct.unpack_from("<IIII", data, offset)
        offset += 16
        result["text"] += data[offset:offset + length]
        offset += (length + 7) & ~7
        result["relocs"] += [
            (place, kind, value) for place, kind, _, _, _, value in
            struct.iter_unpack("<IBBBBQ", data[offset:offset + 16 * relocs])]
        result["sites"] += sites(offset + 16 * relocs, site_count)
    assert text_len == len(result["text"])
    return result


def test_baseline():
    build_kernel()
    answer = made("baseline of the small kernel", "baseline", "vmlinux", "-o",
                  "k.ubase", "-m", "System.map")
    names = symbols("vmlinux")
    found = read_baseline("k.ubase")

    def at(name):
        return names[name] - TEXT

    sites = [
        (at("mcount_site"), 5, "ftrace"),
        (at("guarded_mcount_site"), 5, "ftrace"),
        (at("crowded_mcount_site"), 5, "ftrace"),
        (at("lock_site"), 1, "smp_lock"),
        (at("return_site"), 5, "return"),
        (at("crowded_return_site"), 5, "return"),
        (at("endbr_site"), 4, "other"),
        (at("jump_label_site"), 5, "jump_label"),
        (at("short_jump_label_site"), 2, "jump_label"),
        (at("static_call_site"), 5, "static_call"),
        (at("__SCT__hook"), 5, "static_call"),
        (at("retpoline_site"), 6, "retpoline"),
        (at("alternative_site"), 3, "alternative"),
        (at("paravirt_site"), 6, "paravirt"),
        (at("constant_site"), 8, "other"),
        (at("ftrace_call"), 5, "other"),
    ]
    equal("every site, its length and kind", found["sites"], sorted(sites))
    runtime = [site for site in sorted(sites)
               if site[2] in ("ftrace", "smp_lock", "jump_label", "static_call")
               or site[0] == at("ftrace_call")]
    equal("runtime sites in the head", found["runtime"], runtime)
    text = found["text"]

    def field(name, size):
        return int.from_bytes(text[at(name):at(name) + size], "little")

    equal("every relocation and its value", found["relocs"], sorted([
        (at("add32_reloc"), 2, field("add32_reloc", 4)),
        (at("sub32_reloc"), 3, field("sub32_reloc", 4)),
        (at("add64_reloc"), 1, field("add64_reloc", 8)),
    ]))
    equal("add64 value", field("add64_reloc", 8), names["counter"])
    build("objcopy", "-O", "binary", "-j", ".text", "vmlinux", "text.bin")
    equal("text", text, read("text.bin"))
    notes = run("readelf", "-n", "vmlinux").stdout
    check("build id", f"Build ID: {found['build_id']}" in notes, notes)
    test_facts(answer, names)


def test_facts(answer, names):
    equal("kernel release", answer.get("kernel"), "9.9.9-test")
    facts = {name: int(value, 16) if value else None
             for name, value in answer.get("facts", {}).items()}
    image = {"entry_syscall": "entry_SYSCALL_64", "image_end": "_end",
             "level2_kernel_pgt": "level2_kernel_pgt",
             "init_top_pgt": "init_top_pgt", "init_task": "init_task",
             "per_cpu_offset": "__per_cpu_offset", "nr_cpu_ids": "nr_cpu_ids"}
    equal("facts: image offsets", {name: facts[name] for name in image},
          {name: names[symbol] - TEXT for name, symbol in image.items()})
    # As the structures in kernel/data.c are laid out.
    members = {"link_base": TEXT, "percpu_current_task": 8,
               "percpu_hardirq_stack": 16, "task_stack": 8, "task_tasks": 16,
               "task_pid": 32, "task_thread_node": 40, "task_comm": 56,
               "task_signal": 72, "task_thread_sp": 104,
               "signal_thread_head": 8, "thread_size": 16384,
               "irq_stack_size": 16384}
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
    build("ld", "-static", "--build-id=sha1", "-T",
          os.path.join(HERE, "kernel/kernel.lds"), "code.o", "data.o", "-o",
          "no-relocs")
    baseline("ELF_NO_RELOCATIONS baseline without them", "no-relocs",
             says="--image")
    baseline("ELF_FORMAT baseline with an --image that is none", "no-relocs",
             "-i", "text", says="bootable")
    for symbol in ("init_task", "level2_kernel_pgt", "_etext"):
        build("objcopy", f"--redefine-sym={symbol}=renamed", "vmlinux", "lacks")
        baseline(f"SYMBOL_MISSING baseline without {symbol}", "lacks",
                 says=symbol)
    wrong = read("System.map").replace(b"ffffffff81000111 T _etext",
                                       b"ffffffff81000112 T _etext")
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
