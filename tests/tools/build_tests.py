# SPDX-License-Identifier: GPL-2.0-or-later
"""underseal build, on a small kernel whose source is compiled here: a tree with two files
and a Makefile that does what is asked of a kernel's."""
import glob
import os
import shutil
import stat

from bundle_tests import read_bundle
from diff_tests import AUTHOR, Machine
from tool_test import (build, check, equal, made, read, refused, run, underseal,
                       write)

RELEASE = "6.1.0-55-test"
CFLAGS = ("-g -O2 -fno-pic -mcmodel=kernel -ffreestanding -mno-red-zone "
          "-fcf-protection=none -fno-asynchronous-unwind-tables "
          "-fno-stack-protector -fno-jump-tables")

MAKEFILE = f"""
olddefconfig:
	@test ! -e broken || {{ echo the tree is broken; exit 1; }}
prepare:
	@mkdir -p include/generated
	@echo '#define UTS_RELEASE "$(KERNELRELEASE)"' > include/generated/utsrelease.h
	@for name in autoconf asm-offsets bounds; do \\
		echo > include/generated/$$name.h; done
modflags = $(if $(filter fs/mod.o,$@), -DMODULE -DKBUILD_MODNAME='"mod"')
%.o: %.c
	@$(CC) {CFLAGS} -Iinclude $(KCFLAGS)$(modflags) -c -o $@ $<
	@echo "cmd_$@ := $(CC)$(subst ",\\",$(modflags)) -c" > $(@D)/.$(@F).cmd
"""

HEADER = """
#define noinline __attribute__((noinline, noclone))
struct node {
	int first;
	int second;
};
extern int counter;
int stays(int x);
static inline int scale(int x)
{
	return x * 3;
}
"""

ONE = """#include "one.h"

int one_data = 5;
static int calls;

noinline int one_line_before(void)
{
	return __LINE__;
}

static noinline int twice(int x)
{
	calls++;
	return stays(x) + stays(x + 1);
}

noinline int one_add(int x)
{
	return twice(x) + 1;
}

noinline int one_scale(int x)
{
	return scale(x) + calls;
}

noinline const char *one_text(int x)
{
	return x ? "yes" : "no";
}

noinline int one_line_after(void)
{
	return __LINE__;
}

noinline int one_node(struct node *node)
{
	return node->second + one_data;
}

__attribute__((section(".init.text"))) int one_init(int x)
{
	return x + 1;
}
"""

TWO = """#include "one.h"

noinline int two_scale(int x)
{
	return scale(x) - counter;
}
static noinline int twice(int x)
{
	return x * 2 + counter * counter;
}
noinline int two_twice(int x)
{
	return twice(x) + twice(x + 2);
}
"""

MOD = """#include "mod.h"
#include "one.h"

static int uses;

noinline int mod_scale(int x)
{
	return scale(x) * stays(x);
}
noinline int mod_other(int x)
{
	return mod_scale(x) + STEP + counter + uses++;
}
"""

# Not configured: kbuild makes it when asked to, as for the image.
UNUSED = """#include "unused.h"

int unused(int x)
{
	return x + USED;
}
"""

FILES = {"fs/mod.c": MOD, "Makefile": MAKEFILE, "Kbuild": "", "Kconfig": "config A\n",
         "fs/one.c": ONE, "fs/two.c": TWO, "include/one.h": HEADER,
         "fs/Makefile": "obj-y := one.o two.o\nobj-m += mod.o\n",
         "fs/mod.h": "#define STEP 1\n", "fs/unused.c": UNUSED,
         "fs/unused.h": "#define USED 1\n",
         "fs/three.S": ".globl three\n", "Documentation/x.rst": "words\n"}


def put(top, files):
    for name, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(top, name)), exist_ok=True)
        write(os.path.join(top, name), text)


def compiler():
    return run("gcc", "--version").stdout.splitlines()[0]


