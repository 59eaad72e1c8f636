# SPDX-License-Identifier: Apache-2.0
"""A whole run over OpenAI-shaped answers of 512 tokens with 20 candidates each, against
wrk at the same server.

The answer is one file of about 0.7 MB, so that nginx can send it as fast as it sends
anything; its rows are made here: peaked and flat lists over words of a made-up
vocabulary, sorted, the sampled token among them or outside, as a model has them.
"""
import json
import math
import os
import random
import statistics

from pipeline import IN_FLIGHT, nginx, run_rate, say, wrk
from rig import Rig

TOKENS, K = 512, 20
PROMPTS = 12000
ROUNDS = 5


def entry(word, logprob):
    return {"token": word, "logprob": logprob, "bytes": list(word.encode())}


def answer():
    lot = random.Random(20)
    words = [" " + "".join(lot.choice("abcdefghijklmnoprstuvw") for _ in range(lot.randint(1, 9)))
             for _ in range(20000)]
    words = sorted(set(words), key=lambda w: (len(w), w))
    rows, text = [], []
    for _ in range(TOKENS):
        # Zipf's law, more or less steep, over 50 000 words of which 20 are listed.
        steep = lot.uniform(1.1, 3.5)
        weights = [(r + 1) ** -steep * lot.uniform(0.7, 1.3) for r in range(K)]
        total = sum(weights) + (K + 1) ** (1 - steep) / (steep - 1)
        listed = sorted((math.log(w / total) for w in weights), reverse=True)
        chosen = lot.sample(words[:4000], K)
        top = [entry(w, p) for w, p in zip(chosen, listed)]
        rank = min(int(lot.paretovariate(1.2)) - 1, K)
        own = top[rank] if rank < K else entry(lot.choice(words[4000:]), listed[-1] - 1.5)
        rows.append(dict(own, top_logprobs=top))
        text.append(own["token"])
    return json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "".join(text)},
                     "logprobs": {"content": rows, "refusal": None}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": TOKENS,
                  "total_tokens": 20 + TOKENS}}, separators=(",", ":"))


def pipeline(build):
    bare, runs = [], []
    with Rig(os.path.join(build, "retort"), "pipeline_k20") as r:
        body = answer()
        # nginx reads it as nobody where root has started it.
        os.chmod(r.write("answer.json", body), 0o644)
        os.chmod(r.dir, 0o755)
        # A file is for GET; a POST that is refused gets it all the same.
        where = ("location / { root %s; error_page 405 =200 /answer.json; "
                 "try_files /answer.json =404; sendfile on; }" % r.dir)
        with nginx(r, where) as port:
            r.corpus({"id": "p%d" % i, "prompt": "What is %d plus 35?" % i}
                     for i in range(PROMPTS))
            r.write("job.json", json.dumps({
                "name": "pipeline_k20", "corpus": ["prompts.jsonl"],
                "teachers": [{"name": "t0", "url": "http://127.0.0.1:%d/v1" % port, "model": "m",
                              "max_in_flight": IN_FLIGHT}],
                "sampling": {"n": 1, "max_tokens": TOKENS, "temperature": 1},
                "logits": {"top_logprobs": K}}))
            for _ in range(ROUNDS):
                bare.append(wrk(r, port))
                runs.append(run_rate(r))
    say("bodies of %d bytes; wrk %s, runs %s a second" % (len(body), *(
        " ".join("%.0f" % x for x in v) for v in (bare, runs))))
    yield ("pipeline_k20_over_wrk",
           statistics.median(p / b for p, b in zip(runs, bare)), "ratio")
