# SPDX-License-Identifier: Apache-2.0
"""How fast a corpus is indexed, and what memory a coordinator of many prompts takes."""
import json
import os
import statistics
import subprocess
import time

from pipeline import high_water_mib, nginx, say
from rig import ENV, Rig, child_in_role, children_of, wait_until

INDEX_BYTES = 1 << 30
ROUNDS = 3
MANY = 10_000_000
WORDS = ("the sum of all apples is therefore multiplied by price each day she sells then "
         "divide total answer we know that costs").split()


def write_corpus(path, lines, words, size=None):
    """So many lines, each with an id of its own, or until `size` is reached."""
    text = [" ".join(WORDS[(i * 7 + j * j) % len(WORDS)] for j in range(words))
            for i in range(997)]
    written = n = 0
    with open(path, "w", encoding="ascii", buffering=1 << 20) as f:
        while n < lines and (size is None or written < size):
            part = "".join('{"id": "p%08d", "prompt": "%s %d"}\n' % (i, text[i % 997], i)
                           for i in range(n, min(n + 10000, lines)))
            written += f.write(part)
            n = min(n + 10000, lines)
    return n, written


def write_job(r, port=9):
    r.write("job.json", json.dumps({
        "name": "corpus", "corpus": ["prompts.jsonl"],
        "teachers": [{"name": "t0", "url": "http://127.0.0.1:%d/v1" % port, "model": "m",
                      "max_in_flight": 64}],
        "sampling": {"n": 1, "max_tokens": 512, "temperature": 0.7}}))


def seconds_of_b2sum(path):
    begun = time.monotonic()
    subprocess.run(["b2sum", path], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def seconds_of_index(r):
    """From the start of a coordinator of a new run until it serves."""
    subprocess.run(["rm", "-rf", r.run_dir], check=True)
    begun = time.monotonic()
    child = subprocess.Popen(
        [r.retort, "coordinator", r.job_path, "--dir", r.run_dir, "--listen",
         "ipc://" + r.path("socket")], stderr=subprocess.PIPE, text=True, env=ENV)
    for line in child.stderr:
        if "msg=serving" in line or 'msg="serving"' in line:
            break
    seconds = time.monotonic() - begun
    child.kill()
    child.communicate()
    assert r.progress()["prompts_total"] > 0
    return seconds


def index(build):
    index_s, sum_s = [], []
    with Rig(os.path.join(build, "retort"), "corpus") as r:
        lines, size = write_corpus(r.path("prompts.jsonl"), 1 << 40, 40, INDEX_BYTES)
        write_job(r)
        seconds_of_b2sum(r.path("prompts.jsonl"))  # both find it in memory
        for i in range(ROUNDS):
            sum_s.append(seconds_of_b2sum(r.path("prompts.jsonl")))
            index_s.append(seconds_of_index(r))
    say("%.1f million lines, %.0f MB: index %s MB/s, b2sum %s MB/s" % (
        lines / 1e6, size / 1e6, *(" ".join("%.0f" % (size / s / 1e6) for s in v)
                                   for v in (index_s, sum_s))))
    yield ("index_over_b2sum", statistics.median(b / i for b, i in zip(sum_s, index_s)),
           "ratio")


def coordinator(build):
    """The most memory while it indexes ten million prompts and then leases for a while."""
    with Rig(os.path.join(build, "retort"), "corpus") as r, nginx(r) as port:
        lines, size = write_corpus(r.path("prompts.jsonl"), MANY, 8)
        write_job(r, port)
        child = r.start(workers=2)
        wait_until(lambda: (r.try_progress() or {}).get("samples_committed", 0) > 100000, 300)
        most = high_water_mib(child_in_role(child, "coordinator"))
        assert r.progress()["prompts_total"] == lines
        for p in children_of(child.pid):
            os.kill(p, 9)
        child.communicate()
    say("%d prompts, %.0f MB" % (lines, size / 1e6))
    yield "coordinator_rss_mib", most, "MiB"
