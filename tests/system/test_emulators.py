#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit tests of what starts the emulators (build/run). Needs none of them."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../build/run"))

import bochs                    # noqa: E402
import kvm                      # noqa: E402
import qemu                     # noqa: E402
from emulator import MachineError, Settings     # noqa: E402


def host(folder, device=True, module="kvm_intel", nested="Y\n"):
    """A root folder with what KVM shows of itself."""
    if device:
        os.makedirs(os.path.join(folder, "dev"))
        with open(os.path.join(folder, "dev/kvm"), "wb"):
            pass
    if module:
        parameters = os.path.join(folder, "sys/module", module, "parameters")
        os.makedirs(parameters)
        with open(os.path.join(parameters, "nested"), "w",
                  encoding="ascii") as file:
            file.write(nested)


def problem_of(**what):
    with tempfile.TemporaryDirectory() as folder:
        host(folder, **what)
        return kvm.problem(folder)


def kvm_is_usable():
    assert problem_of() is None
    assert problem_of(nested="1\n") is None
    assert problem_of(module="kvm_amd", nested="1\n") is None


def kvm_is_missing():
    assert "no /dev/kvm" in problem_of(device=False)
    assert "no /dev/kvm" in problem_of(device=False, module=None)
    assert "neither kvm_intel nor kvm_amd" in problem_of(module=None)


def kvm_does_not_nest():
    for module in kvm.VENDORS:
        for nested in ("N\n", "0\n", ""):
            said = problem_of(module=module, nested=nested)
            assert said.startswith(f"{module} does not nest"), said


def kvm_arguments():
    settings = Settings(accel="kvm", smp=1)
    args = qemu.arguments(settings, "esp", None, "vars", lambda: None)
    assert args[args.index("-accel") + 1] == "kvm"
    assert args[args.index("-cpu") + 1] == "host"
    try:
        qemu.arguments(settings, "esp", None, "vars",
                       lambda: "it is not there")
    except MachineError as error:
        assert str(error) == "ACCEL=kvm: it is not there"
    else:
        raise AssertionError("not refused")


def qemu_arguments():
    args = qemu.arguments(Settings(smp=3), "esp", None, "vars")
    assert args[args.index("-smp") + 1] == "3"
    assert args[args.index("-cpu") + 1] == "max"


def bochs_configuration():
    text = bochs.configuration(Settings(smp=2, mem="1G"), "/console",
                               ["/a", "/b"], 77)
    for wanted in ("megs: 1024\n", "model=corei7_haswell_4770, count=2,",
                   "ata0-master: type=disk, path=/a, mode=volatile\n",
                   "ata0-slave: type=disk, path=/b, mode=volatile\n",
                   "dev=127.0.0.1:77\n", "dev=/console\n"):
        assert wanted in text, wanted


def environment():
    os.environ.update(CPU="EPYC", MEM="6G")
    try:
        amd, intel = Settings(), Settings(machine="bochs")
    finally:
        del os.environ["CPU"], os.environ["MEM"]
    assert (amd.cpu, amd.mem) == ("EPYC", "6G")
    assert (intel.cpu, intel.mem) == (None, "1G")


TESTS = [kvm_is_usable, kvm_is_missing, kvm_does_not_nest, kvm_arguments,
         qemu_arguments, bochs_configuration, environment]


def main():
    for name in ("SMP", "MEM", "CPU", "ACCEL", "MACHINE"):
        os.environ.pop(name, None)
    failed = 0
    for test in TESTS:
        try:
            test()
        except AssertionError as error:
            print(f"FAIL {test.__name__}: {error}")
            failed += 1
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
