#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A coordinator that is killed at each of its first writes.

usage: killed_starts.py RETORT [TEST...]

strace kills it when it makes its n-th call of a kind, for each n until it serves.
Whenever it dies, a reader finds no ledger, an empty one, or one row of progress; and
the run, started again, becomes whole. Exit code 77 where nothing can be traced.
"""
import itertools
import os
import shutil
import signal
import subprocess
import sys

from monitoring import PROGRESS, shell
from rig import ENV, Rig, Server, can_trace, main, problems

CALLS = ("fdatasync", "fsync", "rename", "ftruncate", "unlink")
# LeakSanitizer cannot work under a tracer.
TRACED = dict(ENV, ASAN_OPTIONS="exitcode=99:detect_leaks=0")


def killed_at(r, call, n):
    """Starts a coordinator that dies at its n-th such call; False if it serves first."""
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=" + call, "-e",
               "inject=%s:signal=KILL:when=%d" % (call, n), r.retort, "coordinator", r.job_path,
               "--dir", r.run_dir, "--listen", "ipc://" + r.path("socket")]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=TRACED,
                             start_new_session=True)
    try:
        said = ""
        for line in child.stderr:
            said += line
            if "msg=\"serving\"" in line or "msg=serving" in line:
                return False
        child.wait()
        assert child.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), said
        return True
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def assert_readable(r):
    if not os.path.exists(os.path.join(r.run_dir, "ledger.sqlite")):
        return
    rows, complaint = shell(r, PROGRESS)
    if rows is None:
        # Before its first commit it may also be one that only a writer can repair.
        assert any(x in complaint for x in (
            "no such table", "unable to open", "readonly database")), complaint
    else:
        assert len(rows) == 1, rows


def a_run_begins_whatever_was_cut(retort):
    kills = 0
    with Server(retort) as t, Rig(retort) as r:
        r.corpus(problems(4))
        r.job(t.port)
        for call in CALLS:
            for n in itertools.count(1):
                shutil.rmtree(r.run_dir, ignore_errors=True)
                if not killed_at(r, call, n):
                    break
                kills += 1
                assert_readable(r)
                r.run()
                r.check_whole(4, 2)
        assert kills >= 5, kills
    print("  killed at %d calls" % kills)


if __name__ == "__main__":
    if not can_trace():
        print("SKIPPED: this needs strace, and the right to trace")
        sys.exit(77)
    main(a_run_begins_whatever_was_cut)
