#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run on a disk that fills up, and has room again.

usage: disk_full.py RETORT [TEST...]

The run's folder lies on a tmpfs of its own, in a private mount namespace, whose
size is changed while the run is at work. Exit code 77 where that is not allowed.
"""
import errno
import os
import subprocess
import sys

from rig import Rig, Server, main, problems, wait_until

SKIPPED = 77
MIB = 1 << 20
# The store pauses when less than this is left (store/server.c).
DISK_LOW = 64 * MIB
PROMPTS, N, WORKERS, IN_FLIGHT = 500, 2, 2, 16


class Disk:
    """A folder, the run's if not told otherwise, on a file system of a size that can
    be changed."""

    def __init__(self, r, size, folder="job.run"):
        self.path = r.path(folder)
        os.makedirs(self.path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700,size=%d" % size, "tmpfs",
                        self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        subprocess.run(["umount", "--lazy", self.path], check=True)

    def used(self):
        fs = os.statvfs(self.path)
        return (fs.f_blocks - fs.f_bfree) * fs.f_frsize

    def free(self):
        fs = os.statvfs(self.path)
        return fs.f_bavail * fs.f_frsize

    def resize(self, size):
        """To `size` bytes, which may be less than a run at work has just taken."""
        done = subprocess.run(["mount", "-o", "remount,size=%d" % size, self.path],
                              capture_output=True, text=True)
        return done.returncode == 0

    def leave(self, room):
        """Leaves about so many bytes free, while others write."""
        wait_until(lambda: self.resize(self.used() + room))

    def fill(self):
        """Takes what is left, to the last byte; the file to remove."""
        path = os.path.join(self.path, "ballast")
        with open(path, "wb", buffering=0) as f:
            for size in (65536, 4096):
                try:
                    while f.write(bytes(size)) == size:
                        pass
                except OSError as e:
                    assert e.errno == errno.ENOSPC, e
        assert self.free() == 0, self.free()
        return path


def job(r, t, **logits):
    r.corpus(problems(PROMPTS))
    r.job(t.port, teacher={"max_in_flight": IN_FLIGHT}, logits={"top_logprobs": 20, **logits})


def committed(r):
    return (r.try_progress() or {}).get("samples_committed", 0)


def events(r):
    return [x["kind"] for x in r.query("select kind from event order by event")
            if x["kind"].startswith("disk")]


def says_full(text):
    return "No space left" in text or "disk is full" in text


def asked(r, t):
    return sum(x["path"].endswith("completions") for x in r.teacher_ledger(t))


def wait_for_quiet(r, t):
    """Until nothing is in flight and two rows of the ledger agree that nothing comes."""
    seen = {}

    def quiet():
        p = r.progress()
        now = (p["samples_committed"], asked(r, t), p["requests_in_flight"])
        if now != seen.get("state") or now[2]:
            seen.update(state=now, at=p["updated_at"], rows=0)
        elif p["updated_at"] != seen["at"]:
            seen.update(at=p["updated_at"], rows=seen["rows"] + 1)
        return seen["rows"] >= 2
    wait_until(quiet)
    return seen["state"][:2]


def it_fills_and_the_run_waits(retort):
    with Server(retort, "--latency-ms", "120") as t, Rig(retort) as r, \
            Disk(r, 512 * MIB) as disk:
        job(r, t)
        child = r.start(workers=WORKERS)
        wait_until(lambda: committed(r) > 100)
        disk.leave(DISK_LOW + MIB // 4)
        wait_until(lambda: events(r) == ["disk_low"])
        full_at = committed(r)
        stored, questions = wait_for_quiet(r, t)
        assert 100 < stored < PROMPTS * N, stored
        # What was leased when it became full was asked, and is kept by the workers.
        print("  paused at %d samples; %d stored, %d asked" % (full_at, stored, questions))
        assert stored <= questions <= stored + WORKERS * 64 * N, (stored, questions)
        # The disk is read, meanwhile, as ever; and nothing more is written or asked.
        r.verify()
        assert len(r.export()) == stored
        status = r.command("status", r.run_dir).stdout
        assert "running" in status, status
        assert (committed(r), asked(r, t)) == (stored, questions)
        assert disk.free() > DISK_LOW - 8 * MIB, disk.free()
        assert disk.resize(512 * MIB)
        out, _ = child.communicate(timeout=200)
        assert child.returncode == 0, out
        assert "paused: the disk is nearly full" in out and "goes on" in out, out
        assert events(r) == ["disk_low", "disk_ok"], events(r)
        rows = r.check_whole(PROMPTS, N)
        r.check_against_teacher(rows, t)
        # By itself: no process had to die for it, and nothing was paid for twice.
        workers = r.query("select state from workers")
        assert [w["state"] for w in workers] == ["left"] * WORKERS, workers
        with open(os.path.join(r.run_dir, "log", "store.log"), errors="replace") as f:
            assert f.read().count('msg="serving"') == 1
        assert asked(r, t) == PROMPTS * N
        r.check_sanitizers()


def the_dataset_cannot_be_written(retort):
    """Faster than the store looks: a commit fails, and nobody is told that it did not."""
    with Server(retort, "--latency-ms", "50", "--length", "2") as t, Rig(retort) as r, \
            Disk(r, 512 * MIB, "job.run/dataset") as disk:
        # Much to a commit, and from the beginning: a file that has free pages inside is
        # written for a while without growing, and then the store may look before it fails.
        job(r, t, profile="exact")
        child = r.start(workers=WORKERS)
        stored = deaths = n = 0
        while n < 3 or (deaths == 0 and n < 12):
            n += 1
            wait_until(lambda: committed(r) > stored)
            disk.leave(0)
            wait_until(lambda: events(r) == ["disk_low", "disk_ok"] * (n - 1) + ["disk_low"])
            wait_for_quiet(r, t)
            # What was acknowledged is there, and whole; the rest is not half there.
            r.verify()
            stored = committed(r)
            assert len(r.export()) == stored
            assert disk.resize(512 * MIB)
            wait_until(lambda: events(r) == ["disk_low", "disk_ok"] * n)
            with open(os.path.join(r.run_dir, "log", "store.log"), errors="replace") as f:
                text = f.read()
            deaths = text.count('msg="serving"') - 1
        out, _ = child.communicate(timeout=200)
        assert child.returncode == 0, out
        rows = r.check_whole(PROMPTS, N)
        r.check_against_teacher(rows, t)
        assert 0 < deaths <= n and "cannot commit" in text, (deaths, text[-3000:])
        # The workers kept their answers, and sent them again.
        assert asked(r, t) == PROMPTS * N, asked(r, t)
        r.check_sanitizers()
        print("  %d commits failed; 0 samples lost, 0 asked twice" % deaths)


def the_ledger_cannot_be_written(retort):
    """The whole run's disk is full from one moment to the next: it ends, and says why."""
    with Server(retort, "--latency-ms", "120") as t, Rig(retort) as r, \
            Disk(r, 512 * MIB) as disk:
        job(r, t)
        child = r.start(workers=WORKERS)
        stored, out = 0, None
        while out is None:
            wait_until(lambda: committed(r) > stored + 20 or child.poll() is not None)
            if child.poll() is None:
                disk.leave(0)
            try:
                out, _ = child.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                # The ledger's files had room inside, and the store has paused: once more.
                assert committed(r) < PROMPTS * N and events(r)[-1] == "disk_low", events(r)
                stored = committed(r)
                assert disk.resize(512 * MIB)
        assert child.returncode == 1 and says_full(out), (child.returncode, out)
        r.verify()
        stored, questions = committed(r), asked(r, t)
        assert 20 < stored < PROMPTS * N, stored
        # Run again without more room: it says so again, and does no harm.
        ballast = disk.fill()
        out = r.command("run", r.job_path).stderr
        assert says_full(out), out
        assert asked(r, t) == questions
        r.verify()
        os.unlink(ballast)
        assert disk.resize(512 * MIB)
        r.run(workers=WORKERS)
        rows = r.check_whole(PROMPTS, N)
        r.check_against_teacher(rows, t)
        twice = asked(r, t) - PROMPTS * N
        print("  full at %d samples; %d asked until then, %d twice" % (
            stored, questions, twice))
        # What its workers still had is lost with them: what they had leased, at most.
        assert 0 <= twice <= WORKERS * 64 * N, twice


