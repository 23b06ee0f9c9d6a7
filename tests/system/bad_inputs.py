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

# struct us_baseline_header up to its ranges, and what follows it.
BASELINE_HEADER = struct.Struct("<QIIQQ32sIIIIII")
BASELINE_FIELDS = ("magic version header_size total_size text_len build_id "
                   "build_id_len runtime_sites entries blocks fact_count "
                   "range_count").split()
BUILD_ID, POLICY = 32, 280              # offsets in the header
RUNTIME_SITE, ENTRY, BLOCK_REF, BLOCK_HEADER = 12, 8, 16, 24


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
    for version in (1, 4):
        writer.write(f"BUNDLE_VERSION-{version}.upatch",
                     altered(version=version))
    writer.write("BUNDLE_TRAILING-8-bytes.upatch", good + bytes(8))
    writer.write("BUNDLE_FIELD-flags.upatch", altered(flags=2))
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
    distance = text_len + 0x1000 - bundle.functions[0]["text_offset"]
    bundle.functions[0]["text_offset"] += distance
    for hunk in bundle.hunks:
        hunk["text_offset"] += distance
    writer.write("TARGET_OUTSIDE-data.upatch", bundle.data())

    bundle = Bundle(good)
    expected = bytearray(bundle.hunks[0]["expected"])
    expected[0] ^= 0xff
    bundle.hunks[0]["expected"] = bytes(expected)
    writer.write("EXPECTED_BYTES-differ.upatch", bundle.data())

    # At the function's ftrace site, which the kernel patches by itself.
    bundle = Bundle(good)
    bundle.hunks[0]["text_offset"] = bundle.functions[0]["text_offset"]
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


def pad8(length):
    return length + -length % 8


class Baseline:
    """Where the parts of a baseline are, from common/baseline.h."""

    def __init__(self, data):
        values = BASELINE_HEADER.unpack_from(data)
        head = dict(zip(BASELINE_FIELDS, values))
        self.data = data
        self.sites = head["header_size"]
        self.site_count = head["runtime_sites"]
        entries = pad8(self.sites + RUNTIME_SITE * self.site_count)
        self.refs = pad8(entries + ENTRY * head["entries"])
        self.blocks = head["blocks"]

    def site(self, index):
        start = self.sites + RUNTIME_SITE * index
        return self.data[start:start + RUNTIME_SITE]

    def with_bytes(self, offset, data):
        return self.data[:offset] + data + self.data[offset + len(data):]

    def block(self, index):
        """(offset in the file, offset in the image, length)"""
        at, = struct.unpack_from("<Q", self.data,
                                 self.refs + BLOCK_REF * index)
        return at, *struct.unpack_from("<II", self.data, at)


def baseline_faults(writer, good, signature):
    baseline = Baseline(good)
    head = baseline.sites
    writer.write("BASELINE_TRUNCATED-header.ubase", good[:100])
    writer.write("BASELINE_TRUNCATED-sites.ubase", good[:head + 24])
    writer.write("BASELINE_MAGIC-other.ubase", b"\0" + good[1:head + 8])
    for version in (1, 4):
        writer.write(f"BASELINE_VERSION-{version}.ubase", good[:8] +
                     struct.pack("<I", version) + good[12:head + 8])
    writer.write("SIG_INVALID-bit-in-text.ubase",
                 flip_bit(good, len(good) - 4096), signature)
    writer.write("SIG_MISSING-unsigned.ubase", good[:head + 24], b"")
    writer.write("SIG_KEY_UNKNOWN-stranger.ubase", good[:head + 24],
                 key=writer.stranger)
    writer.write("BASELINE_TRAILING-8-bytes.ubase", good + bytes(8))
    writer.write("BASELINE_POLICY-unknown.ubase",
                 baseline.with_bytes(POLICY, b"\x07"))
    writer.write("KERNEL_BUILD_ID-other.ubase", flip_bit(good, BUILD_ID))


def baseline_site_faults(writer, good):
    baseline = Baseline(good)
    first, second = baseline.site(0), baseline.site(1)
    writer.write("BASELINE_SITES-not-sorted.ubase",
                 baseline.with_bytes(baseline.sites, second + first))
    overlap = struct.pack("<I", struct.unpack_from("<I", first)[0] + 1)
    writer.write("BASELINE_SITES-overlap.ubase",
                 baseline.with_bytes(baseline.sites + RUNTIME_SITE, overlap))
    last = baseline.sites + RUNTIME_SITE * (baseline.site_count - 1)
    text_len, = struct.unpack_from("<Q", good, 24)
    writer.write("BASELINE_SITES-past-the-text.ubase",
                 baseline.with_bytes(last, struct.pack("<I", text_len - 1)))


def other_kernel_baselines(writer, good):
    """One byte differs, of the text and of the constants. The very first bytes
    of startup code are always exact; of the constants it is a system call's
    name or such: any byte that no relocation covers will do, and the last of
    all blocks ends in strings."""
    baseline = Baseline(good)
    at, _, _ = baseline.block(0)
    writer.write("KERNEL_TEXT-byte-differs.ubase",
                 flip_bit(good, at + BLOCK_HEADER + 4))
    at, _, length = baseline.block(baseline.blocks - 1)
    writer.write("KERNEL_RODATA-byte-differs.ubase",
                 flip_bit(good, at + BLOCK_HEADER + length - 1))


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
    baseline_site_faults(writer, baseline)
    other_kernel_baselines(writer, baseline)


if __name__ == "__main__":
    main()
