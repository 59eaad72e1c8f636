#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The documents against what is there.

usage: documents.py RETORT SOURCE-FOLDER

The manual names every command, option and job key; no document names a file or a
function that is not there; the README is short.
"""
import os
import re
import subprocess
import sys

PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "common/PROTOCOL.md",
         "store/FORMAT.md", "deploy/teacher/SERVER.md", "deploy/teacher/MODEL.md"]
FOLDERS = "common coordinator store worker deploy deploy/teacher tests".split()
# Explained in a page of their own.
ELSEWHERE = {"teacher"}


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def help_of(retort, *command):
    return subprocess.run([retort, *command, "--help"], check=True, capture_output=True,
                          text=True).stdout


def manual(retort, source):
    page = os.path.join(source, "deploy", "retort.1")
    done = subprocess.run(["man", "--warnings", "-l", "-Tutf8", page], capture_output=True,
                          text=True, env=dict(os.environ, LC_ALL="C.UTF-8", MANPAGER="cat"))
    assert done.returncode == 0 and not done.stderr, done.stderr
    plain = re.sub(r"\\f.", "", read(page)).replace("\\-", "-")
    commands = re.findall(r"^  (\w+) ", help_of(retort), re.M)
    assert len(commands) >= 10, commands
    for command in commands:
        part = re.search(r"^\.SS retort %s\b.*?(?=^\.S[SH])" % command, plain, re.M | re.S)
        assert part, "the manual lacks 'retort %s'" % command
        if command not in ELSEWHERE:
            for option in re.findall(r"--[a-z][a-z-]+", help_of(retort, command)):
                assert re.search(re.escape(option) + r"(?![a-z-])", part[0]), (
                    "the manual lacks 'retort %s %s'" % (command, option))
    job = plain[plain.index("THE JOB FILE"):plain.index(".SH FILTERS")]
    keys = re.findall(r'(?:TEXT|INTEGER|REAL|BOOL|OBJECT|SPECIAL)\("(\w+)"|\.name = "(\w+)"',
                      read(source, "common", "job_keys.c"))
    assert len(keys) > 40, keys
    for key in {a or b for a, b in keys}:
        assert re.search(r"\b%s\b" % key, job), "the manual lacks the job key '%s'" % key


def names(source):
    """Files and functions that the pages name between backticks."""
    code = {}
    for folder in FOLDERS:
        for where, inner, files in os.walk(os.path.join(source, folder)):
            inner[:] = [name for name in inner if not name.startswith(".")]
            for name in files:
                if name.endswith((".c", ".h", ".py", ".cmake", ".sh")):
                    code[os.path.relpath(os.path.join(where, name), source)] = read(where, name)
    text = "\n".join(code.values())
    for page in PAGES:
        for word in re.findall(r"`([^`\n]+)`", read(source, page)):
            word = word.split()[0].rstrip("/")
            if re.fullmatch(r"[\w./-]+\.(c|h|py|sh|md|cmake|1)", word):
                known = [os.path.join(source, base, word) for base in ["", *FOLDERS]]
                assert any(map(os.path.exists, known)), "%s: no file %s" % (page, word)
            elif page == "ARCHITECTURE.md" and re.fullmatch(r"[a-z]+(_[a-z]+)+", word):
                # A function, a column, a key, a flag: all are written somewhere.
                assert re.search(r"\b%s\b" % word, text), "%s: no %s" % (page, word)
        for target in re.findall(r"\]\(([^)]+)\)", read(source, page)):
            if "://" not in target:
                assert os.path.exists(os.path.join(source, os.path.dirname(page), target)), target


def main():
    retort, source = sys.argv[1:3]
    manual(retort, source)
    names(source)
    assert read(source, "README.md").count("\n") < 150
    print("%d pages and the manual: ok" % len(PAGES))


if __name__ == "__main__":
    main()
