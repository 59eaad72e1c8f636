#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every source without a warning under a second compiler, nothing written.

    other_compiler.py BUILD-FOLDER COMPILER
"""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

build, compiler = sys.argv[1:3]


def command(entry):
    words = shlex.split(entry["command"])[1:]
    keep = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-c"):
            skip = word == "-o"
        elif word.startswith(("-fsanitize", "-fno-sanitize", "-ffile-prefix-map")):
            pass
        elif word != "-Wno-format-truncation":  # the first compiler's own
            keep.append(word)
    return [compiler, "-fsyntax-only", "-Werror", *keep]


def check(entry):
    done = subprocess.run(command(entry), cwd=entry["directory"], capture_output=True,
                          text=True)
    return done.returncode, done.stderr


with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
    entries = {(e["file"], e["command"].count("RETORT_WITHOUT")): e for e in json.load(f)}
failed = 0
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for code, text in pool.map(check, entries.values()):
        if code != 0:
            failed += 1
            print(text)
print("%d files, %d with warnings" % (len(entries), failed))
sys.exit(1 if failed or not entries else 0)
