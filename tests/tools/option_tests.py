# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of a bundle beside its code: links, consistency, probation, writes of
variables, new variables."""
import struct

from bundle_tests import bundle, compile_object, read_bundle
from file_tests import blake2b
from tool_test import (TEXT, check, equal, made, read, refused, symbols,
                       underseal, write)

NEEDS, CONFLICTS, REPLACES = 1, 2, 3
PRE, POST, KEEP = 1, 2, 1
IMAGE, SHADOW, WRITES = 1, 6, 7

FIX = "int victim(void) { return 7; }"

# Of every kind: zeros, numbers, pointers, two writes apart.
NEW = """
extern unsigned int counter;
static int fresh_function(void) { return 3; }
static int fresh_count;
static long fresh_start = 5;
static struct list {
	struct list *self;
	unsigned int *other;
	int (*function)(void);
} fresh_list = { &fresh_list, &counter, fresh_function };
static unsigned char fresh_big[4000];
int victim(void)
{
	static int inside = 9;

	fresh_list.self = &fresh_list;
	fresh_big[17]++;
	return fresh_count++ + fresh_start++ + inside++ + !fresh_list.other +
	       !fresh_list.function + fresh_function();
}
"""


def text_at(parts, offset):
    return parts["strings"][offset:].split(b"\0")[0].decode()


def with_options(name, *options, output="o.upatch"):
    answer = made(name, *bundle("o.o", *options, output=output))
    return answer, read_bundle(output)


def test_options():
    compile_object("o", FIX)
    other = blake2b(read("b.upatch"))
    answer, parts = with_options(
        "bundle with links", "--needs", "fix=b.upatch", "--needs", "fix",
        "--conflicts", f"other={other.upper()}", "--replaces", "old",
        "--cumulative")
    links = [(link[0], link[3].rstrip(b"\0").decode(), link[2].hex())
             for link in parts["links"]]
    equal("links", links, [
        (NEEDS, "fix", other), (NEEDS, "fix", "00" * 32),
        (CONFLICTS, "other", other), (REPLACES, "old", "00" * 32)])
    equal("cumulative", (parts["flags"], answer["cumulative"]), (1, True))
    equal("links as inspect shows them", answer["links"][0],
          {"kind": "needs", "name": "fix", "bundle_id": other})
    equal("a link to any bundle of the name", answer["links"][1]["bundle_id"],
          None)
    answer, parts = with_options(
        "bundle with a probation", "--probation", "30", "--watch", "counter/4:2",
        "--consistency", "none", "--reason", "both may run")
    names = symbols("vmlinux")
    equal("watch", [(watch[0], watch[1], watch[2]) for watch in parts["watches"]],
          [(names["counter"] - TEXT, 2, 4)])
    equal("probation, consistency and reason",
          (parts["probation"], parts["consistency"], parts["reason"]),
          (30, 2, "both may run"))
    text = underseal("inspect", "o.upatch").stdout
    for line in ("consistency  none: both may run", "probation    30 s",
                 "watch        counter at image+"):
        check(f"inspect says: {line}", line in text, text)
    with_options("consistency as it is without options", "--consistency",
                 "stack")
    equal("consistency", read_bundle("o.upatch")["consistency"], 1)
    test_writes(names)


def test_writes(names):
    write("writes", "# of all kinds\n\n"
          "counter/4 1 0xffffffff keep\n"
          "  pre nr_cpu_ids/4 8 -1\n"
          "post __SCK__hook+0 &tiny &init_signals+3 keep\n")
    answer, parts = with_options(
        "bundle with writes", "--write", "post modules+8 hex:0102030405060708 "
        "hex:A0a1A2A3A4A5A6A7", "--write", "@writes")
    found = [(text_at(parts, entry[6]), entry[0], entry[1], entry[2], entry[5],
              entry[8][:entry[4]], entry[9][:entry[4]])
             for entry in parts["writes"]]
    place = {name: address - TEXT for name, address in names.items()}
    equal("writes, those before the text first", found, [
        ("counter", PRE, KEEP, IMAGE, place["counter"], b"\1\0\0\0",
         b"\xff" * 4),
        ("nr_cpu_ids", PRE, 0, IMAGE, place["nr_cpu_ids"], b"\x08\0\0\0",
         b"\xff" * 4),
        ("modules", POST, 0, IMAGE, place["modules"] + 8, bytes(range(1, 9)),
         bytes(range(0xa0, 0xa8))),
        ("__SCK__hook", POST, KEEP, IMAGE, place["__SCK__hook"], bytes(8),
         bytes(8))])
    equal("addresses", [reloc for reloc in parts["relocs"]
                        if reloc[1] == WRITES],
          [(3 << 8, WRITES, 1, IMAGE, 0, place["init_signals"] + 3),
           (3 << 8 | 16, WRITES, 1, IMAGE, 0, place["tiny"])])
    equal("a write as inspect shows it", answer["writes"][0], {
        "variable": "counter", "when": "pre", "space": "image", "base": 0,
        "offset": place["counter"], "expected": "01000000",
        "replacement": "ffffffff", "keep": True})
    review = made("review of writes", "inspect", "o.upatch", "--vmlinux",
                  "vmlinux")["write_list"]
    equal("a write under review", review[3], {
        "place": "__SCK__hook", "variable": "__SCK__hook", "bytes": 8,
        "expected": "&tiny", "replacement": "&init_signals+0x3"})
    equal("the kernel's name for the place", review[2]["place"], "modules+0x8")
    renamed = read("o.upatch").replace(b"nr_cpu_ids\0", b"mr_cpu_ids\0")
    review = made("review of a name that misleads", "inspect",
                  write("renamed.upatch", renamed), "--vmlinux", "vmlinux")
    equal("the kernel's name beside the bundle's", (
        review["write_list"][1]["place"], review["write_list"][1]["variable"]),
          ("nr_cpu_ids", "mr_cpu_ids"))


def refuse(name, *options, says=""):
    refused(name, *bundle("o.o", *options), says=says)


def test_option_errors():
    for text in ("counter", "counter 1", "counter 1 x", "counter 1 2 hold",
                 "soon counter 1 2", "1counter 1 2", "counter/0 1 2",
                 "counter/17 1 2", "counter 1 hex:123", "counter 1 hex:",
                 "counter 1 &", "counter 1 &tiny/8", "counter+ 1 2",
                 "pre counter 1 2 keep more", "c" * 128 + " 1 2"):
        refuse(f"USAGE bundle with the write '{text[:40]}'", "--write", text)
    refuse("USAGE bundle with a line that is no write", "--write",
           "@" + write("bad-writes", "counter 1 2\nnothing\n"), says="nothing")
    refuse("FILE_OPEN bundle with writes from no file", "--write", "@nowhere")
    for name in ("tiny", "__SCK__hook_", "late"):
        code = "SYMBOL_MISSING" if name.endswith("_") else "VARIABLE_SEALED"
        refuse(f"{code} bundle that writes {name}", "--write", f"{name}/1 0 1",
               says=name)
    for name, why in (("victim", "code"), ("linux_banner", "constant"),
                      ("idt_table", "interrupt table"),
                      ("percpu_value", "each CPU")):
        refuse(f"VARIABLE_SEALED bundle that writes {name}", "--write",
               f"{name}/1 0 1", says=why)
    refuse("VARIABLE_SEALED bundle that watches code", "--probation", "5",
           "--watch", "tiny/4", says="tiny is code")
    refuse("VARIABLE_SIZE bundle with a write of unknown size", "--write",
           "counter 1 2", says="say counter/SIZE")
    refuse("VARIABLE_SIZE bundle with a watch of unknown size", "--probation",
           "5", "--watch", "counter", says="say counter/SIZE")
    for text in ("counter/8 1 2", "counter+4/4 1 2", "counter+1/4 1 2",
                 "counter 1 &tiny", "counter/2 1 65536", "counter/2 1 -32769",
                 "counter/3 1 2", "counter hex:00 hex:0011"):
        refuse(f"VARIABLE_SIZE bundle with the write '{text}'", "--write", text,
               says="counter")
    refuse("VARIABLE_SIZE bundle that watches more than the counter",
           "--probation", "5", "--watch", "counter/8", says="counter")
    refuse("HUNKS_OVERLAP bundle that writes a byte twice", "--write",
           "counter/4 1 2", "--write", "post counter+3/1 0 1", says="counter")
    refuse("USAGE bundle without a reason", "--consistency", "none")
    refuse("USAGE bundle with a reason for nothing", "--reason", "none")
    refuse("USAGE bundle with a reason of two lines", "--consistency", "none",
           "--reason", "a\nb")
    refuse("USAGE bundle with an unknown consistency", "--consistency", "some")
    refuse("USAGE bundle with a watch and no probation", "--watch", "counter")
    refuse("USAGE bundle with a long probation", "--probation", "86401")
    refuse("USAGE bundle with a link twice", "--needs", "x", "--conflicts", "x")
    refuse("USAGE bundle with a link to no name", "--needs", "=b.upatch")
    refuse("USAGE bundle with a link to another name", "--needs", "x=b.upatch",
           says="b.upatch is the bundle fix")
    refuse("FILE_OPEN bundle with a link to no file", "--replaces", "x=nowhere")
    refuse("BUNDLE_MAGIC bundle with a link to another file", "--replaces",
           "x=text")
    refuse("USAGE bundle with 17 links",
           *[word for i in range(17) for word in ("--needs", f"n{i}")])
    refuse("USAGE bundle with nine watches", "--probation", "5",
           *["--watch", "counter"] * 9)
    refuse("USAGE bundle with 65 writes", "--write", "@" + write(
        "many", "".join(f"init_top_pgt+{i}/1 0 1\n" for i in range(65))))


def shadow_contents(parts):
    """What the new variables begin as; relocations of the writes."""
    contents = bytearray(parts["shadow"])
    for entry in parts["writes"]:
        when, flags, space, _, length, offset, _, _, expected, new = entry
        assert (when, flags, space) == (PRE, KEEP, SHADOW), entry
        assert expected == bytes(16), entry
        contents[offset:offset + length] = new[:length]
    pointers = {parts["writes"][where >> 8][5] + (where & 0xff):
                (target_space, target)
                for where, space, _, target_space, _, target in parts["relocs"]
                if space == WRITES}
    return bytes(contents), pointers


def test_new_variables():
    compile_object("new", NEW)
    answer = made("bundle with new variables", *bundle("new.o",
                                                       output="new.upatch"))
    parts = read_bundle("new.upatch")
    notes = made("inspect of new variables", "inspect", "new.upatch",
                 "--vmlinux", "vmlinux")
    places = {}
    for note in notes["notes"]:
        words = note.split()
        if words[:2] == ["new", "variable"]:
            places[words[2].rstrip(",").split(".")[0]] = (
                int(words[-1].split("+")[1], 0), int(words[3]))
    equal("every new variable has a note", {name: size for name, (_, size)
                                            in places.items()},
          {"fresh_count": 4, "fresh_start": 8, "fresh_list": 24,
           "fresh_big": 4000, "inside": 4})
    spans = sorted(places.values())
    check("new variables do not overlap", all(
        start + size <= after for (start, size), (after, _)
        in zip(spans, spans[1:])), spans)
    contents, pointers = shadow_contents(parts)
    at = {name: start for name, (start, _) in places.items()}
    equal("first contents", (
        struct.unpack_from("<q", contents, at["fresh_start"]),
        struct.unpack_from("<i", contents, at["inside"]),
        struct.unpack_from("<i", contents, at["fresh_count"]),
        set(contents[at["fresh_big"]:at["fresh_big"] + 4000])),
          ((5,), (9,), (0,), {0}))
    function = symbols("new.o")["fresh_function"]
    equal("pointers among them", pointers, {
        at["fresh_list"]: (SHADOW, at["fresh_list"]),
        at["fresh_list"] + 8: (IMAGE, symbols("vmlinux")["counter"] - TEXT),
        at["fresh_list"] + 16: (2, function)})
    code = [(reloc[2], reloc[3], reloc[5] + 4) for reloc in parts["relocs"]
            if reloc[1] == 2 and reloc[3] == SHADOW and reloc[2] == 3]
    check("the code refers to shadow memory", any(
        target == at["fresh_count"] for _, _, target in code), code)
    equal("shadow memory in all", answer["shadow_bytes"], parts["shadow"])
    check("its code under review", any(
        "new:fresh_count" in reloc["target"]
        for reloc in notes["relocation_list"]), notes["relocation_list"])
    made("a write that leads to a new variable", *bundle(
        "new.o", "--write", "__SCK__hook+0 &tiny &fresh_big+8"))
    test_new_variable_errors()


def test_new_variable_errors():
    def no_bundle(name, source, says):
        refused(name, *bundle(compile_object("bad", source)), says=says)

    no_bundle("TOO_LARGE bundle with large first contents",
              "static char fresh_text[2000] = { [0 ... 1999] = 3 }; int victim("
              "int i) { return fresh_text[i]++; }", "fresh_text")
    no_bundle("TOO_LARGE bundle with large new variables",
              "static char fresh_room[300000]; int victim(int i) { return "
              "fresh_room[i]++; }", "fresh_room")
    no_bundle("OBJECT_UNSUPPORTED bundle with a short pointer among them",
              'asm(".pushsection .data; fresh: .reloc ., R_X86_64_32S, victim; .long 0; .popsection"); '
              'extern int fresh; int victim(void) { return fresh++; }',
              "no whole pointer")
    no_bundle("OBJECT_UNSUPPORTED bundle with a distance in data",
              'asm(".pushsection .data; fresh: .long victim - .; .popsection");'
              'extern int fresh; int victim(void) { return fresh++; }',
              "a distance in writable data")
    no_bundle("OBJECT_UNSUPPORTED bundle with what may be the kernel's",
              "int victim(void) { static int late; return late++; }",
              "the kernel has late")