def make_kernel():
    """tree/, its configuration and the kernel that comes out of it."""
    put("tree", FILES)
    write("config", f'CONFIG_CC_VERSION_TEXT="{compiler()}"\nCONFIG_A=y\n')
    flags = ["-DSHIFT=0", f'-DRELEASE="{RELEASE}"']
    build("gcc", *CFLAGS.split(), "-fno-inline", "-Wno-unused", *flags, "-c",
          f"{AUTHOR}/kernel.c", "-o", "kernel-base.o")
    build("gcc", *flags, "-c", f"{AUTHOR}/code.S", "-o", "code-base.o")
    script = read(f"{AUTHOR}/kernel.lds").decode()
    script = script.replace("*(.comment) ", "")
    for name in ("one", "two"):
        run("gcc", *CFLAGS.split(), "-Iinclude", "-c", f"fs/{name}.c", "-o",
            f"../{name}.o", cwd="tree", check=True)
    run("gcc", *CFLAGS.split(), "-Iinclude", "-c", "fs/mod.c", "-o",
        "../mod.o", cwd="tree", check=True)
    for name, release in (("mod", RELEASE), ("foreign", "6.1.0-1-test")):
        write("info.S", '.section .modinfo, "a"\n.asciz "name=mod"\n'
                        f'.asciz "vermagic={release} SMP"\n'
                        '.section .note.GNU-stack, "", @progbits\n')
        build("gcc", "-c", "info.S", "-o", "info.o")
        build("ld", "-r", "--build-id", "-o", f"{name}.ko", "mod.o", "info.o")
    build("ld", "-q", "--build-id", "-T", write("build.lds", script),
          "kernel-base.o", "code-base.o", "one.o", "two.o", "-o", "vmlinux-base")


def fix(name, changes):
    """A diff as git writes it, from path -> (old, new) texts."""
    shutil.rmtree("fixed", ignore_errors=True)
    shutil.copytree("tree", "fixed", symlinks=True)
    for path, (old, new) in changes.items():
        text = read(f"fixed/{path}").decode()
        assert old in text, old
        write(f"fixed/{path}", text.replace(old, new, 1))
    text = run("diff", "-ruN", "tree", "fixed").stdout
    return write(name, text)


def arguments(patch, *more, output="fix.upatch", source="tree",
              vmlinux="vmlinux-base", config="config"):
    return ["build", "--patch", patch, "--source", source, "--vmlinux", vmlinux,
            "--config", config, "-g", "9", "-n", "fix", "-o", output, *more]


def replaced(path):
    parts = read_bundle(path)
    return sorted(parts["strings"][function[4]:].split(b"\0")[0].decode()
                  for function in parts["functions"])


def written(path):
    """(variable, space) of each write."""
    parts = read_bundle(path)
    return [(parts["strings"][entry[6]:].split(b"\0")[0].decode().split(".")[0],
             entry[2]) for entry in parts["writes"]]


def no_bundle(name, patch, *more, **options):
    """Refused, and nothing is left behind."""
    wanted = {key: options.pop(key) for key in ("error", "says")
              if key in options}
    if os.path.exists("none.upatch"):
        os.unlink("none.upatch")
    refused(name, *arguments(patch, *more, output="none.upatch", **options),
            **wanted)
    check(f"no file after: {name}", not os.path.exists("none.upatch") and
          not glob.glob("none.upatch*") and
          not glob.glob("cache/underseal/work.*"))


ADD = {"fs/one.c": ("\treturn twice(x) + 1;\n",
                    "\tif (x > 100)\n\t\treturn calls;\n"
                    "\treturn twice(x) + 2;\n")}