def it_is_too_small_to_begin(retort):
    with Server(retort) as t, Rig(retort) as r, Disk(r, 16 * MIB) as disk:
        r.corpus(problems(20))
        r.job(t.port)
        child = r.start(workers=1)
        wait_until(lambda: os.path.exists(r.run_dir + "/ledger.sqlite") and r.try_progress()
                   and events(r) == ["disk_low"])
        # A worker is there, and would ask if it were given something.
        wait_until(lambda: r.query("select * from event where kind = 'worker_joined'"))
        stored, questions = wait_for_quiet(r, t)
        assert (stored, questions) == (0, 0)
        assert child.poll() is None
        assert disk.resize(256 * MIB)
        out, _ = child.communicate(timeout=100)
        assert child.returncode == 0, out
        r.check_whole(20, 2)
        assert asked(r, t) == 40
        r.check_sanitizers()


def an_export_finds_no_room(retort):
    """It says so, leaves nothing behind, and what it was to replace as it was."""
    with Server(retort) as t, Rig(retort) as r, Disk(r, MIB, "out") as disk:
        r.corpus(problems(100))
        r.job(t.port, logits={"top_logprobs": 20})
        r.run()
        for form, args in (("jsonl", ["--logits"]), ("lmdb", [])):
            out = r.path("out/" + form)
            command = ["export", r.run_dir, "--format", form, "-o", out, *args]
            done = r.command(*command)
            assert done.returncode == 1 and says_full(done.stderr), done
            assert not os.listdir(disk.path), os.listdir(disk.path)
            assert disk.resize(64 * MIB)
            assert r.command(*command, "--where", "prompt_no < 5").returncode == 0
            before = os.stat(out).st_ino
            disk.leave(65536)
            done = r.command(*command, "--force")
            assert done.returncode == 1 and says_full(done.stderr), done
            assert os.stat(out).st_ino == before
            assert not [x for x in os.listdir(disk.path) if x.endswith(".tmp")]
            assert disk.resize(64 * MIB)
            assert r.command(*command, "--force").returncode == 0
            subprocess.run(["rm", "-r", out], check=True)
            for name in os.listdir(disk.path):
                os.unlink(os.path.join(disk.path, name))
            assert disk.resize(MIB)
        r.check_whole(100, 2)


def enter_namespace():
    """Runs this script again where it may mount."""
    for how in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        tried = subprocess.run(
            [*how, "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt && "
             "mount -o remount,size=2m /mnt"], capture_output=True, text=True)
        if tried.returncode == 0:
            os.environ["RETORT_IN_NAMESPACE"] = "1"
            os.execvp(how[0], [*how, sys.executable, *sys.argv])
    print("SKIPPED: a file system that fills up needs a mount namespace: %s" % tried.stderr)
    sys.exit(SKIPPED)


if __name__ == "__main__":
    if os.environ.get("RETORT_IN_NAMESPACE") != "1":
        enter_namespace()
    main(it_fills_and_the_run_waits, the_dataset_cannot_be_written,
         the_ledger_cannot_be_written, it_is_too_small_to_begin, an_export_finds_no_room)
