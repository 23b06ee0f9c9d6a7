#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Record what Bochs's processor models say of VT-x, as data for the unit tests.

Usage: record_vmx.py FOLDER [MODEL ...]

Boots record_msrs.efi on each model, by default on all of Bochs 2.7 that have VT-x and
64 bits, and writes FOLDER/MODEL.inc: initialisers for the
array of a struct vmx_capabilities.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../build/run"))

import files                            # noqa: E402
import machine                          # noqa: E402

HEAD = """\
/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMX capability MSRs of Bochs {version}, processor model {model}.
 * Recorded by `make record-vmx`.
 */
"""


MODELS = """
core2_penryn_t9600 corei5_lynnfield_750 corei5_arrandale_m520
corei7_sandy_bridge_2600k corei7_ivy_bridge_3770k corei7_haswell_4770
broadwell_ult corei7_skylake_x corei3_cnl corei7_icelake_u tigerlake
""".split()


def bochs_version():
    text = subprocess.run(["bochs-bin", "--help"], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False).stdout
    return re.search(r"Bochs x86 Emulator (\S+)", text).group(1)


def record(model, scratch):
    """The lines of one model."""
    esp = files.write_esp(os.path.join(scratch, f"{model}.img"), {
        "EFI/BOOT/BOOTX64.EFI": files.out("tests/record_msrs.efi")})
    settings = machine.Settings(machine="bochs", smp=1, mem="256M", cpu=model)
    with machine.Machine(esp, settings=settings) as server:
        server.wait_console("record_msrs: end")
        return re.findall(r"(?m)^(?:/\* IA32.* \*/|\[0x\w+ - .*,)",
                          server.console())


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    folder, wanted = sys.argv[1], sys.argv[2:]
    version = bochs_version()
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
        for model in wanted or MODELS:
            lines = record(model, scratch)
            print(f"{model}: {len(lines)} registers", flush=True)
            text = HEAD.format(model=model, version=version)
            with open(os.path.join(folder, f"{model}.inc"), "w",
                      encoding="ascii") as file:
                file.write(text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