def test_good_fixes():
    made("build", *arguments(fix("add.diff", ADD), "-d", "why"))
    equal("the function that the fix changes; lines moved in the others",
          replaced("fix.upatch"), ["one_add"])
    machines = [Machine("vmlinux-base"), Machine("vmlinux-base", "fix.upatch")]
    for machine in machines:
        for name, argument in (("one_add", 3), ("one_add", 200),
                               ("one_scale", 2), ("one_line_after", 0)):
            machine.call(name, argument)
    old, new = (machine.go() for machine in machines)
    equal("what the new body does, with the kernel's own variables",
          [int(a) - int(b) for a, b in zip(new[:1] + new[2:], old[:1] + old[2:])],
          [1, -1, 0])
    equal("a static variable of the kernel", int(new[1]), 1)
    first = read("fix.upatch")
    made("build once more", *arguments("add.diff", "-d", "why"))
    equal("same inputs, same bytes", read("fix.upatch"), first)
    tree, = glob.glob("cache/underseal/trees/*[0-9a-f]")
    equal("the cached source is as it was", read(f"{tree}/fs/one.c").decode(),
          ONE)
    no_bundle("NOT_PATCHABLE a function that a module has inlined", fix(
        "header.diff", {"include/one.h": ("x * 3", "x * 5")}),
        says="mod_scale of fs/mod.o")
    done = underseal(*arguments("header.diff", "--partial"))
    check("build of a fix to a header, without the module", not done.returncode,
          done.stderr)
    check("the module's function is named", "left as it is in modules: mod_scale"
          in done.stderr and "mod_other" not in done.stderr, done.stderr)
    equal("a header's users change, in two objects", replaced("fix.upatch"),
          ["one_scale", "two_scale"])
    made("build of a fix to one of two functions of one name",
         *arguments(fix("twice.diff", {"fs/two.c": ("x * 2", "x * 2 + 1")})))
    equal("the right one", replaced("fix.upatch"), ["twice"])
    machines = [Machine("vmlinux-base"), Machine("vmlinux-base", "fix.upatch")]
    for machine in machines:
        machine.call("two_twice", 4)
        machine.call("one_add", 1)
    old, new = ([int(line) for line in machine.go()] for machine in machines)
    equal("and not the other", (new[0] - old[0], new[1] - old[1]), (2, 0))
    made("build of a moved fix", *arguments(write(
        "moved.diff", read("add.diff").replace(b"@@ -1", b"@@ -2"))))
    made("build of a fix with a new string and function", *arguments(fix(
        "new.diff", {"fs/one.c": ('noinline const char *one_text(int x)\n{\n'
                                  '\treturn x ? "yes" : "no";',
                                  'static noinline const char *never(void)\n{\n'
                                  '\treturn "never";\n}\n'
                                  'noinline const char *one_text(int x)\n{\n'
                                  '\tif (x > 1)\n\t\treturn never();\n'
                                  '\treturn x ? "yes" : "no";')})))
    machine = Machine("vmlinux-base", "fix.upatch")
    for argument in (0, 1, 2):
        machine.text("one_text", argument)
    equal("old and new strings", machine.go(), ["no", "yes", "never"])
    test_new_variables()
    test_rules()
    test_interrupted(tree)


def test_new_variables():
    answer = made("build of a fix with new variables", *arguments(fix(
        "variables.diff", {"fs/one.c": (
            "\tcalls++;\n", "\tstatic int again = 5, *volatile where = &again;"
            "\n\tstatic int zero;\n\n\tcalls += (*where)++ + zero++;\n")})))
    check("they lie in shadow memory", answer.get("shadow_bytes", 0) >= 16,
          answer)
    machine = Machine("vmlinux-base", "fix.upatch")
    for _ in range(2):
        machine.call("one_add", 1)
        machine.call("one_scale", 0)
    equal("what they begin as, and that they last", machine.go()[1::2],
          ["5", str(5 + 6 + 1)])


def test_rules():
    """Options that all bundles share, with vmlinux to look names up in."""
    answer = made("build with writes", *arguments(
        "add.diff", "--write", "one_data 5 -2", "--write", "calls 0 40",
        "--probation", "9", "--watch", "counter", "--needs", "other"))
    equal("sizes come from the symbol table", [
        (entry["variable"], entry["expected"], entry["replacement"])
        for entry in answer["writes"]],
          [("one_data", "05000000", "feffffff"),
           ("calls", "00000000", "28000000")])
    equal("watched", answer["watches"][0]["bytes"], 4)
    machine = Machine("vmlinux-base", "fix.upatch")
    machine.call("one_scale", 0)
    equal("what a write does", machine.go(), ["40"])
    for name, text, error in (("two of that name", "twice 1 2",
                               "SYMBOL_AMBIGUOUS"),
                              ("a constant", "linux_banner/1 76 77",
                               "VARIABLE_SEALED"),
                              ("too much", "one_data/8 5 6", "VARIABLE_SIZE"),
                              ("code", "one_add/1 0 1", "VARIABLE_SEALED")):
        no_bundle(f"{error} a write of {name}", "add.diff", "--write", text,
                  says=text.split("/")[0].split()[0])


def test_interrupted(tree):
    """Killed while the fix was in the tree: the next build takes it out."""
    os.mkdir(f"{tree}/.underseal-saved")
    write(f"{tree}/.underseal-saved/fs:one.c", ONE)
    write(f"{tree}/fs/one.c", ONE.replace("x + 1", "x + 2"))
    made("build after one that was killed", *arguments("add.diff"))
    equal("is as good as any", replaced("fix.upatch"), ["one_add"])


