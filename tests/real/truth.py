#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds stored logits against an independent forward pass of the same model.

usage: truth.py MODEL SAMPLES.jsonl [--most N] [--topk FOLDER] [--ids FILE]

SAMPLES: a line per sample with prompt_token_ids, token_ids, logprobs, top_ids and
top_logprobs, as `retort export --logits` writes them. Prints the mean difference over
all listed candidates, and the same with the stored rows moved by one row either way,
which must be of another order: rows that were shifted somewhere would show there.
Samples that are flagged misaligned are told apart: no trainer gets them. Exit code 1 if
either goal is missed.

--most N    only N samples, drawn at random (the draw is stated and repeatable)
--jobs N    processes, each with one thread
--topk F    writes the real top-k lists of all samples looked at to F/topk_kK.bin
--ids F     writes what each id of the vocabulary stands for, as JSON: hex or null
"""
import argparse
import json
import multiprocessing
import os
import random
import sys
import time

import numpy as np

from forward import Model, TopkFile, top_k

GOAL = 0.01       # nat, mean over all candidates
COLLAPSED = 1.0   # nat: what shifted rows must differ by at least
TOPK = (20, 64, 256)


class Difference:
    """Sums |stored - true| over candidates."""

    def __init__(self):
        self.n, self.sum, self.most = 0, 0.0, 0.0

    def add(self, stored, true):
        d = np.abs(stored - true)
        self.n += d.size
        self.sum += float(d.sum())
        self.most = max(self.most, float(d.max(initial=0.0)))

    def join(self, other):
        self.n, self.sum = self.n + other.n, self.sum + other.sum
        self.most = max(self.most, other.most)

    def mean(self):
        return self.sum / self.n if self.n else float("nan")


class Figures:
    def __init__(self):
        self.aligned, self.earlier, self.later = Difference(), Difference(), Difference()
        self.sampled = Difference()
        self.rows = self.same_first = 0

    def sample(self, sample, truth):
        n = len(sample["token_ids"])
        assert len(sample["top_ids"]) == len(sample["logprobs"]) == n == len(truth)
        for i in range(n):
            ids, stored = sample["top_ids"][i], np.array(sample["top_logprobs"][i])
            if not ids:
                continue  # the server gave no row
            self.aligned.add(stored, truth[i][ids])
            if i > 0:
                self.earlier.add(stored, truth[i - 1][ids])
            if i + 1 < n:
                self.later.add(stored, truth[i + 1][ids])
            if sample["logprobs"][i] is not None:
                self.sampled.add(np.array([sample["logprobs"][i]]),
                                 truth[i][[sample["token_ids"][i]]])
            self.rows += 1
            self.same_first += int(ids[0] == int(truth[i].argmax()))

    def join(self, other):
        for name in ("aligned", "earlier", "later", "sampled"):
            getattr(self, name).join(getattr(other, name))
        self.rows += other.rows
        self.same_first += other.same_first


def read(path, most):
    with open(path, encoding="utf-8") as f:
        samples = [json.loads(line) for line in f]
    if most and most < len(samples):
        chosen = sorted(random.Random(1).sample(range(len(samples)), most))
        print("a random %d of %d samples (seed 1)" % (most, len(samples)))
        return [samples[i] for i in chosen]
    return samples


model = None  # of this process


def load(path):
    global model
    model = Model(path)


def evaluate(sample):
    """Whether it is flagged, its figures, and its top of the largest K."""
    truth, figures = model.logprobs(sample["prompt_token_ids"], sample["token_ids"]), Figures()
    figures.sample(sample, truth)
    return "misaligned" in sample["flags"], figures, top_k(truth, max(TOPK))


def compare(path, samples, jobs, dumps):
    figures, flagged = Figures(), Figures()
    begun = told = time.monotonic()
    # Two at a time: those of one prompt stand together, and it is evaluated once.
    with multiprocessing.Pool(jobs, load, (path,)) as pool:
        for n, (is_flagged, one, top) in enumerate(pool.imap(evaluate, samples, 2)):
            (flagged if is_flagged else figures).join(one)
            for dump in dumps if not is_flagged else []:
                dump.add(*top)
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print("  %d of %d samples evaluated, %.0f s" % (
                    n + 1, len(samples), told - begun), file=sys.stderr, flush=True)
    return figures, flagged


def report(f):
    print("  %d rows, %d candidates evaluated again; the first of the list is the most "
          "likely token in %.3f %% of the rows" % (
              f.rows, f.aligned.n, 100.0 * f.same_first / max(1, f.rows)))
    print("  mean |delta logprob|, rows as stored:       %.6f nat (largest %.3f; sampled "
          "tokens alone %.6f)" % (f.aligned.mean(), f.aligned.most, f.sampled.mean()))
    print("  mean |delta logprob|, one row earlier:      %.6f nat" % f.earlier.mean())
    print("  mean |delta logprob|, one row later:        %.6f nat" % f.later.mean())


def main():
    options = argparse.ArgumentParser()
    options.add_argument("model")
    options.add_argument("samples")
    options.add_argument("--most", type=int, default=0)
    options.add_argument("--topk")
    options.add_argument("--ids")
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    args = options.parse_args()
    # Only the vocabulary: each process loads its own.
    vocabulary = Model(args.model, n_ctx=64)
    if args.ids:
        with open(args.ids, "w") as f:
            json.dump([b.hex() for b in vocabulary.pieces()], f)
    dumps = [TopkFile(os.path.join(args.topk, "topk_k%d.bin" % k), k, vocabulary.vocabulary)
             for k in TOPK] if args.topk else []
    del vocabulary
    figures, flagged = compare(args.model, read(args.samples, args.most), args.jobs, dumps)
    for dump in dumps:
        dump.close()
    report(figures)
    if flagged.rows:
        print("  mean |delta logprob|, samples flagged misaligned: %.6f nat (%d rows)" % (
            flagged.aligned.mean(), flagged.rows))
    good = figures.aligned.mean() <= GOAL
    collapsed = min(figures.earlier.mean(), figures.later.mean()) >= COLLAPSED
    print("  goal (at most %g as stored, at least %g shifted): %s" % (
        GOAL, COLLAPSED, "met" if good and collapsed else "MISSED"))
    return 0 if good and collapsed else 1


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    sys.exit(main())
