# SPDX-License-Identifier: GPL-2.0-or-later
"""The loader's failures, each with its own message, and what follows from them.

Each check is a machine of its own, most of which stop before a kernel starts.
"""
import os
import re
import struct

import files
import machine
import vm_cr
from harness import Server, expect, expect_equal

HALTED = "on-failure is halt: the machine stops here"
WARNING = "UNDERSEAL DOES NOT PROTECT THIS MACHINE"
LINUX = r"Linux version|EFI stub"
TIMEOUT = 120


class Case:
    """What a check gets: a place for its disk image and its log."""

    def __init__(self, kernel, scratch, logs):
        self.kernel, self.scratch, self.logs = kernel, scratch, logs
        self.server = None

    def boot(self, name, make_esp=files.underseal_esp, settings=None, **esp):
        path = os.path.join(self.scratch, f"{name}.img")
        make_esp(path, self.kernel, **esp)
        self.server = Server(path, self.kernel,
                             log=os.path.join(self.logs, f"loader-{name}.log"),
                             settings=settings or machine.Settings(smp=1))
        return self.server

    def close(self):
        if self.server:
            self.server.close()


def refused(case, name, error, conf=None, cpu=None, smp=1, mem=None,
            emulator="qemu", **esp):
    """The machine stops with @error, and no kernel was started."""
    settings = machine.Settings(machine=emulator, smp=smp, cpu=cpu, mem=mem)
    server = case.boot(name, conf=conf, settings=settings, **esp)
    server.wait_console(HALTED, TIMEOUT)
    text = server.console()
    expect(error in text, f"{error} is not on the console:\n{text[-600:]}")
    expect("Linux version" not in text, "a kernel was started")


def unprotected(case, name, error, cpu=None, **esp):
    """The machine warns of @error and starts without protection."""
    server = case.boot(name, settings=machine.Settings(smp=1, cpu=cpu), **esp)
    server.wait_ready()
    text = server.console()
    expect(error in text and WARNING in text, text[-600:])
    words = server.run("us-probe cpuid 40000000")
    expect("65646e55" not in words, "Underseal runs all the same")


def no_svm_halt(case):
    """no AMD-V, policy halt"""
    refused(case, "no-svm-halt", "CPU_VENDOR", cpu="max,-svm")


def no_svm_boot(case):
    """no AMD-V, policy boot: a warning, then the kernel unprotected"""
    # Not "max": without SVM it breaks Linux programs, Underseal or not.
    unprotected(case, "no-svm-boot", "CPU_VENDOR", cpu="EPYC,-svm",
                conf=files.config(on_failure="boot"))


def no_npt(case):
    """no nested paging"""
    refused(case, "no-npt", "NO_NESTED_PAGING", cpu="max,-npt")


def svm_disabled(case):
    """AMD-V switched off by the firmware"""
    server = case.boot("svm-disabled")
    vm_cr.switch_svm_off(server)
    server.wait_console(HALTED, TIMEOUT)
    text = server.console()
    expect("SVM_DISABLED" in text, text[-600:])
    expect("Linux version" not in text, "a kernel was started")


def missing_next(case):
    """the next image is missing"""
    refused(case, "missing-next", "NEXT_IMAGE_MISSING",
            conf=files.config(next_image=r"\nothing.efi"))


def bad_next(case):
    """the next image is no EFI program"""
    refused(case, "bad-next", "NEXT_IMAGE_START",
            conf=files.config(next_image=r"\initrd.img"))


def no_config(case):
    """underseal.conf is missing"""
    refused(case, "no-config", "CONFIG_MISSING",
            more={"EFI/BOOT/underseal.conf": None})


def config_syntax_halt(case):
    """a syntax error in underseal.conf, with its line, policy halt"""
    refused(case, "syntax-halt", "line 5",
            conf=files.config() + "next image\n")


def config_syntax_boot(case):
    """a syntax error in underseal.conf, policy boot"""
    unprotected(case, "syntax-boot", "CONFIG_SYNTAX",
                conf=files.config(on_failure="boot") + "colour = blue\n")


def too_many_cpus(case):
    """more CPUs than Underseal takes"""
    refused(case, "nine-cpus", "TOO_MANY_CPUS", smp=9)


