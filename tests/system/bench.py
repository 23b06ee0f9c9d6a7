#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures what Underseal costs: what `make bench` runs.

Usage: bench.py RELEASE		(settings: BOOTS=5 SECONDS_EACH=30 SMP=2)

Prints a table and writes build/out/bench.json, whose keys are told in BENCH.md, and
build/out/bench.svg. Times are of an emulated machine:
ratios and counts carry over to real ones, absolute times do not.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

from harness import Server
import bench_seal
import bench_stop
import bench_vendor
import files
import machine
import qemu

BOOTS = int(os.environ.get("BOOTS") or 5)
SECONDS = int(os.environ.get("SECONDS_EACH") or 30)
PATCHES = ("version", "pause", "cmdline", "busy", "later")


def boot_once(kernel, esp):
    """(kernel start to user space in s, power-on to user space in TSC ticks)"""
    with Server(esp, kernel,
                log=files.out("logs/bench-boot.log")) as server:
        facts = server.wait_ready()
        return float(facts["uptime"]), int(facts["tsc"])


def boot_times(kernel, scratch):
    """Both kinds in turn, so that what else the machine does hits both."""
    plain = files.plain_esp(os.path.join(scratch, "plain.img"), kernel)
    guarded = files.grub_esp(os.path.join(scratch, "guarded.img"), kernel)
    runs = {"without": [], "with": []}
    for number in range(BOOTS):
        print(f"bench: boot {number + 1} of {BOOTS}", file=sys.stderr)
        runs["without"].append(boot_once(kernel, plain))
        runs["with"].append(boot_once(kernel, guarded))

    def median(kind, index):
        return statistics.median(run[index] for run in runs[kind])

    return {
        "boots": BOOTS,
        "kernel_s_without": median("without", 0),
        "kernel_s_with": median("with", 0),
        "kernel_ratio": median("with", 0) / median("without", 0),
        "power_on_ratio": median("with", 1) / median("without", 1),
        "runs": runs,
    }


def exits_between(first, second, cpus):
    seconds = (second["time_ns"] - first["time_ns"]) / 1e9
    rates = {}
    for reason in first["exits"][0]:
        count = sum(second["exits"][cpu][reason] - first["exits"][cpu][reason]
                    for cpu in range(cpus))
        rates[reason] = round(count / seconds / cpus, 2)
    return {"seconds": round(seconds, 1), "per_cpu_per_second": rates,
            "total": round(sum(rates.values()), 2)}


def exit_rates(server):
    def counters():
        return server.tool_ok("counters")

    cpus = server.settings.smp
    rates = {}
    for name, command in (("idle", f"sleep {SECONDS}"),
                          ("load", f"us-load {SECONDS} {cpus + 1}")):
        first = counters()
        server.run(command, timeout=SECONDS * 3 + 60)
        rates[name] = exits_between(first, counters(), cpus)
    return rates


def patch_times(server):
    stops, totals = [], []
    for name in PATCHES:
        for command in (f"apply /data/{name}.upatch",
                        f"revert /data/{name}.revert"):
            receipt = server.tool_ok(command)
            stops.append(receipt["stop_ns"])
            totals.append(receipt["total_ns"])
    return {
        "requests": len(stops),
        "stop_us_median": statistics.median(stops) / 1e3,
        "stop_us_max": max(stops) / 1e3,
        "total_ms_median": statistics.median(totals) / 1e6,
        "total_ms_max": max(totals) / 1e6,
    }


def running(kernel, scratch):
    esp = files.underseal_esp(os.path.join(scratch, "esp.img"), kernel)
    with Server(esp, kernel,
                log=files.out("logs/bench.log")) as server:
        server.wait_ready()
        unsealed = exit_rates(server)
        reports = []
        ftrace = bench_seal.ftrace_figures(server, lambda: reports.append(
            server.tool_ok("seal /data/baseline.ubase")))
        exits = exit_rates(server)
        patches = patch_times(server)
        status = server.tool_ok("status")
        counters = server.tool_ok("counters")
    return {
        "cpus": status["vcpus"],
        "seal": bench_seal.seal_figures(kernel, reports[0]),
        "ftrace": ftrace,
        "exits": exits,
        "exits_unsealed": unsealed,
        "patch": patches,
        "memory": {
            "kept_mib": status["hidden_bytes"] / 2**20,
            "hypervisor_kib": counters["hypervisor_bytes"] / 1024,
            "control_kib": counters["control_bytes"] / 1024,
            "page_tables_kib": counters["page_table_bytes"] / 1024,
        },
    }


