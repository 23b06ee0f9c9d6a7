# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line itself, and the doorbell's client."""
import os
import resource

from tool_test import HERE, OUT, check, counts, equal, made, read, refused, run, underseal, write

MANUAL = read(os.path.join(HERE, "../../tools/underseal.1")).decode()
COMMANDS = ["baseline", "bundle", "sign", "verify", "authorize-revert",
            "inspect", "seal", "apply", "revert", "health", "retry", "list",
            "status", "log", "counters"]


def test_command_line():
    refused("USAGE without a command")
    refused("USAGE of an unknown command", "nonsense", says="nonsense")
    for command in COMMANDS:
        refused(f"USAGE of {command} with an unknown option", command,
                "--no-such-option")
        done = underseal(command, "--help")
        check(f"{command} --help", done.returncode == 0 and
              f"underseal {command}" in done.stdout, done.stdout)
        check(f"{command} is in the manual", f".Cm {command}" in MANUAL or
              f"| {command}" in MANUAL)
    refused("USAGE of apply with a deadline that is none", "apply", "f", "-d",
            "soon", says="soon")
    for limit in ("0", "1000001", "1ms"):
        refused(f"USAGE of apply with the stop limit {limit}", "apply", "f",
                "--stop-limit", limit, says=limit)
    refused("USAGE of health without a name", "health", says="missing")
    refused("USAGE of inspect with two files", "inspect", "f", "g", says="g")
    done = underseal("--version")
    check("--version", done.stdout.startswith("underseal 0."), done.stdout)
    done = underseal("inspect", "nothing")
    equal("an error without --json: two lines on stderr",
          (done.returncode, done.stdout, done.stderr.splitlines()),
          (1, "", ["underseal: FILE_OPEN (101): A file cannot be opened.",
                   "underseal: nothing: No such file or directory"]))
    done = underseal("baseline", "vmlinux", "-o", "quiet.ubase")
    equal("quiet when nobody looks", (done.returncode, done.stdout, done.stderr),
          (0, "", ""))
    refused("FILE_OPEN with --json before the command", "--json", "inspect",
            "nothing")
    if underseal("status").returncode == 0:
        counts["skipped"] += 1
        print("ok - NO_HYPERVISOR # SKIP this machine runs under Underseal")
        return
    for command in ("status", "list", "log", "counters"):
        refused(f"NO_HYPERVISOR {command}", command)
    for command in ("seal", "apply", "revert", "health"):
        refused(f"NO_HYPERVISOR {command}", command, "f")


def test_memory():
    with open("sparse", "wb") as file:
        file.truncate(200 << 20)
    refused("NO_MEMORY sign with little of it", "sign", "sparse", "-s", "a.key",
            preexec_fn=little_memory)
    refused("TOO_LARGE inspect", "inspect", "sparse")


def little_memory():
    resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20))


def test_retry():
    marks = [f"{digit * 64}" for digit in "12a"]
    os.mkdir("marks")
    for mark, name in zip(marks, ("fix", "fix", "other one")):
        write(f"marks/{mark}", f"boot x\nname {name}\n")
    write("marks/" + "b" * 64 + ".17.tmp", "boot")
    write("marks/" + "c" * 64, "damaged")
    refused("PATCH_NOT_FOUND retry of what has no mark", "retry", "nothing",
            "--marks", "marks", says="nothing")
    refused("PATCH_NOT_FOUND retry by too short an id", "retry", "aaaaaaa",
            "--marks", "marks")
    equal("retry by name", sorted(mark["bundle_id"] for mark in made(
        "retry", "retry", "fix", "--marks", "marks")["retried"]), marks[:2])
    made("retry by the beginning of an id", "retry", "AAAAaaaa", "--marks",
         "marks")
    made("retry of a damaged mark", "retry", "c" * 64, "--marks", "marks")
    equal("what is left", os.listdir("marks"), ["b" * 64 + ".17.tmp"])
    refused("PATCH_NOT_FOUND retry without a directory", "retry", "fix",
            "--marks", "nowhere")


def test_ring():
    done = run(os.path.join(OUT, "tests/test_ring"))
    lines = done.stdout.splitlines()
    for line in lines[:-1]:
        counts["passed" if line.startswith("ok") else "failed"] += 1
        print(line)
    check("the doorbell's tests ran to their end", len(lines) > 10 and
          done.returncode in (0, 1), done.stderr)
