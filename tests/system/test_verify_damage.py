#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A bit flipped anywhere in data.mdb is found by `retort verify`, or is harmless:
then the export is the same to the byte. And verify always ends by itself. Of a file that
was cut off every command says so, or it was only free pages that are missing.

    test_verify_damage.py RETORT MAKE_DATASET [FLIPS [SEED]]
"""
import os
import random
import shutil
import subprocess
import sys
import tempfile


def export(retort, run, out):
    return subprocess.run([retort, "export", run, "--format", "jsonl", "-o", out, "--logits",
                           "--force"], stderr=subprocess.DEVNULL, timeout=60).returncode


def read(path):
    with open(path, "rb") as file:
        return file.read()


def place(run, data):
    """Makes the run's dataset of these bytes, which nobody has open."""
    with open(os.path.join(run, "dataset", "data.mdb"), "wb") as file:
        file.write(data)
    lock = os.path.join(run, "dataset", "lock.mdb")
    if os.path.exists(lock):
        os.remove(lock)


def cut_off(retort, hurt, whole, out, want):
    """The file's first part, at the ends of pages and within one."""
    said = 0
    for cut in [len(whole) * i // 16 for i in range(1, 16)] + [len(whole) - 4096]:
        place(hurt, whole[:cut])
        for command in (["export", hurt, "--format", "jsonl", "--logits", "-o", out, "--force"],
                        ["show", hurt, "0"],
                        ["verify", hurt]):
            done = subprocess.run([retort] + command, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
            assert done.returncode in (0, 1), (cut, command, done)
            said += "/data.mdb' was cut off" in done.stderr
            if command[0] == "export" and done.returncode == 0:
                assert read(out) == want, "cut at %d: another export" % cut
            elif command[0] != "verify" and done.returncode == 1:
                assert "data.mdb" in done.stderr or hurt in done.stderr, (cut, done)
    print("16 cuts, of which commands said so %d times" % said)
    assert said > 8, said


def main(retort, make_dataset, flips="100", seed="1"):
    chance = random.Random(int(seed))
    with tempfile.TemporaryDirectory() as folder:
        run, hurt = os.path.join(folder, "run"), os.path.join(folder, "hurt")
        first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
        subprocess.run([make_dataset, run, "40", "3"], check=True)
        assert export(retort, run, first) == 0
        whole = read(os.path.join(run, "dataset", "data.mdb"))
        want = read(first)
        os.makedirs(os.path.join(hurt, "dataset"))
        found = harmless = crashed = 0
        for _ in range(int(flips)):
            bit = chance.randrange(8 * len(whole))
            bytes_ = bytearray(whole)
            bytes_[bit // 8] ^= 1 << bit % 8
            place(hurt, bytes_)
            done = subprocess.run([retort, "verify", hurt], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=60)
            assert done.returncode in (0, 1), "bit %d: exit %d" % (bit, done.returncode)
            if done.returncode == 1:
                found += 1
                crashed += b"damaged (" in done.stdout
                continue
            harmless += 1
            assert export(retort, hurt, second) == 0, "bit %d: no export" % bit
            assert read(second) == want, "bit %d: another export, and verify is content" % bit
        cut_off(retort, hurt, whole, second, want)
        shutil.rmtree(hurt)
    print("%d flips: %d found (%d of them crashed the walk), %d harmless" % (
        found + harmless, found, crashed, harmless))
    assert found > 0.2 * int(flips), "the file holds more than free pages"


if __name__ == "__main__":
    main(*sys.argv[1:])