def lines_of_code(folder):
    """Lines that are neither empty nor comment, in C and assembly."""
    total = 0
    for path, _, names in os.walk(os.path.join(files.ROOT, folder)):
        for name in names:
            if not name.endswith((".c", ".h", ".S")):
                continue
            with open(os.path.join(path, name), encoding="utf-8") as file:
                text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
            total += sum(bool(line.strip()) for line in text.splitlines())
    return total


def image_size(name):
    output = subprocess.run(
        ["size", "-A", "-d", files.out(name + ".elf")], check=True,
        stdout=subprocess.PIPE, text=True).stdout
    code = sum(int(size) for section, size in
               re.findall(r"(?m)^(\.\S+)\s+(\d+)", output)
               if section.startswith(".text"))
    return {"code_bytes": code,
            "file_bytes": os.path.getsize(files.out(name + ".bin"))}


def sizes():
    return {
        "lines": {folder: lines_of_code(folder)
                  for folder in ("hypervisor", "control", "common", "efi")},
        "images": {name: image_size(name)
                   for name in ("hypervisor", "control")},
        "underseal_efi_bytes": os.path.getsize(files.out("underseal.efi")),
    }


def table(result):
    boot, run, size = result["boot"], result["running"], result["size"]
    rows = [
        ("boot time, kernel start to user space, with / without",
         f"{boot['kernel_ratio']:.3f}"),
        ("boot time, power-on to user space, with / without",
         f"{boot['power_on_ratio']:.3f}"),
        *bench_seal.rows(run),
        ("stop, median / longest", f"{run['patch']['stop_us_median']:.0f} / "
         f"{run['patch']['stop_us_max']:.0f} us"),
        ("whole apply or revert, median / longest",
         f"{run['patch']['total_ms_median']:.1f} / "
         f"{run['patch']['total_ms_max']:.1f} ms"),
        ("memory kept from the guest",
         f"{run['memory']['kept_mib']:.2f} MiB"),
    ]
    for state, rates in (("not sealed", run["exits_unsealed"]),
                         ("sealed", run["exits"])):
        for name, rate in rates.items():
            reasons = ", ".join(
                f"{reason} {count}" for reason, count in
                rate["per_cpu_per_second"].items() if count) or "none"
            rows.append((f"exits per CPU and second, {state}, {name}",
                         f"{rate['total']} ({reasons})"))
    for folder, count in size["lines"].items():
        rows.append((f"lines of code, {folder}/", str(count)))
    for name, image in size["images"].items():
        rows.append((f"{name}.bin, code / file",
                     f"{image['code_bytes'] / 1024:.1f} / "
                     f"{image['file_bytes'] / 1024:.1f} KiB"))
    rows += bench_vendor.rows(result["vendors"])
    rows.append(("underseal.efi",
                 f"{size['underseal_efi_bytes'] / 1024:.1f} KiB"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    kernel = files.Kernel(sys.argv[1])
    settings = machine.Settings()
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
        result = {
            "kernel": kernel.release,
            "cpu": settings.cpu or qemu.CPU,
            "accel": settings.accel or qemu.ACCEL,
            "size": sizes(),
            "running": running(kernel, scratch),
            "vendors": bench_vendor.measure(kernel, scratch),
            "boot": boot_times(kernel, scratch),
            "stop": bench_stop.measure(kernel, scratch),
        }
        bench_stop.write_plot(result["stop"])
    with open(files.out("bench.json"), "w", encoding="ascii") as file:
        json.dump(result, file, indent=2)
    print(table(result))
    print("\n" + bench_stop.table(result["stop"]))
    print("\nwritten to build/out/bench.json and build/out/bench.svg")


if __name__ == "__main__":
    main()
