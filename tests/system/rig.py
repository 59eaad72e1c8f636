# SPDX-License-Identifier: Apache-2.0
"""What the system tests share: jobs, runs, ledgers, exports, oracles.

Everything is real: processes, sockets, files, signals. A test is a Python
script that takes the program as its argument, makes a folder of its own,
raises AssertionError when something is wrong, and ends only processes that it
started, by their id.
"""
import collections
import contextlib
import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")
sys.path[:0] = [HERE, os.path.dirname(HERE)]

from teacher_server import Server, wait_until  # noqa: E402,F401

# A sanitizer's report must not look like one of the program's exit codes.
ENV = dict(os.environ, ASAN_OPTIONS="exitcode=99:detect_leaks=1",
           UBSAN_OPTIONS="halt_on_error=1:exitcode=99:print_stacktrace=1",
           TSAN_OPTIONS="exitcode=99:halt_on_error=1:suppressions='%s'"
           % os.path.join(ROOT, "tests", "tsan.supp"))


def problems(count, seed=1):
    """Lines of the demo's corpus."""
    done = subprocess.run([sys.executable, os.path.join(ROOT, "deploy", "make_problems.py"),
                           "--count", str(count), "--seed", str(seed), "-o", "-"],
                          check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Restartable(Server):
    """A teacher that can be killed and started again at the same address.

    While it is away its port is bound, so that no server of another test gets it (the
    kernel deals them out at random), and nobody listens there.
    """
    away = None

    def __init__(self, retort, *options):
        super().__init__(retort, *options)
        self.command = [retort, "teacher", "--port", str(self.port), "--ledger", self.ledger,
                        *options]

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.child.stderr.close()
        self.away = socket.socket()
        self.away.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.away.bind(("127.0.0.1", self.port))

    def restart(self):
        self.child = subprocess.Popen(self.command, stderr=subprocess.PIPE)

        def listens():
            assert self.child.poll() is None, self.child.stderr.read().decode()
            try:
                return self.ask("/health")[0] == 200
            except ConnectionError:
                return False
        wait_until(listens)
        self.away.close()


def prompt_digest(*messages):
    """As the teacher's ledger has it: of roles and contents (MODEL.md, section 3)."""
    parts = [part.encode() for message in messages for part in message]
    return hashlib.blake2b(b"".join(struct.pack("<I", len(p)) + p for p in parts),
                           digest_size=16).hexdigest()


# What endpoints are asked at the start of a run (worker/questions.c).
QUESTION_TEXT = "Name any animal, plant or place."
QUESTION = prompt_digest(("user", QUESTION_TEXT))


class OwnTeacher:
    """A teacher of a test's own, for what the built-in one would not do.

    `answer(request, handler)` gets the request's JSON and returns (status, body,
    headers), or None if it has answered, or not, by itself. The model list is there.
    Jobs at its port ask no questions at their start, unless they say so.
    """
    ports = set()

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.reply(200, {"object": "list", "data": [
                    {"id": "teacher", "object": "model", "owned_by": "test"}]}, {})

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                got = answer(json.loads(self.rfile.read(length)), self)
                if got:
                    self.reply(*got)
                else:
                    self.close_connection = True

            def reply(self, status, body, headers):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

            def handle(self):
                try:
                    super().handle()
                except OSError:
                    pass  # the other side was killed

        class Listening(http.server.ThreadingHTTPServer):
            daemon_threads = True
            # Whoever finds no room in this queue connects a second later.
            request_queue_size = 128

        self.server = Listening(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.ports.add(self.port)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.server.shutdown()
        self.server.server_close()


def chat_answer(content, **changes):
    """A good answer, as the plainest of servers gives it."""
    answer = {"id": "x", "object": "chat.completion", "created": 1, "model": "teacher",
              "choices": [{"index": 0, "finish_reason": "stop", "message": {
                  "role": "assistant", "content": content}}],
              "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}
    answer.update(changes)
    return answer


class Rig:
    """A folder with a corpus, a job and its run."""

    def __init__(self, retort, name="job"):
        self.retort = os.path.abspath(retort)
        self.dir = tempfile.mkdtemp(prefix="retort-test.")
        self.name = name
        self.run_dir = os.path.join(self.dir, name + ".run")
        self.job_path = os.path.join(self.dir, "job.json")
        self.children = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        if kind is None or os.environ.get("RETORT_KEEP") != "1":
            if kind is not None:
                self.print_logs()
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            print("kept:", self.dir, file=sys.stderr)

    def print_logs(self):
        log = os.path.join(self.run_dir, "log")
        for name in sorted(os.listdir(log)) if os.path.isdir(log) else []:
            with open(os.path.join(log, name), errors="replace") as f:
                for line in collections.deque(f, 15):
                    print(name + ":", line.rstrip(), file=sys.stderr)

    def worker_logs(self):
        log = os.path.join(self.run_dir, "log")
        text = ""
        for name in sorted(os.listdir(log)):
            if name.startswith("worker"):
                with open(os.path.join(log, name), errors="replace") as f:
                    text += f.read()
        return text

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        mode = "wb" if isinstance(data, bytes) else "w"
        with open(self.path(name), mode) as f:
            f.write(data)
        return self.path(name)

    def corpus(self, rows, name="prompts.jsonl"):
        return self.write(name, "".join(json.dumps(r) + "\n" for r in rows))

    def job(self, port, corpus="prompts.jsonl", **changes):
        """Writes the job; `changes` merge into it, one level deep."""
        job = {"name": self.name, "corpus": [corpus] if isinstance(corpus, str) else corpus,
               "teachers": [{"name": "t0", "url": "http://127.0.0.1:%s/v1" % port,
                             "model": "teacher", "max_in_flight": 32}],
               "sampling": {"n": 2, "temperature": 0.7, "max_tokens": 1024, "seed": 11},
               "logits": {"top_logprobs": 5}}
        if port in OwnTeacher.ports:
            job["probe"] = False
        for key, value in changes.items():
            if key == "teacher":
                job["teachers"][0].update(value)
            elif isinstance(value, dict) and isinstance(job.get(key), dict):
                job[key].update(value)
            else:
                job[key] = value
        self.write("job.json", json.dumps(job))
        return job

    # -- running --

    def command(self, *args, **options):
        return subprocess.run([self.retort, *args], capture_output=True, text=True, env=ENV,
                              cwd=self.dir, timeout=options.pop("timeout", 300), **options)

    def start(self, *args, workers=1):
        child = subprocess.Popen(
            [self.retort, "run", self.job_path, "--workers", str(workers), *args],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV,
            cwd=self.dir)
        self.children.append(child)
        return child

    def run(self, *args, workers=1, expect=0, timeout=300):
        """Runs the job to its end; its output."""
        child = self.start(*args, workers=workers)
        out, _ = child.communicate(timeout=timeout)
        assert child.returncode == expect, (child.returncode, out)
        self.check_sanitizers()
        return out

    def part(self, role, *args):
        """A process of a cluster, without a supervisor; its log is where run has them."""
        log = os.path.join(self.run_dir, "log")
        os.makedirs(log, exist_ok=True)
        with open(os.path.join(log, role + ".log"), "ab") as f:
            child = subprocess.Popen([self.retort, role, *args], stdout=f, stderr=f, env=ENV)
        self.children.append(child)
        return child

    def coordinator_and_store(self, *args):
        """Both, over sockets in the folder; `args` are the coordinator's. And where it is."""
        there = "ipc://" + self.path("coordinator.sock")
        return (self.part("coordinator", self.job_path, "--dir", self.run_dir, "--listen", there,
                          *args),
                self.part("store", "--dir", self.run_dir, "--connect", there, "--listen",
                          "ipc://" + self.path("store.sock")), there)

    def part_said(self, role, text):
        """Whether it stands in its log."""
        with open(os.path.join(self.run_dir, "log", role + ".log"), errors="replace") as f:
            return text in f.read()

    def check_sanitizers(self):
        log = os.path.join(self.run_dir, "log")
        for name in os.listdir(log) if os.path.isdir(log) else []:
            with open(os.path.join(log, name), errors="replace") as f:
                text = f.read()
            for word in ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer",
                         "runtime error:", "Assertion"):
                assert word not in text, "%s in %s:\n%s" % (word, name, text[-4000:])

    # -- looking --

    def ledger(self):
        db = sqlite3.connect("file:%s/ledger.sqlite?mode=ro" % self.run_dir, uri=True,
                             timeout=10)
        db.row_factory = sqlite3.Row
        return db

    def query(self, sql, *args):
        db = self.ledger()
        try:
            return [dict(r) for r in db.execute(sql, args)]
        finally:
            db.close()

    def progress(self):
        return self.query("select * from progress")[0]

    def try_progress(self):
        """progress, or None while there is no ledger yet."""
        try:
            return self.progress()
        except (sqlite3.Error, IndexError):
            return None

    def export(self, *args, name="out.jsonl"):
        done = self.command("export", self.run_dir, "--format", "jsonl", "-o",
                            self.path(name), "--force", *args)
        assert done.returncode == 0, done.stderr
        with open(self.path(name), encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def verify(self):
        done = self.command("verify", self.run_dir)
        assert done.returncode == 0, done.stdout + done.stderr

    def teacher_ledger(self, server, questions=False):
        """What the teacher was asked; with `questions`, those of the run's start too."""
        lines = server.lines()
        # One that is refused, for k + 1 candidates or so, has not been read.
        return [x for x in lines if questions or x["digest"] != QUESTION and
                (x["digest"] or x["status"] != 400)]

    # -- oracles --

    def check_whole(self, prompts, n):
        """Every prompt done, every live sample exactly once."""
        p = self.progress()
        assert p["state"] == "done", p
        assert p["prompts_total"] == p["prompts_done"] == prompts, p
        assert p["samples_committed"] == prompts * n, p
        self.verify()
        rows = self.export()
        keys = collections.Counter((r["prompt_no"], r["sample"]) for r in rows)
        assert len(rows) == len(keys) == prompts * n, (len(rows), len(keys))
        return rows

    def check_against_teacher(self, rows, server):
        """Every stored answer is one that the teacher has given."""
        given = collections.Counter()
        for line in self.teacher_ledger(server):
            for choice in line["choices"] or []:
                given[(line["nonce"], choice["content"], choice["reasoning"])] += 1
        for row in rows:
            key = (row["provenance"]["request_id"], digest(row["content"]),
                   digest(row["reasoning"]))
            assert key in given, (row["id"], row["sample"], key)


def digest(text):
    """As the teacher's ledger has it: BLAKE2b-256, line feeds at the ends cut."""
    if text is None:
        return None
    return hashlib.blake2b(text.strip("\n").encode(), digest_size=32).hexdigest()


def children_of(pid):
    """Process ids of a process's children, itself first."""
    found = [pid]
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry))
        except OSError:
            pass
    return found


def role_of(pid):
    """The subcommand that a process of ours runs, or None."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().split(b"\0")[1].decode()
    except (OSError, IndexError):
        return None


def child_in_role(child, role):
    """A process id of a run by its subcommand, or None."""
    for pid in children_of(child.pid)[1:]:
        if role_of(pid) == role:
            return pid
    return None


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def kill_role(child, role):
    """Kills the run's process in this role, once there is one; False if the run ends first."""
    while child.poll() is None:
        pid = child_in_role(child, role)
        if pid and kill(pid):
            return True
        time.sleep(0.01)
    return False


def can_trace():
    """Whether there is strace, and it may do what it is for."""
    return shutil.which("strace") is not None and subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


def shared_corpus(name):
    """A real corpus, or None (said aloud) where it is not there."""
    path = os.path.join(SHARED, name)
    if os.path.exists(path):
        return path
    print("SKIPPED: %s is not there" % path)
    return None


@contextlib.contextmanager
def timed(name):
    begun = time.monotonic()
    print("%s ..." % name, flush=True)
    yield
    print("%s: ok, %.1f s" % (name, time.monotonic() - begun), flush=True)


def main(*tests):
    """Runs the tests that the command line names, or all."""
    retort, names = sys.argv[1], sys.argv[2:]
    for test in tests:
        if not names or test.__name__ in names:
            with timed(test.__name__):
                test(retort)
