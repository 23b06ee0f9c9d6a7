# SPDX-License-Identifier: GPL-2.0-or-later
"""Damaged files, and signatures: ours and minisign's."""
import hashlib
import struct
import subprocess

from tool_test import HERE, check, equal, made, read, refused, write


def test_inspect():
    whole = read("b.upatch")
    refused("BUNDLE_TRUNCATED inspect", "inspect", write("d", whole[:-8]))
    refused("BUNDLE_TRUNCATED inspect of an empty file", "inspect",
            write("d", b""))
    refused("BUNDLE_MAGIC inspect", "inspect", "text")
    for version in b"\1\4":
        refused("BUNDLE_VERSION inspect", "inspect",
                write("d", whole[:8] + bytes([version]) + whole[9:]))
    refused("BUNDLE_TRAILING inspect", "inspect", write("d", whole + bytes(8)))
    refused("BUNDLE_FIELD inspect", "inspect",
            write("d", whole[:24] + bytes(8) + whole[32:]))
    base = read("k.ubase")
    refused("BASELINE_TRUNCATED inspect", "inspect", write("d", base[:-8]))
    refused("BASELINE_TRAILING inspect", "inspect", write("d", base + bytes(8)))
    refused("BASELINE_VERSION inspect", "inspect",
            write("d", base[:8] + b"\1" + base[9:]))
    refused("BASELINE_FIELD inspect", "inspect",
            write("d", base[:12] + b"\1" + base[13:]))
    swapped = base[:872] + base[884:896] + base[872:884] + base[896:]
    refused("BASELINE_SITES inspect", "inspect", write("d", swapped))
    refused("BASELINE_POLICY inspect", "inspect",
            write("d", base[:280] + b"\x09" + base[281:]))
    refused("BASELINE_VALUES inspect", "inspect",
            write("d", with_values(base, 4097)))
    revert = made("authorize-revert", "authorize-revert", "b.upatch", "-o",
                  "b.revert")
    equal("revert authorisation", (len(read("b.revert")),
                                   revert.get("generation"),
                                   revert.get("bundle_id")),
          (88, 7, made("inspect of a bundle", "inspect",
                       "b.upatch").get("bundle_id")))
    equal("bundle id is BLAKE2b-256", revert.get("bundle_id"), blake2b(whole))
    equal("inspect of a revert authorisation",
          made("inspect of it", "inspect", "b.revert"), revert)
    refused("REVERT_FORMAT inspect", "inspect",
            write("d", read("b.revert") + b"\0"))
    refused("BUNDLE_MAGIC authorize-revert of no bundle", "authorize-revert",
            "k.ubase", "-o", "x")


def with_values(base, count):
    """The first site of the first block says that it has @count values."""
    runtime, entries = struct.unpack_from("<II", base, 68)
    table = 872 + (12 * runtime + 7 & ~7) + 8 * entries
    block, = struct.unpack_from("<Q", base, table)
    _, length, relocs = struct.unpack_from("<III", base, block)
    at = block + 24 + (length + 7 & ~7) + 16 * relocs + 8
    return base[:at] + struct.pack("<I", count) + base[at + 4:]


def blake2b(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def minisign(*arguments, text=None):
    return subprocess.run(["minisign", *arguments], input=text, text=True,
                          capture_output=True).returncode


def test_signatures():
    minisign("-G", "-W", "-f", "-p", "a.pub", "-s", "a.key")
    minisign("-G", "-W", "-f", "-p", "b.pub", "-s", "b.key")
    write("f", "contents\n" * 1000)
    made("sign", "sign", "f", "-s", "a.key")
    equal("minisign accepts our signature",
          minisign("-V", "-p", "a.pub", "-m", "f"), 0)
    check("verify accepts it too", "key_id" in made("verify", "verify", "f",
                                                    "-p", "a.pub"))
    ours = read("f.minisig")
    made("sign with a comment of one's own", "sign", "f", "--key", "a.key",
         "-t", "tested", "-x", "f.sig")
    equal("minisign accepts that as well",
          minisign("-V", "-p", "a.pub", "-m", "f", "-x", "f.sig"), 0)
    minisign("-S", "-s", "a.key", "-m", "f", "-t", "theirs")
    equal("we accept minisign's signature",
          made("verify minisign's", "verify", "f", "-p", "a.pub")
          .get("trusted_comment"), "theirs")
    write("both.pub", read("b.pub") + read("a.pub"))
    made("verify with several keys", "verify", "f", "-p", "both.pub")
    test_bad_signatures(ours)
    test_passwords()


def test_bad_signatures(signature):
    def verify(name, text, key="a.pub", **options):
        refused(name, "verify", "f", "-p", key, "-x", write("x.sig", text),
                **options)

    refused("SIG_MISSING verify", "verify", "text", "-p", "a.pub")
    verify("SIG_KEY_UNKNOWN verify", signature, "b.pub")
    verify("SIG_FORMAT verify of a text", b"no signature\n")
    verify("SIG_FORMAT verify of a cut signature", signature[:-20])
    verify("SIG_COMMENT verify of a changed comment",
           signature.replace(b"file:f", b"file:g"))
    write("f", "other contents\n")
    verify("SIG_INVALID verify of changed contents", signature)
    write("f", "contents\n" * 1000)
    minisign("-S", "-l", "-s", "a.key", "-m", "f", "-x", "legacy.sig")
    refused("SIG_FORMAT verify of a legacy signature", "verify", "f", "-p",
            "a.pub", "-x", "legacy.sig")
    refused("KEY_FORMAT verify with a key that is none", "verify", "f", "-p",
            "text")
    refused("KEY_FORMAT verify with an empty key file", "verify", "f", "-p",
            write("empty", ""))
    refused("KEY_FORMAT sign with a public key", "sign", "f", "-s", "a.pub")
    refused("KEY_FORMAT sign with a damaged key", "sign", "f", "-s",
            write("bad.key", read("a.key")[:-30] + b"\n"))
    refused("FILE_OPEN sign nothing", "sign", "nothing", "-s", "a.key")
    refused("FILE_WRITE sign into nowhere", "sign", "f", "-s", "a.key", "-x",
            "no/such/file")
    refused("USAGE sign with a comment of two lines", "sign", "f", "-s",
            "a.key", "-t", "a\nb")
    refused("FILE_READ sign a directory", "sign", HERE, "-s", "a.key")


def test_passwords():
    """minisign spends a GiB and some seconds on each use of a password."""
    minisign("-G", "-f", "-p", "e.pub", "-s", "e.key", text="secret\nsecret\n")
    write("password", "secret\n")
    made("sign with an encrypted key", "sign", "f", "-s", "e.key", "-p",
         "password")
    equal("minisign accepts that", minisign("-V", "-p", "e.pub", "-m", "f"), 0)
    write("password", "wrong\n")
    refused("KEY_PASSWORD sign with a wrong password", "sign", "f", "-s",
            "e.key", "-p", "password")
    refused("KEY_PASSWORD sign with an empty password file", "sign", "f", "-s",
            "e.key", "-p", "empty")
    refused("KEY_PASSWORD sign without a terminal", "sign", "f", "-s", "e.key",
            start_new_session=True)
