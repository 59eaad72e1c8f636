# SPDX-License-Identifier: Apache-2.0
"""A real llama-server with a real model, as a process of the test's own."""
import collections
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

# llama.cpp's flash attention on CPUs has a kernel for few rows, which adds up in 16
# bits, and one for many: the same prompt, evaluated in other pieces, then gives other
# numbers (README.md). Without it, and with the cache in 32 bits, they agree.
ARITHMETIC = ["--flash-attn", "off", "--cache-type-k", "f32", "--cache-type-v", "f32"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class LlamaServer:
    """On loopback, at a port of its own; ended by its process id.

    `slots` requests are answered at once, others wait inside the server. It computes in
    one thread: several wait for each other in a loop, which a busy machine makes slow.
    Neither speculative decoding nor a web page: nothing but the model's own distribution.
    """

    def __init__(self, work, number, slots, wait, model_name="smollm2"):
        self.port, self.model_name = free_port(), model_name
        self.log_path = os.path.join(work, "server-%d.log" % number)
        with open(self.log_path, "w") as log:
            self.child = subprocess.Popen(
                [os.path.join(work, "llama", "llama-server"),
                 "--model", os.path.join(work, "model.gguf"), "--alias", model_name,
                 "--host", "127.0.0.1", "--port", str(self.port),
                 "--parallel", str(slots), "--ctx-size", str(2048 * slots),
                 "--threads", "1", "--no-webui", *ARITHMETIC],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            wait(self.is_ready, 300)
        except BaseException:
            self.close()
            self.print_log()
            raise

    def is_ready(self):
        assert self.child.poll() is None, "the server has ended (%s)" % self.log_path
        try:
            return self.ask("/health")["status"] == "ok"
        except (OSError, urllib.error.URLError):
            return False  # not there yet, or 503 while it loads

    def ask(self, path, body=None):
        request = urllib.request.Request(
            "http://127.0.0.1:%d%s" % (self.port, path),
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    def tokens(self, text):
        """Of a prompt's text, as the server itself makes them for a chat."""
        return self.ask("/tokenize", {"content": text, "add_special": True,
                                      "parse_special": True})["tokens"]

    def prompt_ids(self, messages):
        return self.tokens(self.ask("/apply-template", {"messages": messages})["prompt"])

    def end_ids(self):
        """The tokens that end an answer: the template's own, and the end of text."""
        return [self.tokens(text)[-1] for text in
                (self.ask("/props")["eos_token"], "<|endoftext|>")]

    def close(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def print_log(self):
        with open(self.log_path, errors="replace") as f:
            for line in collections.deque(f, 15):
                print("server:", line.rstrip(), file=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
        if kind is not None:
            self.print_log()
