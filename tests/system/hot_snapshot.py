#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Snapshots taken while the dataset is written: each one verifies, and holds
exactly the samples that were live at its sequence number. A snapshot that is
killed while it is made leaves nothing under its name. Once one was made, all can be.

    hot_snapshot.py RETORT MAKE_DATASET [PROMPTS]
"""
import json
import os
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import format_reader  # noqa: E402


def export(retort, run, out):
    return subprocess.Popen([retort, "export", run, "--format", "lmdb", "-o", out],
                            stderr=subprocess.DEVNULL)


def samples_of(path):
    dataset = format_reader.Dataset(path)
    keys = {(e.key, e.sequence) for e in dataset.entries()}
    dataset.close()
    return keys


def live_at(entries, sequence):
    live = {}
    for key, at in sorted(entries):
        if at <= sequence:
            live[(key.prompt, key.sample)] = (key, at)
    return set(live.values())


def main(retort, make_dataset, prompts="500"):
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        data = os.path.join(run, "dataset", "data.mdb")
        writer = subprocess.Popen([make_dataset, run, prompts, "5"])
        taken, killed = [], 0
        while writer.poll() is None:
            if not os.path.exists(data):
                continue
            out = os.path.join(folder, "snapshot%d" % len(taken))
            making = export(retort, run, out)
            if len(taken) % 3 == 2:  # at no particular moment
                making.send_signal(signal.SIGKILL)
                making.wait()
                killed += 1
                if os.path.exists(out):
                    taken.append(out)
                    continue
                making = export(retort, run, out)
            if making.wait() == 0:
                taken.append(out)
            else:
                # In the first moments, however long they are, there is no dataset to open.
                assert not taken, "an export failed after others had been made"
        assert writer.returncode == 0
        entries = samples_of(os.path.join(run, "dataset"))
        sequences = set()
        for path in taken:
            done = subprocess.run([retort, "verify", path, "--json"], stdout=subprocess.PIPE)
            assert done.returncode == 0, done.stdout.decode()
            with open(os.path.join(path, "manifest.json"), encoding="utf-8") as file:
                manifest = json.load(file)
            want = live_at(entries, manifest["sequence"])
            assert samples_of(path) == want, "%s is no point in time" % path
            assert manifest["counts"]["samples"] == len(want)
            sequences.add(manifest["sequence"])
        assert subprocess.run([retort, "verify", run], stdout=subprocess.DEVNULL).returncode == 0
        assert len(sequences) > 3, "the dataset was made too fast"
        print("%d snapshots at %d points in time, %d kills" % (len(taken), len(sequences),
                                                             killed))


if __name__ == "__main__":
    main(*sys.argv[1:])
