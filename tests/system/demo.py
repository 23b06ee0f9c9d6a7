#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Underseal's main job, shown unattended: what `make demo` runs.

Usage: demo.py RELEASE
Ends with status 0 if everything went as the sentences say.
"""
import os
import sys
import tempfile
import textwrap
import time

from harness import Server, expect, expect_equal
import files
import machine

LOG = files.out("logs/demo.log")


class Demo:
    def __init__(self, kernel):
        self.kernel = kernel
        self.step_number = 0
        self.start = time.monotonic()
        self.server = None

    @staticmethod
    def say(text):
        print(textwrap.fill(" ".join(text.split()), 78, initial_indent="   ",
                            subsequent_indent="   "), flush=True)

    @staticmethod
    def show(command, output):
        print(f"\n      # {command}")
        for line in output.splitlines():
            print("      " + line[:100])
        print(flush=True)

    def step(self, text):
        self.step_number += 1
        print(f"\n{self.step_number}. {text}", flush=True)

    def run(self, command):
        output = self.server.run(command)
        self.show(command, output)
        return output

    def boot(self, scratch):
        self.step("A server starts.")
        self.say("""The firmware of an emulated AMD machine with 2 CPUs starts
            underseal.efi, which takes the machine and then starts an
            unmodified Debian kernel as its guest. This takes a while.""")
        esp = files.underseal_esp(os.path.join(scratch, "esp.img"),
                                  self.kernel)
        self.server = Server(esp, self.kernel, log=LOG,
                             settings=machine.Settings())
        facts = self.server.wait_ready()
        status = self.server.tool_ok("status")
        self.say(f"""Linux {facts['release']} runs on {status['vcpus']} CPUs,
            under Underseal.""")

    def seal(self):
        self.step("The kernel is sealed.")
        self.say("""The control domain, which the kernel cannot see, finds the
            kernel in memory, compares its code with the signed description
            of this exact build, and write-protects it.""")
        report = self.server.tool_ok("seal /data/baseline.ubase")
        self.say(f"""{report['bytes_exact']} bytes of code were compared one
            by one; {report['bytes_enumerated']} lie in places that the kernel
            patches by itself, and hold a value that is listed there. The code is now read-only, whatever the
            kernel's own page tables say.""")

    def apply(self):
        self.step("The old behaviour of a kernel function.")
        before = self.run("cat /proc/version")
        self.step("A signed patch is applied while the server runs.")
        receipt = self.server.tool_ok("apply /data/version.upatch")
        after = self.run("cat /proc/version")
        expect("Patched by Underseal" in after and
               "Patched by Underseal" not in before, "the patch had no effect")
        self.say(f"""The same file now has one more line: the kernel runs the
            new function. All CPUs were held for
            {receipt['stop_ns'] / 1000:.0f} microseconds.""")
        return receipt

    def refuse(self):
        self.step("Wrong patches are refused.")
        text = self.server.text_bytes()
        for path, wanted, what in (
                ("/data/bad/SIG_INVALID-bit-in-payload.upatch", "SIG_INVALID",
                 "The same patch with one bit changed"),
                ("/data/bad/SIG_KEY_UNKNOWN-stranger.upatch",
                 "SIG_KEY_UNKNOWN",
                 "The same patch, signed with a key that nobody trusts"),
                ("/data/bad/WRONG_BUILD_ID-other-kernel.upatch",
                 "WRONG_BUILD_ID",
                 "A well-signed patch for another kernel")):
            error, answer = self.server.tool(f"apply {path}")
            expect_equal(error, wanted, path)
            message = answer["error"]["message"]
            self.say(f"{what}: refused. \"{message}\"")
        expect(self.server.text_bytes() == text, "the kernel's code changed")
        self.say("Not one byte of the kernel's code has changed meanwhile.")

    def attack(self):
        self.step("The kernel itself is not trusted either.")
        self.say("""A hostile kernel module maps the page that holds the
            function a second time, writable, and stores into it.""")
        address = self.server.symbol("version_proc_show") + 20
        fields = self.server.attack_fields("text_alias", address)
        expect_equal(fields["changed"], 0, "bytes changed")
        self.say("""The store faulted and the code is what it was. The
            attempt is in Underseal's log:""")
        log = self.server.run("underseal-guest log").splitlines()
        lines = [line for line in log if "refused" in line.lower()]
        self.show("underseal-guest log | grep refused | tail -n 1",
                  "\n".join(lines[-1:]))
        expect(lines, "no refusal in the log")

    def revert(self):
        self.step("The patch is taken back, which needs a signature too.")
        receipt = self.server.tool_ok("revert /data/version.revert")
        after = self.run("cat /proc/version")
        expect("Patched by Underseal" not in after, "still patched")
        return receipt

    def summary(self, applied, reverted):
        status = self.server.tool_ok("status")
        print("\nSummary")
        for text in (
                f"kernel          {self.kernel.release}, unmodified",
                f"patch           {applied['functions']} function replaced, "
                f"{applied['bytes_written']} bytes of code written",
                f"stop to apply   {applied['stop_ns'] / 1000:.0f} us "
                f"(whole request {applied['total_ns'] / 1e6:.0f} ms)",
                f"stop to revert  {reverted['stop_ns'] / 1000:.0f} us",
                f"memory kept     {status['hidden_bytes'] / 2**20:.1f} MiB",
                f"writes refused  {status['writes_refused']}",
                f"demonstration   {time.monotonic() - self.start:.0f} s, "
                "emulated"):
            print("   " + text)

    def play(self):
        with tempfile.TemporaryDirectory(prefix="underseal-") as scratch:
            try:
                self.boot(scratch)
                self.seal()
                applied = self.apply()
                self.refuse()
                self.attack()
                reverted = self.revert()
                self.summary(applied, reverted)
            finally:
                if self.server:
                    self.server.close()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    try:
        Demo(files.Kernel(sys.argv[1])).play()
    except (AssertionError, machine.MachineError,
            machine.CommandFailed) as error:
        print(f"\nThis did not go as it should: {error}\n"
              f"The console is in {LOG}.", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
