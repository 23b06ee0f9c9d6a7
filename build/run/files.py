# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the build puts things, and EFI system partitions made of them."""
import os
import struct
import subprocess

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
OUT = os.path.join(ROOT, "build/out")

# panic=0: a guest that panics stays where it is, for the log to tell. no_timer_check:
# on a busy host the emulator may be too late for Linux's first look at its timer.
# cryptomgr.notests: self-tests that take long on a slow emulator.
AGENT_ARGS = ("console=ttyS0,115200 us.agent panic=0 no_timer_check "
              "cryptomgr.notests")
SHELL_ARGS = "console=ttyS0,115200 quiet panic=0 no_timer_check"


def out(*path):
    return os.path.join(OUT, *path)


class Kernel:
    """The files that belong to one kernel release."""

    def __init__(self, release):
        self.release = release
        self.dir = out("kernels", release)
        self.guest = out("guest", release)

        self.symbols = {}

    def symbol(self, name):
        """The link address of a symbol."""
        if not self.symbols:
            with open(os.path.join(self.dir, "System.map"),
                      encoding="ascii") as file:
                for line in file:
                    address, _, symbol = line.split()
                    self.symbols[symbol] = int(address, 16)
        return self.symbols[name]

    def runtime_sites(self):
        """(offset, length) of each place of the text that the running kernel
        patches by itself, from the baseline (common/baseline.h)."""
        with open(os.path.join(self.guest, "baseline.ubase"), "rb") as file:
            header = file.read(464)
            size, = struct.unpack_from("<I", header, 12)
            count, = struct.unpack_from("<I", header, 68)
            file.seek(size)
            table = file.read(12 * count)
        return [(offset, kind_len & 15) for offset, _, _, kind_len, _
                in struct.iter_unpack("<IIHBB", table)]

    def vmlinuz(self):
        return os.path.join(self.dir, "vmlinuz")

    def initramfs(self):
        return os.path.join(self.guest, "initramfs.img")

    def data_image(self):
        return os.path.join(self.guest, "data.img")


def config(args=AGENT_ARGS, next_image=r"\vmlinuz", initrd=r"\initrd.img",
           on_failure="halt"):
    lines = [("next", next_image), ("args", args), ("initrd", initrd),
             ("on-failure", on_failure)]
    return "".join(f"{key} = {value}\n" for key, value in lines
                   if value is not None)


def write_esp(path, files):
    """files: ESP path -> path of a file, or bytes for its content."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    pairs, scratch = [], []
    for number, (dest, source) in enumerate(files.items()):
        if isinstance(source, bytes):
            scratch.append(f"{path}.{number}")
            with open(scratch[-1], "wb") as file:
                file.write(source)
            source = scratch[-1]
        pairs.append(f"{dest}={source}")
    subprocess.run([os.path.join(ROOT, "build/make-esp"), path, *pairs],
                   check=True)
    for name in scratch:
        os.unlink(name)
    return path


def underseal_esp(path, kernel, conf=None, loader="underseal.efi", more=None):
    """The ordinary server: Underseal, then the kernel. conf None: as config();
    a file that is None in `more` is left out."""
    files = {
        "EFI/BOOT/BOOTX64.EFI": out(loader),
        "EFI/BOOT/underseal.conf": (config() if conf is None else
                                    conf).encode(),
        "vmlinuz": kernel.vmlinuz(),
        "initrd.img": kernel.initramfs(),
    }
    files.update(more or {})
    return write_esp(path, {dest: source for dest, source in files.items()
                            if source is not None})


def plain_esp(path, kernel):
    """The same server without Underseal: GRUB, then the kernel."""
    return write_esp(path, {
        "EFI/BOOT/BOOTX64.EFI": out("guest/grub.efi"),
        "vmlinuz": kernel.vmlinuz(),
        "initrd.img": kernel.initramfs(),
    })


def grub_esp(path, kernel):
    """Underseal starts GRUB, which starts the kernel."""
    return underseal_esp(
        path, kernel,
        conf=config(args=None, initrd=None, next_image=r"\EFI\grub.efi"),
        more={"EFI/grub.efi": out("guest/grub.efi")})
