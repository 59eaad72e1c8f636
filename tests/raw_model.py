# SPDX-License-Identifier: Apache-2.0
"""A made-up model over token ids, and servers that give it raw prompts.

For tests of the protocols that take one text or token ids: the model's distribution
behind any ids is known, so that what is stored can be held against it, token by
token. The servers answer as vLLM (/v1/completions), SGLang (/generate), llama.cpp
(/completion) and TRL (/get_sequence_logprobs/) do, each with its own way to write lists.
"""
import array
import base64
import functools
import hashlib
import http.server
import json
import math
import random
import threading

# Ids up to 255 are bytes, so that characters come in halves; then a few words.
WORDS = [b" the", b" of", b"\xc3", b"\xa9", b"\xe2\x82", b"\xac", b" 4", b"2", b"\n", b" caf\xc3\xa9"]
EOS = 256 + len(WORDS)
SIZE = EOS + 1
# No control characters: an answer with one is refused.
UNSAID = [*range(32), 127, 0xC2]


def bytes_of(token):
    return bytes([token]) if token < 256 else b"" if token == EOS else WORDS[token - 256]


def ids_of(text):
    return list(text.encode())


@functools.lru_cache(maxsize=100000)
def logprobs(ids):
    """Of every token behind these ids."""
    digest = hashlib.blake2b(repr(ids[-6:]).encode(), digest_size=8).digest()
    dice = random.Random(int.from_bytes(digest, "little"))
    scores = [dice.gauss(0, 1) - 4 for _ in range(SIZE)]
    for token in range(256, SIZE):
        scores[token] += 5
    scores[EOS] += 0.5
    for token in UNSAID:
        scores[token] -= 1000
    total = math.log(sum(math.exp(s) for s in scores))
    return [s - total for s in scores]


def top(values, k):
    return sorted(range(SIZE), key=lambda i: (-values[i], i))[:k]


def draw(values, dice):
    x = dice.random()
    for token, value in enumerate(values):
        x -= math.exp(value)
        if x < 0:
            return token
    return EOS


def generate(ids, seed, most):
    """The new ids and why they end."""
    dice, new = random.Random("%s %s" % (seed, ids)), []
    while len(new) < most:
        token = draw(logprobs(tuple(ids + new)), dice)
        if token == EOS and not new:
            continue  # nobody wants an empty answer
        new.append(token)
        if new[-1] == EOS:
            return new, "stop"
    return new, "length"


def text_of(ids):
    return b"".join(map(bytes_of, ids)).decode("utf-8", "replace")


def rows(ids, new, k):
    """(token, its logprob, [(id, logprob)]) of each new token; the sampled one is
    listed by the servers that list it always."""
    for i, token in enumerate(new):
        values = logprobs(tuple(ids + new[:i]))
        yield token, values[token], [(t, values[t]) for t in top(values, k)]


def prompt_of(request, *names):
    for name in names:
        if name in request:
            prompt = request[name]
            return ids_of(prompt) if isinstance(prompt, str) else prompt
    raise AssertionError("no prompt: %s" % request)


def completions(request):
    """vLLM: the sampled token comes first and is always listed."""
    ids, k = prompt_of(request, "prompt"), request.get("logprobs")
    given = None
    if "prompt_logprobs" in request:
        given = [None] + [{str(t): {"logprob": v, "rank": 1, "decoded_token":
                                    bytes_of(t).decode("utf-8", "replace")}
                           for t, v in [(token, value)] + listed}
                          for token, value, listed in rows([], ids, request["prompt_logprobs"])][1:]
    new, finish = generate(ids, request.get("seed"), request.get("max_tokens", 16))
    lists = None
    if k:
        assert request["return_tokens_as_token_ids"]
        lists = {"text_offset": [], "tokens": [], "token_logprobs": [], "top_logprobs": []}
        for token, value, listed in rows(ids, new, k):
            lists["tokens"].append("token_id:%d" % token)
            lists["token_logprobs"].append(value)
            lists["top_logprobs"].append(
                {"token_id:%d" % t: v for t, v in [(token, value)] + listed})
            lists["text_offset"].append(0)
    return {"id": "cmpl-1", "object": "text_completion", "model": request["model"],
            "choices": [{"index": 0, "text": text_of(new), "logprobs": lists,
                         "finish_reason": finish, "stop_reason": None,
                         "token_ids": new, "prompt_token_ids": ids,
                         "prompt_logprobs": given}],
            "usage": {"prompt_tokens": len(ids), "completion_tokens": len(new),
                      "total_tokens": len(ids) + len(new)}}


