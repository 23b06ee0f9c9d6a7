# SPDX-License-Identifier: GPL-2.0-or-later
"""New code with a variable that the kernel did not have: it lies in shadow memory, which
a working kernel writes, and which is cleared when its patch goes."""
from harness import expect, expect_equal, needed
from server_checks import boots, expect_text_but_sites

COUNT = "/proc/loadavg"
LEN = 0x200000


def shadow(server):
    """Shadow memory as it is, right behind the arena."""
    arena = int(server.tool_ok("status")["arena"]["address"], 16)
    return server.physical(arena + LEN, LEN)


def reads(server):
    return [server.run(f"cat {COUNT}").strip() for _ in range(3)]


@needed
def seals(server):
    """the kernel is sealed, and shadow memory is clear"""
    server.tool_ok("seal /data/baseline.ubase")
    server.sealed_text = server.text_bytes()
    expect(not any(shadow(server)), "something is there")


@needed
def counts(server):
    """a new function keeps its count in shadow memory"""
    server.tool_ok("apply /data/later.upatch")
    receipt = server.tool_ok("apply /data/count.upatch")
    expect(receipt["shadow_bytes"] >= 8, str(receipt))
    expect_equal(reads(server), [f"read {n} times" for n in (1, 2, 3)], COUNT)
    memory = shadow(server)
    at = receipt["shadow_offset"]
    expect_equal(memory[at:at + 8], (3).to_bytes(8, "little"), "the count")
    expect_equal(sum(map(bool, memory)), 1, "bytes that are not zero")


def kept_by_others(server):
    """another patch goes, and the count goes on"""
    server.tool_ok("revert /data/later.revert")
    expect_equal(reads(server)[2], "read 6 times", COUNT)


def cleared(server):
    """a revert clears it, and the kernel has its own function back"""
    server.tool_ok("revert /data/count.revert")
    expect("read" not in server.run(f"cat {COUNT}"), "still patched")
    expect(not any(shadow(server)), "something is left")
    expect_text_but_sites(server, "after the revert")
    expect_equal(server.kernel_trouble(), "", "kernel log")


CHECKS = [boots, seals, counts, kept_by_others, cleared]
