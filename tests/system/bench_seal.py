# SPDX-License-Identifier: GPL-2.0-or-later
"""What verifying a kernel and judging its own patching cost: a part of bench.py."""
import os

TRACING = "/sys/kernel/tracing"


def seal_figures(kernel, report):
    """@report: what `underseal-guest seal --json` says."""
    seconds = report["duration_ns"] / 1e9
    text = sum(report[key] for key in
               ("bytes_exact", "bytes_enumerated", "bytes_masked"))
    compared = text + report["rodata_exact"]
    return {
        "seal_ms": report["duration_ns"] / 1e6,
        "seal_bytes_per_second": round(compared / seconds),
        "text_bytes": text,
        "text_exact_percent": 100 * report["bytes_exact"] / text,
        "text_enumerated_percent": 100 * report["bytes_enumerated"] / text,
        "text_masked_bytes": report["bytes_masked"],
        "rodata_exact_bytes": report["rodata_exact"],
        "rodata_as_found_bytes": report["rodata_as_found"],
        "idt_gates": report["idt_gates"],
        "baseline_bytes": os.path.getsize(
            os.path.join(kernel.guest, "baseline.ubase")),
    }


def all_functions_s(server):
    """Seconds of the guest's clock to trace all functions, and to stop that."""
    times = []
    for tracer in ("function", "nop"):
        text = server.run("cut -d' ' -f1 /proc/uptime; "
                          f"echo {tracer} > {TRACING}/current_tracer; "
                          "cut -d' ' -f1 /proc/uptime", timeout=600)
        start, end = (float(word) for word in text.split())
        times.append(end - start)
    return times


def work(server):
    """Counters that tell how much the kernel's patching has cost."""
    counters = server.tool_ok("counters")
    return {
        "writes": server.tool_ok("status")["writes_allowed"],
        "exits": sum(sum(cpu.values()) for cpu in counters["exits"]),
        "control_calls": counters["control_calls"],
        "control_ns": counters["control_ns"],
    }


def ftrace_figures(server, seal):
    """Enabling all ftrace sites before @seal() and after, in one boot."""
    # Emulated, that takes longer than Linux waits before it complains.
    server.run("echo 0 > /proc/sys/kernel/soft_watchdog; "
               f"echo 0 > {TRACING}/tracing_on")
    open_s = all_functions_s(server)
    seal()
    before = work(server)
    sealed_s = all_functions_s(server)
    after = work(server)
    server.run(f"echo 1 > {TRACING}/tracing_on")
    done = {key: after[key] - before[key] for key in before}
    writes = done["writes"]
    return {
        "enable_unsealed_s": open_s[0],
        "enable_sealed_s": sealed_s[0],
        "enable_slowdown_ratio": sealed_s[0] / open_s[0],
        "disable_unsealed_s": open_s[1],
        "disable_sealed_s": sealed_s[1],
        "writes": writes,
        "exits_per_write": done["exits"] / writes,
        "control_calls_per_write": done["control_calls"] / writes,
        "control_us_per_write": done["control_ns"] / writes / 1e3,
        "us_per_write": (sum(sealed_s) - sum(open_s)) / writes * 1e6,
    }


def rows(result):
    """Lines of bench.py's table."""
    seal, ftrace = result["seal"], result["ftrace"]
    return [
        ("seal", f"{seal['seal_ms']:.0f} ms, "
         f"{seal['seal_bytes_per_second'] / 2**20:.1f} MiB/s"),
        ("text verified exactly / as one of a list / masked",
         f"{seal['text_exact_percent']:.2f} % / "
         f"{seal['text_enumerated_percent']:.2f} % / "
         f"{seal['text_masked_bytes']} bytes"),
        ("baseline", f"{seal['baseline_bytes'] / 2**20:.1f} MiB"),
        ("an arbitrated write: exits, control domain entries",
         f"{ftrace['exits_per_write']:.2f}, "
         f"{ftrace['control_calls_per_write']:.2f}"),
        ("an arbitrated write: time", f"{ftrace['us_per_write']:.0f} us"),
        ("all functions traced, sealed / unsealed",
         f"{ftrace['enable_sealed_s']:.1f} / {ftrace['enable_unsealed_s']:.1f}"
         f" s, ratio {ftrace['enable_slowdown_ratio']:.1f}"),
    ]
