# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the underseal command share: running, checking, counting."""
import json
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.abspath(os.environ.get("OUT", "build/out"))
UNDERSEAL = os.path.join(OUT, "underseal")
CFLAGS = ("-g -O1 -fno-pic -mcmodel=kernel -ffreestanding -mno-red-zone "
          "-fcf-protection=none -fno-asynchronous-unwind-tables "
          "-fno-stack-protector").split()
FTRACE = ["-pg", "-mfentry", "-mrecord-mcount"]
TEXT = 0xffffffff81000000

counts = {"passed": 0, "failed": 0, "skipped": 0}


def check(name, good, why=""):
    counts["passed" if good else "failed"] += 1
    print(f"ok - {name}" if good else f"not ok - {name}: {why}", flush=True)


def equal(name, got, wanted):
    check(name, got == wanted, f"{got!r} instead of {wanted!r}")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, **options)


def build(*command):
    subprocess.run(command, check=True)


def underseal(*arguments, **options):
    return run(UNDERSEAL, *arguments, **options)


def made(name, *arguments):
    """The command succeeds; its JSON."""
    done = underseal(*arguments, "--json")
    check(name, done.returncode == 0, done.stdout + done.stderr)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def refused(name, *arguments, error=None, says="", **options):
    """The command fails with the error that @name begins with."""
    error = error or name.split()[0]
    done = underseal(*arguments, "--json", **options)
    try:
        answer = json.loads(done.stdout)["error"]
    except (ValueError, KeyError):
        check(name, False, f"no error: {done.stdout}{done.stderr}")
        return
    status = 2 if error == "USAGE" else 1
    check(name, answer["name"] == error and done.returncode == status and
          says in answer["detail"], f"{answer} status {done.returncode}")


def kernel_pair(pair):
    """The vmlinux files of two releases; None, counted as skipped, without them."""
    paths = [os.path.join(OUT, "kernels", release, "vmlinux")
             for release in pair]
    if all(map(os.path.exists, paths)):
        return paths
    counts["skipped"] += 1
    print(f"ok - {pair[0]} to {pair[1]} # SKIP not in build/out/kernels")
    return None


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb" if isinstance(data, bytes) else "w") as file:
        file.write(data)
    return path


def symbols(path):
    """name -> address, from nm."""
    lines = run("nm", path).stdout.splitlines()
    return {line.split()[2]: int(line.split()[0], 16)
            for line in lines if len(line.split()) == 3}
