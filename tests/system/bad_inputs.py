#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make every kind of input that has to be refused.

Usage: bad_inputs.py GUEST-DIR OUT-DIR TEST-KEY STRANGER-KEY

Each file is named ERROR-what.upatch (.ubase, .revert): ERROR is the name of the
error that it has to provoke. All but those about signatures carry a good one,
so that what is refused is what the name says.
"""
import os
import struct
import subprocess
import sys

from bundle_edit import Bundle

BASELINE_HEADER = struct.Struct("<QIIQQ32sIIII")
BASELINE_FACTS = 208    # offset of facts[] in struct us_baseline_header
FACT_ENTRY_SYSCALL = 1


class Writer:
    """Writes signed files into one folder."""

    def __init__(self, folder, key, stranger):
        self.folder, self.key, self.stranger = folder, key, stranger
        os.makedirs(folder, exist_ok=True)
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))

    def write(self, name, data, signature=None, key=None, legacy=False):
        """@signature: bytes to use instead of signing."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        if signature is None:
            self.sign(path, key or self.key, legacy)
            return
        with open(path + ".minisig", "wb") as file:
            file.write(signature)

    @staticmethod
    def sign(path, key, legacy=False):
        subprocess.run(["minisign", "-S", "-W", "-s", key, "-m", path,
                        *(["-l"] if legacy else [])],
                       check=True, stdout=subprocess.DEVNULL)


def flip_bit(data, offset):
    return data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1:]


