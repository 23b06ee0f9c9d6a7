# SPDX-License-Identifier: GPL-2.0-or-later
"""Bundles that know of each other, in a working server: stacked, in conflict, replaced by
one that holds them all; reverted in another order; one that changes a variable. And
a module that comes and goes meanwhile.
"""
import os

from harness import expect, expect_equal, needed
from load_checks import DEADLINE, PATIENT, Receipts, arena_is_empty, cycle
from server_checks import OLD, boots, expect_text_but_sites
from verify import text_verifies
from bundle_edit import Bundle
import bundle_sets

NEEDS, CONFLICTS, REPLACES = 1, 2, 3
CUMULATIVE = 1
POST_APPLY = 2
IMAGE = 1               # of the spaces of common/bundle.h
SWAPPINESS = "/proc/sys/vm/swappiness"
RACES = 60              # first generation of those installed beside a module
RACE_COUNT = 20


def link(kind, name):
    return {"kind": kind, "reserved": 0, "bundle_id": bytes(32),
            "name": name.encode()}


def write(kernel, name, offset, expected, replacement):
    """A change of an int of the kernel's; @offset: of its name in the strings."""
    def field(value):
        return value.to_bytes(4, "little") + bytes(12)

    return {"when": POST_APPLY, "flags": 0, "space": IMAGE, "base": 0, "len": 4,
            "offset": kernel.symbol(name) - kernel.symbol("_text"),
            "name": offset, "reserved": 0, "expected": field(expected),
            "replacement": field(replacement)}


def bundle(kernel, base, name, generation, links=(), flags=0):
    with open(os.path.join(kernel.guest, base + ".upatch"), "rb") as file:
        made = Bundle(file.read())
    made.links = [link(*pair) for pair in links]
    made.header.update(name=name.encode(), generation=generation, flags=flags)
    return made


# In the order in which they are offered.
SETS = [
    ("first", "many-1", []),
    ("beside", "busy", []),
    ("enemy", "cmdline", [(CONFLICTS, "first")]),
    ("lonely", "cmdline", [(NEEDS, "nobody")]),
    ("leaning", "version", [(NEEDS, "first")]),
    ("second", "busy", [(NEEDS, "first")]),
    ("other", "cmdline", []),
    ("all", "many-10", [], CUMULATIVE),
    ("next", "busy", [(REPLACES, "all")]),
    ("one", "version", []),
    ("two", "cmdline", []),
    ("three", "later", []),
]


def disk(kernel, scratch):
    folder = os.path.join(scratch, "bundles-sets")
    os.makedirs(folder)
    for number, (name, base, links, *flags) in enumerate(SETS):
        made = bundle(kernel, base, name, 10 + number, links, *flags)
        bundle_sets.write_pair(os.path.join(folder, name), made.data())
    made = bundle(kernel, "later", "variable", 10 + len(SETS))
    at = len(made.strings)
    made.strings += b"vm_swappiness\0"
    made.writes = [write(kernel, "vm_swappiness", at, 60, 42)]
    bundle_sets.write_pair(os.path.join(folder, "variable"), made.data())
    bundle_sets.numbered(os.path.join(kernel.guest, "many-2.upatch"), folder,
                         RACES, RACE_COUNT)
    return bundle_sets.make_disk(folder + ".img", folder)


def change(server, verb, name):
    suffix = {"apply": "upatch", "revert": "revert"}[verb]
    return server.tool(f"{verb} /load/{name}.{suffix} {PATIENT}",
                       timeout=DEADLINE / 1000 + 60)


def done(server, verb, name):
    error, receipt = change(server, verb, name)
    expect_equal(error, "OK", f"{verb} {name}: {receipt}")
    return receipt


def refused(server, verb, name, wanted, word=""):
    error, answer = change(server, verb, name)
    expect_equal(error, wanted, f"{verb} {name}: {answer}")
    expect(word in str(answer), f"{word} is not named: {answer}")


def installed(server):
    return [patch["name"] for patch in server.tool_ok("list")["patches"]]


def ppid(server):
    return int(server.run("us-probe ppid"))


@needed
def seals(server):
    """the kernel is sealed, and the work begins"""
    bundle_sets.mount(server)
    server.tool_ok("seal /data/baseline.ubase")
    server.sealed_text = server.text_bytes()
    server.run("/load/busy start")


@needed
def conflicting(server):
    """bundles in conflict, in the way, or without what they need are refused"""
    done(server, "apply", "first")
    expect_equal(ppid(server), -1, "getppid()")
    refused(server, "apply", "beside", "HUNKS_OVERLAP", "first")
    refused(server, "apply", "enemy", "PATCH_CONFLICT", "first")
    refused(server, "apply", "lonely", "PATCH_NEEDS", "nobody")
    expect_equal(installed(server), ["first"], "list")


@needed
def stacked(server):
    """a bundle is stacked on the one that it needs, which stays as long"""
    done(server, "apply", "leaning")
    done(server, "apply", "second")
    expect_equal(ppid(server), 4242, "getppid()")
    expect_equal(installed(server), ["first", "leaning", "second"], "list")
    refused(server, "revert", "first", "PATCH_NOT_LAST", "second")
    done(server, "revert", "second")
    expect_equal(ppid(server), -1, "getppid()")
    refused(server, "revert", "first", "PATCH_NEEDED", "leaning")
    expect_equal(installed(server), ["first", "leaning"], "list")


