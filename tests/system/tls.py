#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Teachers behind TLS, and behind a proxy: whom a worker trusts, and whom it does not.

usage: tls.py RETORT [TEST...]
"""
import json
import os
import select
import socket
import socketserver
import ssl
import subprocess
import threading

from rig import OwnTeacher, Rig, chat_answer, main, problems


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def certificates(r, names):
    """A certificate authority of the test's own, and a server of these names."""
    for who, of in (("ca", []), ("server", ["-CA", r.path("ca.pem"), "-CAkey", r.path("ca.key"),
                                            "-addext", "subjectAltName=" + names])):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-subj", "/CN=" + who, "-days", "2", "-keyout", r.path(who + ".key"),
                "-out", r.path(who + ".pem"), *of)


class Secure:
    """A teacher behind TLS. Its answers are many records long."""

    def __init__(self, r):
        self.asked = 0
        rows = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [
            {"token": chr(97 + k), "logprob": -0.5 - k, "bytes": [97 + k]} for k in range(5)]}
            for _ in range(400)]
        body = chat_answer("a" * 400, choices=[{
            "index": 0, "finish_reason": "stop", "logprobs": {"content": rows},
            "message": {"role": "assistant", "content": "a" * 400}}],
            usage={"prompt_tokens": 9, "completion_tokens": 400, "total_tokens": 409})
        assert len(json.dumps(body)) > 4 * 16384

        def answer(request, handler):
            self.asked += 1
            return 200, body, {}

        self.teacher = OwnTeacher(answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(r.path("server.pem"), r.path("server.key"))
        self.teacher.server.socket = context.wrap_socket(
            self.teacher.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.teacher.port

    def __enter__(self):
        self.teacher.__enter__()
        return self

    def __exit__(self, *how):
        self.teacher.__exit__(*how)


class Proxy:
    """Takes CONNECT and whole URLs, and notes to where."""

    def __init__(self):
        self.seen = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                head = b""
                while b"\r\n\r\n" not in head:
                    more = self.request.recv(65536)
                    if not more:
                        return
                    head += more
                line = head.split(b" HTTP/")[0].decode()
                proxy.seen.append(line)
                method, target = line.split()
                place = target if method == "CONNECT" else target.split("/")[2]
                host, port = place.rsplit(":", 1)
                with socket.create_connection((host, int(port))) as to:
                    if method == "CONNECT":
                        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    else:
                        to.sendall(head)
                    self.relay(to)

            def relay(self, to):
                while True:
                    for s in select.select([self.request, to], [], [])[0]:
                        data = s.recv(65536)
                        if not data:
                            return
                        (to if s is self.request else self.request).sendall(data)

        class Listening(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self.server = Listening(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *how):
        self.server.shutdown()
        self.server.server_close()


def secure_job(r, port, **teacher):
    r.corpus(problems(5))
    r.job(port, teacher=dict({"url": "https://127.0.0.1:%d/v1" % port}, **teacher))


def one_that_is_trusted(retort):
    with Rig(retort) as r:
        certificates(r, "IP:127.0.0.1")
        with Secure(r) as t:
            secure_job(r, t.port, ca_file="ca.pem")
            r.run()
            assert r.progress()["samples_committed"] == 10 == t.asked, r.progress()
            r.verify()


def one_that_nobody_knows(retort):
    """No request leaves, and no key."""
    with Rig(retort) as r:
        certificates(r, "IP:127.0.0.1")
        with Secure(r) as t:
            secure_job(r, t.port)
            out = r.run(expect=1)
            assert t.asked == 0 and r.progress()["samples_committed"] == 0
            assert "tls" in out + r.worker_logs(), out
            # Told whom to trust, it goes on.
            secure_job(r, t.port, ca_file="ca.pem")
            r.run()
            assert r.progress()["samples_committed"] == 10


def one_of_another_name(retort):
    with Rig(retort) as r:
        certificates(r, "DNS:elsewhere.example")
        with Secure(r) as t:
            secure_job(r, t.port, ca_file="ca.pem")
            out = r.run(expect=1)
            assert t.asked == 0 and "tls" in out + r.worker_logs(), out


def certificates_that_are_none(retort):
    with Rig(retort) as r:
        secure_job(r, 1, ca_file="absent.pem")
        done = r.command("run", r.job_path)
        assert done.returncode == 2 and "teachers[0].ca_file" in done.stderr, done
        assert "absent.pem" in done.stderr, done
        r.write("empty.pem", "no certificate\n")
        certificates(r, "IP:127.0.0.1")
        with Secure(r) as t:
            secure_job(r, t.port, ca_file="empty.pem")
            out = r.run(expect=1)
            assert t.asked == 0 and "tls" in out + r.worker_logs(), out


def through_a_proxy(retort):
    """Only through the job's; the environment's is not asked."""
    dead = dict(os.environ, https_proxy="http://127.0.0.1:1", http_proxy="http://127.0.0.1:1",
                HTTPS_PROXY="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")
    with Rig(retort) as r:
        certificates(r, "IP:127.0.0.1")
        with Secure(r) as t, Proxy() as proxy:
            secure_job(r, t.port, ca_file="ca.pem", proxy=proxy.url)
            done = subprocess.run([r.retort, "run", r.job_path], env=dead, cwd=r.dir,
                                  capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done
            assert t.asked == 10
            assert set(proxy.seen) == {"CONNECT 127.0.0.1:%d" % t.port}, proxy.seen
    with Rig(retort) as r, OwnTeacher(lambda request, handler: (
            200, chat_answer("yes"), {})) as t, Proxy() as proxy:
        r.corpus(problems(3))
        r.job(t.port, teacher={"proxy": proxy.url}, logits={"top_logprobs": 0})
        r.run()
        assert proxy.seen and all(":%d/v1" % t.port in x for x in proxy.seen), proxy.seen


if __name__ == "__main__":
    main(one_that_is_trusted, one_that_nobody_knows, one_of_another_name,
         certificates_that_are_none, through_a_proxy)