def signature_faults(writer, good, signature):
    for region, (start, end) in Bundle(good).regions().items():
        writer.write(f"SIG_INVALID-bit-in-{region}.upatch",
                     flip_bit(good, (start + end) // 2), signature)
    writer.write("SIG_KEY_UNKNOWN-stranger.upatch", good, key=writer.stranger)
    comment = signature.index(b"\ntrusted comment: ") + 18
    writer.write("SIG_COMMENT-altered.upatch", good,
                 flip_bit(signature, comment))
    writer.write("SIG_FORMAT-no-minisign.upatch", good, b"none\n")
    writer.write("SIG_FORMAT-not-prehashed.upatch", good, legacy=True)
    writer.write("SIG_FORMAT-truncated.upatch", good, signature[:-30])


def bundle_format_faults(writer, good):
    def altered(**header):
        return Bundle(good).data(**header)

    for offset in (7, 40, 200, 290, len(good) // 2, len(good) - 8):
        writer.write(f"BUNDLE_TRUNCATED-at-{offset}.upatch", good[:offset])
    writer.write("BUNDLE_MAGIC-other.upatch", altered(magic=0x1234))
    writer.write("BUNDLE_VERSION-2.upatch", altered(version=2))
    writer.write("BUNDLE_TRAILING-8-bytes.upatch", good + bytes(8))
    writer.write("BUNDLE_FIELD-flags.upatch", altered(flags=1))
    writer.write("BUNDLE_FIELD-generation-0.upatch", altered(generation=0))
    bundle = Bundle(good)
    bundle.functions[0]["name"] = 0x7fffffff
    writer.write("BUNDLE_BOUNDS-name.upatch", bundle.data())
    bundle = Bundle(good)
    bundle.hunks.insert(0, dict(bundle.hunks[0]))
    bundle.relocs = [reloc for reloc in bundle.relocs
                     if reloc["where_space"] != 3]
    writer.write("HUNKS_OVERLAP-twice.upatch", bundle.data())


def bundle_target_faults(writer, good, text_len):
    build_id = bytearray(Bundle(good).header["build_id"])
    build_id[0] ^= 0xff
    writer.write("WRONG_BUILD_ID-other-kernel.upatch",
                 Bundle(good).data(build_id=bytes(build_id)))

    bundle = Bundle(good)
    distance = text_len + 0x1000 - bundle.functions[0]["image_offset"]
    bundle.functions[0]["image_offset"] += distance
    for hunk in bundle.hunks:
        hunk["image_offset"] += distance
    writer.write("TARGET_OUTSIDE-data.upatch", bundle.data())

    bundle = Bundle(good)
    expected = bytearray(bundle.hunks[0]["expected"])
    expected[0] ^= 0xff
    bundle.hunks[0]["expected"] = bytes(expected)
    writer.write("EXPECTED_BYTES-differ.upatch", bundle.data())

    # At the function's ftrace site, which the kernel patches by itself.
    bundle = Bundle(good)
    bundle.hunks[0]["image_offset"] = bundle.functions[0]["image_offset"]
    writer.write("SITE_OVERLAP-ftrace.upatch", bundle.data())

    bundle = Bundle(good)
    bundle.payload += bytes((512 << 10) - len(bundle.payload))
    writer.write("TOO_LARGE-payload.upatch", bundle.data())

    bundle = Bundle(good)
    for reloc in bundle.relocs:
        if reloc["type"] == 3 and reloc["target_space"] == 1:
            reloc["target"] = -(1 << 31)
            break
    writer.write("RELOCATION-too-far.upatch", bundle.data())


def revert_faults(writer, good):
    writer.write("REVERT_FORMAT-truncated.revert", good[:-1])
    writer.write("REVERT_FORMAT-trailing.revert", good + b"\0")
    writer.write("REVERT_FORMAT-magic.revert", flip_bit(good, 0))
    writer.write("PATCH_NOT_FOUND-other-bundle.revert",
                 flip_bit(good, 60))
    writer.write("SIG_KEY_UNKNOWN-stranger.revert", good, key=writer.stranger)
    writer.write("SIG_MISSING-empty.revert", good, b"")


def baseline_faults(writer, good, signature):
    fields = BASELINE_HEADER.unpack_from(good)
    build_id_at, head_size = 32, fields[2]
    sites_at = head_size
    writer.write("BASELINE_TRUNCATED-header.ubase", good[:100])
    writer.write("BASELINE_TRUNCATED-sites.ubase", good[:head_size + 24])
    writer.write("BASELINE_MAGIC-other.ubase",
                 b"\0" + good[1:head_size + 8])
    writer.write("BASELINE_VERSION-2.ubase",
                 good[:8] + struct.pack("<I", 2) + good[12:head_size + 8])
    writer.write("SIG_INVALID-bit-in-text.ubase",
                 flip_bit(good, len(good) - 4096), signature)
    writer.write("SIG_KEY_UNKNOWN-stranger.ubase", good, key=writer.stranger)
    writer.write("BASELINE_TRAILING-8-bytes.ubase", good + bytes(8))
    swapped = (good[sites_at + 8:sites_at + 16] + good[sites_at:sites_at + 8])
    writer.write("BASELINE_SITES-not-sorted.ubase",
                 good[:sites_at] + swapped + good[sites_at + 16:])
    writer.write("KERNEL_BUILD_ID-other.ubase", flip_bit(good, build_id_at))


def other_text_baseline(writer, good):
    """One byte of text that no site covers differs: the first of the last
    block that follows 64 bytes without relocation or site would do, but the
    very first bytes of startup code are as good and always exact."""
    fields = BASELINE_HEADER.unpack_from(good)
    head_size, sites, blocks = fields[2], fields[7], fields[8]
    table = head_size + sites * 8
    offset, _len, _ = struct.unpack_from("<QII", good, table)
    expected = offset + 16 + 4
    assert blocks > 0 and expected < len(good)
    writer.write("KERNEL_TEXT-byte-differs.ubase", flip_bit(good, expected))


def main():
    guest, folder, key, stranger = sys.argv[1:]

    def read(name):
        with open(os.path.join(guest, name), "rb") as file:
            return file.read()

    writer = Writer(folder, key, stranger)
    baseline = read("baseline.ubase")
    text_len = struct.unpack_from("<Q", baseline, 24)[0]
    bundle = read("version.upatch")
    signature_faults(writer, bundle, read("version.upatch.minisig"))
    bundle_format_faults(writer, bundle)
    bundle_target_faults(writer, bundle, text_len)
    revert_faults(writer, read("version.revert"))
    baseline_faults(writer, baseline, read("baseline.ubase.minisig"))
    other_text_baseline(writer, baseline)


if __name__ == "__main__":
    main()
