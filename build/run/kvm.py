# SPDX-License-Identifier: GPL-2.0-or-later
"""Can machines here run Underseal with KVM? It needs virtualisation of its own in
them: a host whose KVM nests."""
import os

VENDORS = ("kvm_intel", "kvm_amd")


def nesting(root):
    """(module of this host's processor or None, does it nest)"""
    for module in VENDORS:
        folder = os.path.join(root, "sys/module", module)
        try:
            with open(os.path.join(folder, "parameters/nested"),
                      encoding="ascii") as file:
                return module, file.read().strip() in ("Y", "1")
        except OSError:
            if os.path.isdir(folder):
                return module, False
    return None, False


def problem(root="/"):
    """What is missing for ACCEL=kvm, as a sentence; None if nothing is."""
    device = os.path.join(root, "dev/kvm")
    if not os.path.exists(device):
        return ("there is no /dev/kvm: this machine has no VT-x or AMD-V, or it is "
                "switched off, or its module kvm_intel or kvm_amd is not loaded")
    if not os.access(device, os.R_OK | os.W_OK):
        return "/dev/kvm may not be opened: its group is the one to be in"
    module, nests = nesting(root)
    if not module:
        return "neither kvm_intel nor kvm_amd is loaded"
    if not nests:
        return (f"{module} does not nest, which Underseal needs: "
                f"modprobe -r {module} && modprobe {module} nested=1")
    return None