def test_refused_fixes():
    no_bundle("NOTHING_TO_REPLACE lines only", fix("lines.diff", {
        "fs/one.c": ("noinline int one_add", "/* more\n   lines */\n"
                     "noinline int one_add")}))
    no_bundle("NOTHING_TO_REPLACE documentation", fix("doc.diff", {
        "Documentation/x.rst": ("words", "better words")}))
    no_bundle("NOT_PATCHABLE a structure's layout", fix("layout.diff", {
        "include/one.h": ("\tint second;", "\tint added;\n\tint second;")}),
        says="struct node")
    no_bundle("NOT_PATCHABLE a changed variable", fix("data.diff", {
        "fs/one.c": ("one_data = 5", "one_data = 6")}), says="one_data")
    for name, attribute in (("of each CPU", ".data..percpu"),
                            ("that others collect", "__param"),
                            ("set at boot", ".data..ro_after_init")):
        no_bundle(f"NOT_PATCHABLE a new variable {name}", fix("variable.diff", {
            "fs/one.c": ("\tcalls++;\n", "\tstatic int again __attribute__(("
                         f'section("{attribute}")));\n\n\tcalls += again++;\n'
                         )}), says="again")
    no_bundle("NOT_PATCHABLE init code", fix("init.diff", {
        "fs/one.c": ("return x + 1", "return x + 2")}), says="one_init")
    no_bundle("NOT_PATCHABLE assembly", fix("asm.diff", {
        "fs/three.S": ("three", "four")}), says="assembly")
    no_bundle("NOT_PATCHABLE configuration", fix("kconfig.diff", {
        "Kconfig": ("config A", "config B")}), says="configuration")
    no_bundle("NOT_PATCHABLE the build", fix("make.diff", {
        "Makefile": ("-O2", "-O1")}), says="Makefile")
    no_bundle("COMPILE a fix with a mistake", fix("mistake.diff", {
        "fs/one.c": ("return twice(x) + 1;", "return twice(y) + 1;")}),
        says="'y' undeclared")
    made("and the tree is well again", *arguments("add.diff"))


def test_modules():
    patch = fix("mod.diff", {"fs/mod.c": ("+ counter", "- counter")})
    shown = made("build of a fix in a module", *arguments(patch, "--module",
                                                          "mod.ko"))
    equal("the module's function is replaced",
          (replaced("fix.upatch"), (shown.get("module") or {}).get("name")),
          (["mod_other"], "mod"))
    first = read("fix.upatch")
    made("the same fix in a module again", *arguments(patch, "--module",
                                                      "mod.ko"))
    equal("same inputs, same bytes, for a module", read("fix.upatch"), first)
    results = []
    for bundle in ([], ["fix.upatch"]):
        machine = Machine("vmlinux-base")
        machine.command = ["./run", "vmlinux-base", "mod.ko", *bundle]
        machine.lines = ["call mod_other 4", "call mod_other 4",
                         "call mod_scale 2"]
        results.append([int(line) for line in machine.go()])
    # counter is 3; uses, the module's own, goes on counting.
    equal("what a module's new body does", [new - old for old, new
                                            in zip(*results)], [-6, -6, 0])
    no_bundle("WRONG_BUILD_ID a module of another kernel", patch, "--module",
              "foreign.ko", says="6.1.0-1-test")
    made("build of a new variable of a module", *arguments(fix(
        "modvar.diff", {"fs/mod.c": ("return scale(x) *", "static int more = 2;"
                                     "\n\n\treturn more++ + scale(x) *")}),
        "--module", "mod.ko", "--write", "uses 0 7", "--write",
        "counter 3 4"))
    equal("writes of a module and of the kernel", [
        (text, space) for text, space in written("fix.upatch")],
          [("more", 6), ("uses", 5), ("counter", 1)])
    no_bundle("VARIABLE_SEALED a module's code", "modvar.diff", "--module",
              "mod.ko", "--write", "mod_scale/1 0 1", says="mod_scale")
    no_bundle("NOT_PATCHABLE what the kernel does not export", fix(
        "modimport.diff", {"fs/mod.c": (
            "\treturn mod_scale(x) + STEP + counter",
            "\textern int table_of(int x);\n\n"
            "\treturn mod_scale(x) + table_of(x)")}),
        "--module", "mod.ko", says="table_of")
    no_bundle("ARCHIVE a module that is not named", patch, says="--module")
    no_bundle("BUILD_MISMATCH a module of another source", patch, "--module",
              "two.o", says="mod_other")
    no_bundle("NOT_PATCHABLE a module and the kernel", fix("both.diff", {
        "fs/mod.c": ("+ counter", "- counter"),
        "fs/one.c": ("x ?", "!x ?")}), "--module", "mod.ko",
        says="both fs/mod and the kernel")