@needed
def cumulative(server):
    """a cumulative bundle takes the place of all before it in one stop"""
    done(server, "apply", "other")
    expect_equal(server.run("cat /proc/cmdline"), "withheld", "/proc/cmdline")
    receipt = done(server, "apply", "all")
    expect_equal(receipt["replaced"], 3, "replaced")
    expect_equal(installed(server), ["all"], "list")
    expect("us.agent" in server.run("cat /proc/cmdline"), "still withheld")
    expect_equal(ppid(server), -1, "getppid()")
    expect(OLD not in server.run("cat /proc/version"), "leaning is there")
    for name in ("first", "leaning", "other"):
        refused(server, "revert", name, "PATCH_NOT_FOUND")


@needed
def replaced(server):
    """a bundle takes the place of the one that it replaces"""
    receipt = done(server, "apply", "next")
    expect_equal(receipt["replaced"], 1, "replaced")
    expect_equal(installed(server), ["next"], "list")
    expect_equal(ppid(server), 4242, "getppid()")
    done(server, "revert", "next")
    expect(0 < ppid(server) != 4242, "getppid() is not the kernel's own")
    arena_is_empty(server)
    expect_text_but_sites(server, "after the revert")


def any_order(server):
    """bundles that do not touch each other are reverted in any order"""
    for name in ("one", "two", "three"):
        done(server, "apply", name)
    done(server, "revert", "two")
    expect("us.agent" in server.run("cat /proc/cmdline"), "still withheld")
    expect(OLD in server.run("cat /proc/version"), "version is gone")
    done(server, "revert", "one")
    expect("later" in server.run("cat /proc/filesystems"), "later is gone")
    done(server, "revert", "three")
    arena_is_empty(server)
    expect_text_but_sites(server, "after the reverts")


def variable(server):
    """a variable changes with the code and back, and a wrong value is refused"""
    server.run(f"echo 61 > {SWAPPINESS}")
    refused(server, "apply", "variable", "DATA_EXPECTED", "vm_swappiness")
    server.run(f"echo 60 > {SWAPPINESS}")
    done(server, "apply", "variable")
    expect_equal(server.run(f"cat {SWAPPINESS}"), "42", "when patched")
    expect("later" in server.run("cat /proc/filesystems"), "no effect")
    server.run(f"echo 43 > {SWAPPINESS}")
    refused(server, "revert", "variable", "DATA_EXPECTED", "vm_swappiness")
    expect("later" in server.run("cat /proc/filesystems"), "half reverted")
    server.run(f"echo 42 > {SWAPPINESS}")
    done(server, "revert", "variable")
    expect_equal(server.run(f"cat {SWAPPINESS}"), "60", "when reverted")
    expect_text_but_sites(server, "after the revert")


# A module comes and goes ----------------------------------------------------------

ROUND = ("insmod {0}/us_patched.ko && "
         "underseal-guest seal-module us_patched {0}/us_patched.umod && "
         "underseal-guest apply {0}/answer.upatch {1} && "
         "grep -q fixed /sys/module/us_patched/parameters/answer && "
         "rmmod us_patched").format("/data/patched", PATIENT)


def races(server):
    """a module is loaded, patched and unloaded while the kernel is patched"""
    server.run("rm -f /tmp/over /tmp/rounds /tmp/race; "
               f"(while [ ! -e /tmp/over ]; do {{ {ROUND}; }} >> /tmp/race 2>&1 "
               "|| { echo wrong >> /tmp/rounds; break; }; "
               "echo round >> /tmp/rounds; done; touch /tmp/ended) "
               "> /dev/null 2>&1 &")
    receipts = Receipts()
    receipts.add(server.run(cycle(RACES, RACE_COUNT),
                            timeout=RACE_COUNT * 2 * DEADLINE / 1000))
    server.run("touch /tmp/over; until [ -e /tmp/ended ]; do sleep 1; done")
    rounds = server.run("cat /tmp/rounds").split()
    expect("wrong" not in rounds and len(rounds) > 2,
           f"{rounds}: {server.run('tail -n 20 /tmp/race')}")
    # The code of a patch that went with its module leaves the arena a tick later.
    server.run("sleep 3")
    arena_is_empty(server)


def clean(server):
    """the work had no wrong byte; text, arena and log are as they were"""
    server.run("/load/busy stop", timeout=300)
    expect_text_but_sites(server, "after all")
    text_verifies(server)
    arena_is_empty(server)
    expect_equal(server.kernel_trouble(), "", "kernel log")


CHECKS = [boots, seals, conflicting, stacked, cumulative, replaced, any_order,
          variable, races, clean]


def suites(kernel, scratch, start_server, tools):
    def start():
        path = disk(kernel, scratch)
        return start_server(kernel, scratch, "sets", 2, mem="2G",
                            extra=tools + bundle_sets.drive(path))()

    return [("sets", CHECKS, start)]