def little_memory(case):
    """less free memory than Underseal needs"""
    # The next image is loaded first, so it has to be a small one.
    refused(case, "little-memory", "LOADER_MEMORY", mem="48M",
            conf="next = /EFI/BOOT/BOOTX64.EFI\n")


def damaged_image(case):
    """an image inside underseal.efi is damaged"""
    with open(files.out("underseal.efi"), "rb") as file:
        data = file.read()
    # Magic, version (whatever it is today) and size of struct us_hv_header; the
    # size tells the header from the loader's own copy of the magic.
    headers = re.findall(b"USEALVH1.{4}" + re.escape(struct.pack("<I", 72)),
                         data, re.DOTALL)
    expect_equal(len(headers), 1, "hypervisor headers in the file")
    header = headers[0]
    path = os.path.join(case.scratch, "damaged.efi")
    with open(path, "wb") as file:
        file.write(data.replace(header, b"USEALVH9" + header[8:]))
    refused(case, "damaged", "BAD_IMAGE",
            more={"EFI/BOOT/BOOTX64.EFI": path})


def eight_cpus(case):
    """eight CPUs, the most it takes"""
    server = case.boot("eight-cpus", settings=machine.Settings(smp=8))
    server.wait_ready(300)
    expect_equal(server.run("grep -c ^processor /proc/cpuinfo"), "8", "CPUs")
    expect_equal(server.tool_ok("status")["vcpus"], 8, "vCPUs")


def large_memory(case):
    """memory on both sides of 4 GiB, and another processor model"""
    settings = machine.Settings(smp=2, mem="6G", cpu="EPYC,+svm,+npt")
    server = case.boot("large", settings=settings)
    server.wait_ready(300)
    server.tool_ok("seal /data/baseline.ubase")
    server.tool_ok("apply /data/version.upatch")
    expect("Patched by Underseal" in server.run("cat /proc/version"),
           "no effect")


def grub(case):
    """Underseal starts GRUB, which starts the kernel"""
    server = case.boot("grub", make_esp=files.grub_esp)
    server.wait_ready()
    expect_equal(server.tool_ok("status")["vcpus"], 1, "vCPUs")
    server.tool_ok("seal /data/baseline.ubase")


def hypervisor_fault(case):
    """a fault in the hypervisor dumps its state on serial and stops the machine"""
    server = case.boot("hypervisor-fault", loader="underseal-test.efi",
                       settings=machine.Settings(smp=2))
    server.wait_ready()
    server.send("us-ring call eax=0x55534654")
    server.wait_console("the machine is stopped", 60)
    text = server.console()
    # The test image executes UD2, exception 6.
    for word in ("PANIC: exception 6,", "rip", "cr3", "r15", "stack:",
                 "guest vCPU"):
        expect(word in text, f"{word!r} is not in the dump")
    try:
        server.run("echo alive", timeout=10)
    except machine.MachineError:
        return
    raise AssertionError("the guest runs on")


# With an Intel processor ------------------------------------------------------

def no_ept(case):
    """VT-x without nested paging"""
    refused(case, "no-ept", "NO_NESTED_PAGING", emulator="bochs",
            cpu="core2_penryn_t9600")


def vmx_lacks_a_feature(case):
    """VT-x without what Underseal needs of it, which is named"""
    refused(case, "vmx-feature", "it lacks unrestricted guest",
            emulator="bochs", cpu="corei5_lynnfield_750")


def vmx_disabled(case):
    """VT-x switched off and locked by the firmware"""
    refused(case, "vmx-disabled", "VMX_DISABLED", emulator="bochs",
            more={"EFI/BOOT/FEATURE.CTL": b"1"})


def vmx_locked(case):
    """VT-x switched on and locked by the firmware"""
    server = case.boot("vmx-locked", more={"EFI/BOOT/FEATURE.CTL": b"5"},
                       settings=machine.Settings(machine="bochs", smp=2))
    server.wait_console("2 CPUs protected", TIMEOUT)
    server.wait_console(LINUX, TIMEOUT)


BOCHS_CHECKS = [no_ept, vmx_lacks_a_feature, vmx_disabled, vmx_locked]

CHECKS = [
    no_svm_halt, no_svm_boot, no_npt, svm_disabled, missing_next, bad_next,
    no_config, config_syntax_halt, config_syntax_boot, too_many_cpus,
    little_memory, damaged_image, eight_cpus, large_memory, grub,
    hypervisor_fault,
]