def sglang(request):
    """The candidates are the k most likely, whatever was sampled."""
    ids, how = prompt_of(request, "input_ids", "text"), request["sampling_params"]
    new, finish = generate(ids, how.get("sampling_seed"), how.get("max_new_tokens", 128))
    start = request.get("logprob_start_len", -1)
    meta = {"id": "r1", "prompt_tokens": len(ids), "completion_tokens": len(new),
            "cached_tokens": 0, "finish_reason": {"type": "stop", "matched": EOS}
            if finish == "stop" else {"type": "length", "length": len(new)}}
    if request.get("return_logprob"):
        made = list(rows(ids, new, request["top_logprobs_num"]))
        meta["output_token_logprobs"] = [[v, t, None] for t, v, _ in made]
        meta["output_top_logprobs"] = [[[v, t, None] for t, v in listed]
                                       for _, _, listed in made]
        if start == 0:
            made = list(rows([], ids, request["top_logprobs_num"]))
            meta["input_token_logprobs"] = [[v if i else None, t, None]
                                            for i, (t, v, _) in enumerate(made)]
            meta["input_top_logprobs"] = [None] + [[[v, t, None] for t, v in listed]
                                                   for _, _, listed in made[1:]]
    return {"text": text_of(new), "output_ids": new, "meta_info": meta}


def llamacpp(request):
    """Tokens have their true bytes; the end has no row and is no token."""
    ids, k = prompt_of(request, "prompt"), request.get("n_probs", 0)
    new, finish = generate(ids, request.get("seed"), request.get("n_predict", 64))
    n_predicted = len(new)
    if finish == "stop":
        new = new[:-1]

    def entry(token, value):
        raw = bytes_of(token)
        return {"id": token, "token": raw.decode("utf-8", "ignore"), "bytes": list(raw),
                "logprob": value}
    answer = {"index": 0, "content": text_of(new), "tokens": new, "stop": True,
              "stop_type": "eos" if finish == "stop" else "limit", "stopping_word": "",
              "model": request["model"], "tokens_predicted": n_predicted,
              "tokens_evaluated": len(ids), "truncated": False, "prompt": "",
              "timings": {"cache_n": 0}}
    if k:
        answer["completion_probabilities"] = [
            dict(entry(t, v), top_logprobs=[entry(*one) for one in listed])
            for t, v, listed in rows(ids, new, k)]
    return answer


def packed(kind, numbers):
    return base64.b64encode(array.array(kind, numbers).tobytes()).decode()


def trl(request):
    """Scores, and only that: the k most likely, and the given tokens' own beside them.
    Lists, where the given token is one more if need be, unless asked for binary."""
    ids, k = request["sequences"][0], request["top_logprobs"]
    assert len(request["sequences"]) == 1 and request["temperature"] == 1.0
    start = request["prompt_lengths"][0]
    made = list(rows(ids[:start], ids[start:], k))
    answer = dict.fromkeys(("logprobs", "logprob_token_ids", "logprobs_b64", "token_ids_b64",
                            "actual_logprobs_b64", "actual_token_ids_b64", "shape",
                            "completion_lengths"))
    if request["response_format"] == "binary":
        answer.update(
            logprobs_b64=packed("f", [v for _, _, listed in made for _, v in listed]),
            token_ids_b64=packed("i", [t for _, _, listed in made for t, _ in listed]),
            actual_logprobs_b64=packed("f", [v for _, v, _ in made]),
            actual_token_ids_b64=packed("i", [t for t, _, _ in made]),
            shape=[1, len(made), k], completion_lengths=[len(made)])
    else:
        made = [listed if token in dict(listed) else listed + [(token, value)]
                for token, value, listed in made]
        answer.update(logprobs=[[[v for _, v in listed] for listed in made]],
                      logprob_token_ids=[[[t for t, _ in listed] for listed in made]])
    return answer


PATHS = {"/v1/completions": ("vllm", completions), "/generate": ("sglang", sglang),
         "/completion": ("llamacpp", llamacpp), "/get_sequence_logprobs/": ("trl", trl)}


class RawServer:
    """Serves one of the paths above; `before` may answer in its place: it gets the
    request and returns (status, body), or None."""

    def __init__(self, path, before=lambda request: None):
        owner, answer = PATHS[path]
        self.asked = asked = []
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path == "/v1/models":
                    self.reply(200, {"object": "list", "data": [
                        {"id": "raw", "object": "model", "owned_by": owner}]})
                elif self.path == "/health/" and owner == "trl":
                    self.reply(200, {"status": "ok"})
                else:
                    self.reply(404, {"error": {"message": "no such path", "code": 404}})

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/tokenize":
                    self.send_error(404)
                    return
                assert self.path == path, self.path
                with lock:
                    asked.append(request)
                    instead = before(request)
                self.reply(*(instead or (200, answer(request))))

            def reply(self, status, body):
                body = json.dumps(body, ensure_ascii=False).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.server.shutdown()
        self.server.server_close()
