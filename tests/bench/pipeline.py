# SPDX-License-Identifier: Apache-2.0
"""A whole run against wrk at the same server, and what a worker's memory comes to.

The server is nginx with one process, which answers every POST with a body of 1 KB
that differs from all others by its request id. wrk asks it with as many connections
as the job has requests in flight. All of them, server included, share the machine.
"""
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time

from rig import Rig, Server, children_of, problems, role_of, wait_until

IN_FLIGHT = 64
WRK_SECONDS = 4
PROMPTS = 300000
WORKERS = 2
ROUNDS = 5
WARM_UP_MS = 500

TEXT = ("$request_id Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do "
        "eiusmod tempor incididunt ut labore et dolore magna aliqua. Ut enim ad minim "
        "veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip ex ea commodo "
        "consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum "
        "dolore eu fugiat nulla pariatur. Excepteur sint occaecat cupidatat non proident, "
        "sunt in culpa qui officia deserunt mollit anim id est laborum. Sed ut perspiciatis "
        "unde omnis iste natus error sit voluptatem accusantium doloremque laudantium, totam "
        "rem aperiam, eaque ipsa quae ab illo inventore. The answer is 42.")
ANSWER = ('{"id":"chatcmpl-$request_id","object":"chat.completion","created":1,"model":"m",'
          '"choices":[{"index":0,"message":{"role":"assistant","content":"%s"},'
          '"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":150,'
          '"total_tokens":170}}' % TEXT)
CONFIG = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.err;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s;
  client_body_buffer_size 64k; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{
    listen 127.0.0.1:{port}; default_type application/json;
    location /v1/models {{ return 404; }}
    {answer}
  }}
}}
"""


def say(text):
    print("  " + text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def nginx(r, answer):
    """`answer`: the location that answers, in nginx's words."""
    port = free_port()
    config = r.write("nginx.conf", CONFIG.format(dir=r.dir, port=port, answer=answer))
    command = ["/usr/sbin/nginx", "-c", config, "-e",
               r.path("nginx.err")]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.exists(r.path("nginx.pid")) and child.poll() is None)
        yield port
    finally:
        child.terminate()
        child.wait()


def wrk(r, port):
    """Requests a second."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content":
                       "What is 5 plus 35? Explain the steps and put the answer at the end."}],
                       "temperature": 0.7, "max_tokens": 512})
    script = r.write("post.lua", 'wrk.method="POST"\nwrk.headers["Content-Type"]='
                     '"application/json"\nwrk.body=%s\n' % json.dumps(body))
    done = subprocess.run(["wrk", "-t1", "-c%d" % IN_FLIGHT, "-d%ds" % WRK_SECONDS, "-s", script,
                           "http://127.0.0.1:%d/v1/chat/completions" % port],
                          check=True, capture_output=True, text=True)
    assert "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout, done.stdout
    return float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout).group(1))


class Reader(threading.Thread):
    """Reads `progress` every second, as people do who watch a run."""

    def __init__(self, r):
        super().__init__(daemon=True)
        self.ledger, self.stop, self.reads = r.run_dir + "/ledger.sqlite", threading.Event(), 0

    def run(self):
        while not self.stop.wait(1):
            done = subprocess.run(["sqlite3", "-readonly", self.ledger,
                                   "select * from progress"], capture_output=True)
            self.reads += done.returncode == 0


def run_rate(r, monitored=False):
    """Samples a second that a whole run commits, but for its first and last seconds."""
    subprocess.run(["rm", "-rf", r.run_dir], check=True)
    reader = Reader(r)
    if monitored:
        reader.start()
    r.run(workers=WORKERS)
    reader.stop.set()
    if monitored:
        reader.join()
        assert reader.reads > 2, reader.reads
    p = r.progress()
    assert p["samples_committed"] == p["prompts_total"] and p["samples_failed"] == 0, p
    rows = r.query("select at_ms, samples from sample_rate order by at_ms")
    first = next(x for x in rows if x["at_ms"] > rows[0]["at_ms"] + WARM_UP_MS)
    last = [x for x in rows if x["samples"] < rows[-1]["samples"]][-1]
    return (last["samples"] - first["samples"]) / (last["at_ms"] - first["at_ms"]) * 1000


def pipeline(build):
    """Rounds of wrk, a run, a run that is watched, in turns."""
    bare, plain, watched = [], [], []
    with Rig(os.path.join(build, "retort"), "pipeline") as r, nginx(
            r, "location / { return 200 '%s'; }" % ANSWER) as port:
        r.corpus({"id": "p%d" % i, "prompt": "What is %d plus 35? Explain the steps and put the "
                  "answer at the end." % i} for i in range(PROMPTS))
        r.write("job.json", json.dumps({
            "name": "pipeline", "corpus": ["prompts.jsonl"],
            "teachers": [{"name": "t0", "url": "http://127.0.0.1:%d/v1" % port, "model": "m",
                          "max_in_flight": IN_FLIGHT}],
            "sampling": {"n": 1, "max_tokens": 512, "temperature": 0.7}}))
        for i in range(ROUNDS):
            bare.append(wrk(r, port))
            # Neither comes first every time.
            for monitored in ((False, True) if i % 2 == 0 else (True, False)):
                (watched if monitored else plain).append(run_rate(r, monitored))
    say("wrk %s, runs %s, watched %s thousand a second" % tuple(
        " ".join("%.1f" % (x / 1000) for x in v) for v in (bare, plain, watched)))
    yield ("pipeline_over_wrk", statistics.median(p / b for p, b in zip(plain, bare)), "ratio")
    yield ("monitored_over_unmonitored",
           statistics.median(w / p for w, p in zip(watched, plain)), "ratio")


def high_water_mib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmHWM:\s*(\d+)", f.read()).group(1)) / 1024


def peak_of(child, role):
    """The most memory that a child in this role has had, until the run ends."""
    most = 0
    while child.poll() is None:
        for pid in children_of(child.pid):
            with contextlib.suppress(OSError, AttributeError):
                if role_of(pid) == role:
                    most = max(most, high_water_mib(pid))
        time.sleep(0.05)
    return most


def worker(build):
    """A worker with 64 long answers of 20 candidates a token in flight."""
    retort = os.path.join(build, "retort")
    with Rig(retort, "worker") as r, Server(retort, "--latency-ms", "300") as teacher:
        r.corpus(problems(1500))
        r.job(teacher.port, logits={"top_logprobs": 20}, teacher={"max_in_flight": IN_FLIGHT})
        child = r.start()
        most = peak_of(child, "worker")
        out = child.communicate()[0]
        assert child.returncode == 0 and most > 0, out
        bodies = r.query("select count(*) n from failures")[0]["n"]
        assert bodies == 0, bodies
    say("64 requests in flight, top-k 20, bodies in flight not taken off")
    yield "worker_rss_mib", most, "MiB"
