# SPDX-License-Identifier: GPL-2.0-or-later
"""Many bundles of the same content, each with the next generation and the revert
authorisation that belongs to it, all signed; and a disk for the guest with them.
"""
import concurrent.futures
import hashlib
import os
import shutil
import struct
import subprocess

from bundle_edit import Bundle
import files

REVERT = struct.Struct("<QII32s32sQ")
REVERT_MAGIC = 0x5452455652535531


def revert_for(bundle):
    """The authorisation to take @bundle, a file's content, back."""
    head = Bundle(bundle).header
    return REVERT.pack(REVERT_MAGIC, head["version"], head["build_id_len"],
                       head["build_id"],
                       hashlib.blake2b(bundle, digest_size=32).digest(),
                       head["generation"])


def sign(path):
    subprocess.run([files.out("underseal"), "sign", path, "--key",
                    files.out("keys/test.key")], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def write_signed(path, data):
    with open(path, "wb") as file:
        file.write(data)
    sign(path)


def write_pair(path, data):
    """@path.upatch and @path.revert with their signatures."""
    write_signed(path + ".upatch", data)
    write_signed(path + ".revert", revert_for(data))


def numbered(base, folder, first, count, **header):
    """FOLDER/N.upatch and so on for the generations from @first on."""
    with open(base, "rb") as file:
        data = file.read()
    os.makedirs(folder, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        done = [pool.submit(write_pair, os.path.join(folder, str(number)),
                            Bundle(data).data(generation=number, **header))
                for number in range(first, first + count)]
        for future in done:
            future.result()


def make_disk(path, folder, free_mib=192, label="load"):
    """An ext4 file system with what is in @folder, and room."""
    shutil.copy(os.path.join(files.ROOT, "tests/guest/busy"), folder)
    used, inodes = 0, 1024
    for _, folders, names in os.walk(folder):
        used += 4 * len(names) + 4 * len(folders)
        inodes += len(names) + len(folders)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-N",
                    str(inodes), "-d", folder, "-L", label, path,
                    f"{used // 1024 + free_mib}M"], check=True,
                   stdout=subprocess.DEVNULL)
    return path


def drive(path, keep=False):
    """QEMU's arguments for that disk; @keep: what the guest writes stays."""
    return ["-drive", f"if=none,id=load,format=raw,file={path},"
            f"snapshot={'off' if keep else 'on'}",
            "-device", "nvme,drive=load,serial=load"]


def mount(server):
    server.run("mkdir -p /load && mount -t ext4 $(findfs LABEL=load) /load")