def test_module_headers():
    made("build of a header of the module alone", *arguments(fix("own.diff", {
        "fs/mod.h": ("STEP 1", "STEP 2")}), "--module", "mod.ko"))
    equal("its users in the module change", replaced("fix.upatch"),
          ["mod_other"])
    made("build of a header and a file of the module", *arguments(fix(
        "mods.diff", {"fs/mod.h": ("STEP 1", "STEP 2"),
                      "fs/mod.c": ("stays(x);", "stays(x + 1);")}),
        "--module", "mod.ko"))
    equal("both of its functions", sorted(replaced("fix.upatch")),
          ["mod_other", "mod_scale"])
    no_bundle("NOTHING_TO_REPLACE a header of what is not configured", fix(
        "unused.diff", {"fs/unused.h": ("USED 1", "USED 2")}))
    no_bundle("COMPILE a header that a module does not compile with", fix(
        "break.diff", {"include/one.h": (
            "x * 3;", "x * 4;\n#ifdef MODULE\nbreak it\n#endif")}),
        says="fs/mod.o")


def test_bad_diffs():
    good = read("add.diff").decode()

    def bad(name, text, **options):
        no_bundle(name, write("bad.diff", text), **options)

    no_bundle("FILE_OPEN no diff", "absent.diff")
    bad("FIX_FORMAT an empty diff", "")
    bad("FIX_FORMAT a text", "hello\nworld\n")
    bad("FIX_FORMAT binary", "\0\1\2" * 100)
    for path in ("../one.c", "fs/../../one.c", "/etc/passwd", "fs//one.c",
                 "fs/.git/x", "./fs/one.c", "fs/one.c\\", "fs/a:b", ""):
        bad(f"FIX_FORMAT path {path}", good.replace(
            "tree/fs/one.c", f"a/{path}").replace("fixed/fs/one.c",
                                                  f"b/{path}"))
    bad("FIX_FORMAT an absolute path", good.replace("tree/fs", "/fs").replace(
        "fixed/fs", "/fs"))
    bad("FIX_FORMAT no path at all", good.replace("--- tree/fs/one.c", "--- "))
    bad("FIX_FORMAT a new file", good.replace("--- tree/fs/one.c",
                                              "--- /dev/null"))
    bad("FIX_FORMAT a removed file", good.replace("+++ fixed/fs/one.c",
                                                  "+++ /dev/null"))
    bad("FIX_FORMAT renamed", good.replace("+++ fixed/fs/one.c",
                                           "+++ fixed/fs/two.c"))
    bad("FIX_FORMAT git's rename", "rename from fs/one.c\n" + good)
    bad("FIX_FORMAT git's binary patch", "GIT binary patch\n" + good)
    bad("FIX_FORMAT a file twice", good + good, says="second")
    bad("FIX_FORMAT cut off", good[:len(good) * 2 // 3])
    for header in ("@@ -1,7 @@", "@@ -99999999999,1 +1,2 @@", "@@ -0,7 +1 @@",
                   "@@ nonsense @@"):
        lines = good.splitlines(True)
        lines[3] = header + "\n"
        bad(f"FIX_FORMAT header {header}", "".join(lines))
    bad("FIX_APPLY other lines", good.replace("twice(x)", "thrice(x)"),
        says="fs/one.c")
    bad("FIX_APPLY another file", good.replace("fs/one.c", "fs/four.c"),
        says="no file")
    os.symlink("one.c", "tree/fs/link.c")
    bad("FIX_APPLY a symbolic link", good.replace("fs/one.c", "fs/link.c"),
        says="no file")
    os.unlink("tree/fs/link.c")


def test_wrong_kernel():
    no_bundle("BUILD_MISMATCH another source", "add.diff", source=other_source(),
              says="one_scale")
    lines = read("config").decode().replace("12.2", "12.1")
    no_bundle("COMPILER of another version", "add.diff",
              config=write("config-12.1", lines))
    no_bundle("COMPILER vmlinux by another one", "add.diff",
              vmlinux=other_comment())
    lines = read("config").decode().replace('"gcc', '"no-such-gcc')
    no_bundle("COMPILER that is not here", "add.diff",
              config=write("config-none", lines), says="no-such-gcc")
    no_bundle("COMPILER of a strange name", "add.diff", error="FILE_READ",
              config=write("config-path", read("config").decode().replace(
                  '"gcc', '"../bin/gcc')))
    no_bundle("FILE_READ a configuration without a compiler", "add.diff",
              config=write("config-empty", "CONFIG_A=y\n"))
    no_bundle("PROGRAM make fails", "add.diff", source=broken_source(),
              says="the tree is broken")
    no_bundle("FILE_OPEN no source", "add.diff", source="absent")
    no_bundle("FILE_OPEN a directory without source", "add.diff",
              source="cache")
    no_bundle("PROGRAM a damaged archive of source", "add.diff",
              source=write("bad.tar.xz", "no tar"))
    build("strip", "-o", "vmlinux-stripped", "vmlinux-base")
    no_bundle("ELF_FORMAT stripped", "add.diff", vmlinux="vmlinux-stripped",
              says="stripped")
    build("objcopy", "--strip-debug", "vmlinux-base", "vmlinux-nodebug")
    no_bundle("ELF_NO_DEBUG", "add.diff", vmlinux="vmlinux-nodebug",
              says="-dbg")
    no_bundle("ELF_FORMAT a text", "add.diff", vmlinux="config")
    no_bundle("ELF_FORMAT cut off", "add.diff", vmlinux=write(
        "vmlinux-short", read("vmlinux-base")[:30000]))
    lines = run("nm", "-n", "vmlinux-base").stdout
    made("a System.map that fits", *arguments("add.diff", "-m",
                                              write("System.map", lines)))
    no_bundle("SYMBOL_AMBIGUOUS another kernel's System.map", "add.diff", "-m",
              write("other.map", lines.replace("T _etext", "T old_etext") +
                    "0000000010fffff0 T _etext\n"))
    no_bundle("WRONG_BUILD_ID another release", "add.diff", "-r",
              "6.1.0-56-test")


def other_source():
    shutil.copytree("tree", "other-tree")
    text = read("tree/fs/one.c").decode()
    write("other-tree/fs/one.c", text.replace("scale(x) + calls",
                                              "scale(x) - calls"))
    return "other-tree"


def broken_source():
    shutil.copytree("tree", "broken-tree")
    write("broken-tree/broken", "")
    return "broken-tree"


def other_comment():
    write("comment", b"GCC: (Elsewhere 9) 9.9.9\0")
    build("objcopy", "--update-section", ".comment=comment", "vmlinux-base",
          "vmlinux-comment")
    return "vmlinux-comment"


def test_usage():
    for name, command in (
            ("nothing", ["build"]),
            ("no generation", ["build", "-p", "add.diff", "-r", "6.1.0-1-x",
                               "-n", "x", "-o", "x"]),
            ("a release with a slash", ["build", "-r", "6.1/../..",
                                        "--fetch-only"]),
            ("a release like an option", ["build", "-r", "-6.1",
                                          "--fetch-only"]),
            ("no vmlinux", ["build", "-p", "add.diff", "--source", "tree", "-n",
                            "x", "-g", "1", "-o", "x"]),
            ("an empty name", arguments("add.diff", "-n", "")),
            ("jobs", arguments("add.diff", "-J", "0"))):
        refused(f"USAGE build with {name}", *command)


APT_CACHE = """#!/bin/sh
[ "$1" = madison ] || exit 1
[ -e "$ARCHIVE/$2.deb" ] && echo " $2 | 6.1.1-1 | http://archive main"
exit 0
"""
APT_GET = """#!/bin/sh
for last; do :; done
name=${last%%=*}
[ "${last#*=}" = 6.1.1-1 ] || exit 1
cp "$ARCHIVE/$name.deb" "./${name}_6.1.1-1_all.deb"
"""


def package(name, files):
    """A Debian package: path in it -> path of a file or directory here."""
    top = f"packages/{name}"
    put(top, {"DEBIAN/control": f"Package: {name}\nVersion: 6.1.1-1\n"
              "Architecture: all\nMaintainer: Nobody <nobody@example.org>\n"
              "Description: for a test\n"})
    for path, source in files.items():
        os.makedirs(os.path.dirname(f"{top}/{path}"), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, f"{top}/{path}")
        else:
            shutil.copy(source, f"{top}/{path}")
    build("dpkg-deb", "-b", "--root-owner-group", top, f"archive/{name}.deb",
          )


def make_archive():
    os.makedirs("archive")
    os.makedirs("bin")
    here = os.getcwd()
    for name, text in (("apt-cache", APT_CACHE), ("apt-get", APT_GET)):
        path = write(f"bin/{name}", text.replace("$ARCHIVE",
                                                 f"{here}/archive"))
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    build("tar", "-cJf", "source.tar.xz", "--transform", "s,^tree,linux,",
          "tree")
    put("headers", {".config": read("config")})
    for name in ("autoconf", "asm-offsets", "bounds"):
        put("headers", {f"include/generated/{name}.h": "\n"})
    put("headers", {"include/generated/utsrelease.h":
                    f'#define UTS_RELEASE "{RELEASE}"\n'})
    package("linux-source-6.1", {
        "usr/src/linux-source-6.1.tar.xz": "source.tar.xz"})
    package(f"linux-headers-{RELEASE}", {
        f"usr/src/linux-headers-{RELEASE}": "headers"})
    package(f"linux-image-{RELEASE}-dbg", {
        f"usr/lib/debug/boot/vmlinux-{RELEASE}": "vmlinux-base",
        f"usr/lib/debug/boot/System.map-{RELEASE}": "System.map"})


def test_archive():
    """apt's and dpkg's own commands, on an archive of three small packages."""
    build("rm", "-rf", "packages", "archive", "bin")
    make_archive()
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{os.getcwd()}/bin:{path}"
    command = ["build", "--release", RELEASE, "-p", "add.diff", "-g", "9", "-n",
               "fix", "-o", "released.upatch"]
    refused("ARCHIVE a release that it does not have", "build", "--release",
            "6.1.0-99-test", "--fetch-only", says="6.1.0-99-test")
    made("build by release alone", *command)
    made("build of the same from files", *arguments("add.diff"))
    equal("the same bundle either way", read("released.upatch"),
          read("fix.upatch"))
    shutil.rmtree("archive")
    os.unlink("released.upatch")
    made("what was fetched is not fetched again", *command)
    header = glob.glob("cache/underseal/kernels/*/headers/include/generated/"
                       "bounds.h")[0]
    write(header, "#define X 1\n")
    for stamp in glob.glob("cache/underseal/trees/*/.underseal-prepared"):
        os.unlink(stamp)
    refused("BUILD_MISMATCH a header that differs from the package's", *command,
            says="bounds.h")
    shutil.rmtree("cache/underseal/kernels")
    refused("ARCHIVE packages that are gone", *command)
    os.environ["PATH"] = path


def test_inspect_code():
    made("a fix to look at", *arguments("add.diff"))
    shown = made("inspect -D", "inspect", "fix.upatch", "-D", "--vmlinux",
                 "vmlinux-base")
    code, = shown["disassembly"]
    targets = {reloc["target"] for reloc in shown["relocation_list"]}
    check("relocations have names", {"twice", "calls"} <= targets or
          any("stays" in target for target in targets), str(targets))
    old = [line["text"] for line in code["old"]]
    new = [line["text"] for line in code["new"]]
    check("old and new code, with names", any("twice" in text for text in
                                              old + new), str(old + new))
    listed = run("objdump", "-d", "--disassemble=one_add", "--no-show-raw-insn",
                 "vmlinux-base").stdout.splitlines()
    count = sum("\t" in line and "int3" not in line for line in listed)
    check("as many old instructions as objdump finds", 0 < count and
          abs(count - len(old)) <= 1, f"{count} {len(old)}")
    text = underseal("inspect", "fix.upatch", "-D", "--vmlinux",
                     "vmlinux-base").stdout
    check("side by side", "one_add:" in text and " > " in text and
          "relocation" in text, text)
    build("ld", "-q", "--build-id=0x0123456789abcdef0123", "-T", "build.lds",
          "kernel-base.o", "code-base.o", "one.o", "two.o", "-o",
          "vmlinux-id")
    refused("WRONG_BUILD_ID inspect with another kernel", "inspect",
            "fix.upatch", "--vmlinux", "vmlinux-id")
    made("inspect with names alone", "inspect", "fix.upatch", "-m",
         "System.map")


def test_build():
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = os.path.abspath("cache")
    make_kernel()
    test_good_fixes()
    test_refused_fixes()
    test_modules()
    test_module_headers()
    test_bad_diffs()
    test_wrong_kernel()
    test_usage()
    test_archive()
    test_inspect_code()
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before
