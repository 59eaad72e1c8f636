#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The structure that ARCHITECTURE.md promises, checked on the source.

    layers.py SOURCE-FOLDER
"""
import glob
import os
import re
import shutil
import subprocess
import sys

TOP = {"common", "store", "coordinator", "worker", "deploy", "tests"}
FILES = {"CMakeLists.txt", "CMakePresets.json", "README.md", "ARCHITECTURE.md",
         "CONTRIBUTING.md", "LICENSE"}

# Who may include whom. A folder may always include itself.
MAY = {
    "common": set(),
    "store": {"common"},
    "coordinator": {"common"},
    "worker": {"common", "store"},
    "deploy": {"common", "store", "coordinator", "worker", "deploy/teacher"},
    "deploy/teacher": {"common", "deploy"},
}
# Of another folder only these headers are known outside.
DOORS = {
    ("worker", "store"): {"jmember.h", "record.h", "logits.h", "sections.h", "offer.h", "pack.h"},
    ("deploy", "store"): {"accept.h", "commands.h", "cut_off.h", "reader.h"},
    ("deploy", "deploy/teacher"): set(),
    ("deploy/teacher", "deploy"): set(),
}
# The list of a folder's commands is for all.
COMMANDS = "commands.h"

# A library of act-files is known to one file, or to two.
LIBRARIES = {
    "zmq.h": {"common/link.c"},
    "curl/curl.h": {"worker/http.c", "worker/transfers.h"},
    "sqlite3.h": {"coordinator/db.c"},
    "lmdb.h": {"store/env.c"},
    "microhttpd.h": {"deploy/teacher/exchange.h"},
    "oniguruma.h": {"common/pattern.c"},
    "utf8proc.h": {"common/uchar.c"},
    "zdict.h": {"store/dictionary.c"},
}

# Files that decide: no clock, no file, no socket, no thread, no log.
DECIDE = {
    "common": "bpe.c buf.c jinja*.c text_encoder.c text_encoder_added.c text_encoder_steps.c jnumber.c jplace.c jscan.c jtext.c pattern.c reason.c "
              "text.c token_map.c uchar.c wire.c wire_fields.c",
    "store": "accept.c dedup.c elsewhere.c filter*.c logits_*.c offer.c "
             "pack.c record.c sections.c seal.c shard_state.c",
    "coordinator": "budget.c corpus_line.c credit.c lease.c prompt.c",
    "worker": "byte_list.c *_shape.c encode.c final_*.c openai_*.c rate.c raw_*.c retry.c "
              "rows*.c score*.c "
              "spans.c think.c tokens.c",
}
ACTS = re.compile(
    r"<(zmq|sqlite3|lmdb|microhttpd|pthread|poll|sys/socket|fcntl|dirent|signal|time|"
    r"sys/stat|sys/mman|unistd)\.h>|<curl/|"
    r'"common/(clock|link|file|log|rundir|signals)\.h"')

LONGEST = 600  # lines; tables that are data may be longer
TABLES = {"deploy/teacher/vocabulary.c", "deploy/teacher/phrases.c"}

errors = []


def wrong(place, what):
    errors.append("%s: %s" % (place, what))


def sources(root, folder):
    path = os.path.join(root, folder)
    return [folder + "/" + n for n in sorted(os.listdir(path)) if n.endswith((".c", ".h"))]


def includes(text):
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|(<[^>]+>))', line)
        if found:
            yield number, found.group(1), found.group(2)


def folder_of(header):
    return os.path.dirname(header)


def check_includes(folder, name, text):
    for number, ours, system in includes(text):
        place = "%s:%d" % (name, number)
        if system:
            allowed = LIBRARIES.get(system[1:-1])
            if allowed is not None and name not in allowed:
                wrong(place, "%s belongs to %s" % (system, ", ".join(sorted(allowed))))
            continue
        other = folder_of(ours)
        if other == folder:
            continue
        if other not in MAY[folder]:
            wrong(place, "%s may not include %s" % (folder, ours))
        base = os.path.basename(ours)
        doors = DOORS.get((folder, other))
        if doors is not None and base not in doors and base != COMMANDS:
            wrong(place, "%s is not for %s" % (ours, folder))


def check_decides(root, folder):
    names = []
    for pattern in DECIDE.get(folder, "").split():
        found = glob.glob(os.path.join(root, folder, pattern))
        if not found:
            wrong(folder + "/" + pattern, "is not there")
        names += [os.path.basename(path) for path in found]
    for name in sorted(names):
        path = folder + "/" + name
        with open(os.path.join(root, path), encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                if line.startswith("#include") and ACTS.search(line):
                    wrong("%s:%d" % (path, number), "a file that decides acts: " + line.strip())


def check_listed(root, folder, names):
    """Each source and header is in its folder's CMakeLists.txt, by hand."""
    with open(os.path.join(root, folder, "CMakeLists.txt"), encoding="utf-8") as f:
        listed = set(re.findall(r"[\w/]+\.[ch]\b", f.read()))
    for name in names:
        if os.path.basename(name) not in listed:
            wrong(name, "is not in %s/CMakeLists.txt" % folder)


def check_guard(name, text):
    if not re.search(r"^#ifndef (RETORT(?:_\w+)?_H)\n#define \1$", text, re.M):
        wrong(name, "has no include guard")


def check_folder(root, folder):
    names = sources(root, folder)
    check_listed(root, folder, names)
    check_decides(root, folder)
    for name in names:
        with open(os.path.join(root, name), encoding="utf-8") as f:
            text = f.read()
        check_includes(folder, name, text)
        if name.endswith(".h"):
            check_guard(name, text)
        lines = text.count("\n")
        if lines > LONGEST and name not in TABLES:
            wrong(name, "has %d lines; split what passes %d" % (lines, LONGEST))


def check_top(root):
    if not shutil.which("git"):
        return
    tracked = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True,
                             text=True)
    if tracked.returncode != 0:
        return  # not a clone
    for name in tracked.stdout.splitlines():
        top = name.split("/")[0]
        if not (top.startswith(".") or (top in TOP if "/" in name else top in FILES)):
            wrong(name, "is not in the list of what may stand at the top")
        if name.endswith((".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt")):
            path = os.path.join(root, name)
            if not os.path.exists(path):
                continue
            with open(path, encoding="utf-8") as f:
                if "SPDX-License-Identifier: Apache-2.0" not in f.read(400):
                    wrong(name, "has no SPDX line")


def main():
    root = sys.argv[1]
    for folder in MAY:
        check_folder(root, folder)
    check_top(root)
    for line in errors:
        print(line)
    print("%d folders, %d errors" % (len(MAY), len(errors)))
    return 1 if errors else 0


sys.exit(main())
