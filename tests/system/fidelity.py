#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What comes out of an export is what the teacher's model is, to float32, or to the
error that the job's profile has.

usage: fidelity.py RETORT [TEST...]

A whole run of 500 prompts, two samples each, twenty candidates a token, is read
back with `retort export --format jsonl --logits`. tests/teacher_twin.py, which
shares no code with the program, says for every sample what it must be: the ids
drawn with its seed, the logprob of each, ids and logprobs of all listed
candidates, the tail mass, the end-of-sequence row, the text.

The bounds. The teacher prints doubles with all their digits; the program rounds
each once to float32, stores that, and prints the shortest text that reads back
as it. So a logprob may be off by half a unit in the last place, 2^-24 of itself,
and by what log1p differs between two libraries, taken as 10^-12 of itself. The
tail is 1 - sum(exp(logprob)) in doubles, rounded once: 2^-24 of itself, and
10^-14 for the rounding errors of about twenty terms that sum to nearly 1.
Nothing else is let pass: ids, lengths, texts and spans must be equal.

That is the profile `exact`. Under `fine` a logprob, and the logarithm of the tail, may be
off by 1/512 besides.
"""
import array
import math
import os

from rig import Rig, Server, main, problems
from teacher_twin import EOS, Teacher

K = 20
HALF_ULP = 2.0**-24
LIBM = 1e-12
SUM = 1e-14
ERROR = {"exact": 0.0, "fine": 1 / 512}


def float32(values):
    """As they stand in the dataset: the text is the shortest that gives them."""
    return array.array("f", values).tolist()


class Row:
    """One row of the twin, as the program must list it."""

    def __init__(self, twin_row, sampled_first):
        self.row = twin_row
        self.sampled_first = sampled_first
        self.top = twin_row.top(K)

    def expect(self, x):
        """(logprob, ids, logprobs, tail) of the row when x was drawn."""
        row, weights = self.row, self.row.profile.weights
        rank = row.rank_of(x)
        if rank < K or not self.sampled_first:
            ranks, ids = range(K), self.top
        else:
            # The sampled token takes the place of the last one.
            ranks, ids = [*range(K - 1), rank], self.top[:K - 1] + [x]
        return (row.profile.logprob(rank), ids, [row.profile.logprob(r) for r in ranks],
                (row.profile.total - sum(weights[r] for r in ranks)) / row.profile.total)


def near(got, want, absolute=0.0):
    return abs(got - want) <= abs(want) * (HALF_ULP + LIBM) + absolute


def same_list(got, want, error):
    return len(got) == len(want) and all(near(a, b, error) for a, b in zip(got, want))


def same_tail(got, want, error):
    return near(got, want, SUM) if error == 0 else near(math.log(got), math.log(want), error)


class Check:
    """Compares samples with the twin, and counts what it has seen."""

    def __init__(self, temperature, max_tokens, sampled_first=True, eos_row=True, ids=True,
                 profile="exact"):
        self.teacher = Teacher()
        self.temperature, self.max_tokens = temperature, max_tokens
        self.sampled_first, self.eos_row, self.ids = sampled_first, eos_row, ids
        self.profile, self.error, self.most = profile, ERROR[profile], 0.0
        self.tokens = self.outside = self.candidates = self.ends = self.cut = self.unknown = 0
        self.streams = []  # of each sample: the bytes of its tokens
        self.prompts = {}

    def prompt(self, sample):
        number = sample["prompt_no"]
        if number not in self.prompts:
            # One prompt's samples follow each other.
            self.prompts = {number: (self.teacher.prompt(sample["prompt"]), {})}
        return self.prompts[number]

    def sample(self, sample):
        prompt, rows = self.prompt(sample)
        where = "%s sample %d" % (sample["id"], sample["sample"])
        # Of several samples of one request the teacher adds the choice's number.
        seed = sample["provenance"]["seed"] + sample["provenance"]["choice"]
        ids, finish, _, raw = prompt.sample(seed, self.max_tokens, T=self.temperature)
        assert sample["finish_reason"] == finish, (where, sample["finish_reason"], finish)
        assert sample["usage"]["completion_tokens"] == len(ids), where
        has_end = ids[-1] == EOS
        if has_end and not self.eos_row:
            ids.pop()
        assert sample["token_ids"] == ids, where
        if self.ids:
            assert sample["prompt_token_ids"] == prompt.prompt_ids(), where
        self.rows(sample, prompt, rows, where)
        self.text(sample, ids, raw, where)
        self.tokens += len(ids)
        self.ends += has_end and self.eos_row
        self.cut += finish == "length"

    def rows(self, sample, prompt, rows, where):
        ids, state = sample["token_ids"], prompt.start
        logprobs, tails = float32(sample["logprobs"]), float32(sample["tail_mass"])
        assert len(logprobs) == len(tails) == len(ids), where
        assert len(sample["top_ids"]) == len(sample["top_logprobs"]) == len(ids), where
        for i, x in enumerate(ids):
            if state not in rows:
                rows[state] = Row(prompt.row(state), self.sampled_first)
            row = rows[state]
            logprob, listed, values, tail = row.expect(x)
            got = float32(sample["top_logprobs"][i])
            place = "%s, row %d (id %d)" % (where, i, x)
            assert near(logprobs[i], logprob, self.error), (place, logprobs[i], logprob)
            assert sample["top_ids"][i] == listed, (place, sample["top_ids"][i], listed)
            assert same_list(got, values, self.error), (place, got, values)
            assert same_tail(tails[i], tail, self.error), (place, tails[i], tail)
            self.most = max(self.most, *(abs(a - b) for a, b in zip(got, values)))
            self.candidates += len(listed)
            self.outside += x not in row.top
            state = prompt.next(state, x, row.row)

    def text(self, sample, ids, raw, where):
        """The tokens' bytes are the stream, and the stream is the texts."""
        vocabulary = self.teacher.vocabulary
        assert vocabulary.raw(ids) == raw, where
        reasoning, content = sample["reasoning"], sample["content"]
        text = "<think>" + reasoning + ("" if content is None else "</think>" + content)
        assert text == raw.decode("utf-8", "replace"), (where, text, raw)
        tokens = [vocabulary.table[x] for x in ids]
        self.streams.append(tokens)
        # A half of a character in the answer is U+FFFD in the text, and a special
        # token is not in it at all: then the text cannot be found among the tokens,
        # and what follows from its place is unknown. It is never wrong.
        stream, at, found = b"".join(tokens), 0, True
        for part in (reasoning, content or ""):
            at = stream.find(part.encode(), at)
            found = found and at >= 0
        for name, part in (("reasoning", reasoning), ("content", content)):
            span = sample["spans"][name]
            if span is None:
                assert not part or not found, (where, name)
            else:
                told = vocabulary.raw(ids[span[0]:span[1]])
                assert told == part.encode(), (where, name, span, told)
        has_end_row = ids[-1] == EOS
        assert sample["eos_row"] is has_end_row or (
            not found and sample["eos_row"] is None), (where, sample["eos_row"])
        self.unknown += not found


def stored_bytes(run_dir, check):
    """The raw stream and the tokens' places in it are not in the export: read from
    the dataset, by a reader that was written from its format's page."""
    try:
        import format_reader
    except SystemExit as missing:
        print("SKIPPED: the stored stream is not looked at: %s" % missing)
        return
    dataset = format_reader.Dataset(os.path.join(run_dir, "dataset"))
    n, listed = 0, set()
    for sample, tokens in zip(dataset.samples(), check.streams, strict=True):
        stream = sample.texts[format_reader.STREAM]
        assert stream == b"".join(tokens), (n, stream, tokens)
        logits = sample.logits()
        assert list(logits.n_bytes) == [len(b) for b in tokens], n
        listed.update(logits.ids, *logits.top_ids)
        n += 1
    # What an id stands for is told by any answer that can be trusted.
    table, told = check.teacher.vocabulary.table, 0
    for token_id in listed:
        token = dataset.token(logits.vocabulary, token_id)
        assert token in (None, table[token_id]), (token_id, token)
        told += token is not None
    assert told > 0.9 * len(listed), (told, len(listed))
    dataset.close()
    print("  %d stored streams, the places of all tokens in them, and the bytes of %d of %d "
          "ids" % (n, told, len(listed)))


def run(retort, check, prompts, *options, each=2, per_request=1, **changes):
    with Server(retort, *options) as t, Rig(retort) as r:
        asked = problems(prompts)
        r.corpus(asked)
        r.job(t.port, sampling={"temperature": check.temperature, "n": each,
                                "n_per_request": per_request,
                                "max_tokens": check.max_tokens},
              logits={"top_logprobs": K, "profile": check.profile}, **changes)
        r.run(workers=2)
        samples = r.export("--logits")
        assert len(samples) == each * prompts, len(samples)
        told = {line["nonce"]: line for line in r.teacher_ledger(t)}
        for n, sample in enumerate(samples):
            assert (sample["prompt_no"], sample["sample"]) == (n // each, n % each)
            assert sample["prompt"] == [
                {"role": "user", "content": asked[n // each]["question"]}], sample["prompt"]
            # The seed is the one that the teacher was asked with, for this prompt.
            line = told[sample["provenance"]["request_id"]]
            assert line["seed"] == sample["provenance"]["seed"], sample["id"]
            assert line["digest"] == check.prompt(sample)[0].digest.hex(), sample["id"]
            check.sample(sample)
        seeds = {s["provenance"]["seed"] for s in samples}
        assert len(seeds) == prompts * -(-each // per_request), len(seeds)
        for key in ("prompt_tokens", "completion_tokens"):
            assert sum(s["usage"][key] for s in samples) == \
                sum(line[key] for line in told.values()), key
        stored_bytes(r.run_dir, check)
    print("  %d samples, %d tokens, %d candidates, %d tokens outside their list, "
          "%d end rows, %d cut at their limit, %d whose texts have half characters or hide "
          "special tokens" % (
              len(samples), check.tokens, check.candidates, check.outside, check.ends,
              check.cut, check.unknown))
    return check


def a_thousand_samples_at_07(retort):
    check = run(retort, Check(0.7, 1024), 500)
    assert check.ends > 900 and check.candidates == K * check.tokens


def a_thousand_samples_at_10(retort):
    check = run(retort, Check(1.0, 1024), 500)
    assert check.ends > 900 and check.outside > 20, check.outside


def fine_is_within_its_error(retort):
    check = run(retort, Check(0.7, 1024, profile="fine"), 60)
    # Rounded, and no further than promised.
    assert 1e-3 < check.most <= ERROR["fine"] * (1 + 1e-6), check.most
    print("  largest difference of a logprob: %.6f nat" % check.most)


def tokens_far_outside_their_list(retort):
    """Hot enough that many a token comes from the depths of the vocabulary."""
    check = run(retort, Check(1.8, 100), 80)
    assert check.outside > 1000 and check.cut > 0, (check.outside, check.cut)


def lists_without_the_sampled_token(retort):
    """A server whose list is always rank 0 to k - 1, and that shows no end row."""
    check = run(retort, Check(1.3, 300, sampled_first=False, eos_row=False, ids=False), 40,
                "--dialect", "llamacpp")
    assert check.outside > 20 and check.ends == 0, check.outside


def several_samples_a_request(retort):
    check = run(retort, Check(1.0, 400), 60, each=6, per_request=4)
    assert check.ends > 200, check.ends


def streamed(retort):
    """The same as events: every row, id and letter of it."""
    stream = {"teacher": {"stream": True}}
    check = run(retort, Check(1.0, 1024), 60, **stream)
    assert check.ends > 100, check.ends
    check = run(retort, Check(1.3, 300, sampled_first=False, eos_row=False, ids=False), 20,
                "--dialect", "llamacpp", **stream)
    assert check.ends == 0


if __name__ == "__main__":
    main(a_thousand_samples_at_07, a_thousand_samples_at_10, fine_is_within_its_error,
         tokens_far_outside_their_list, lists_without_the_sampled_token,
         several_samples_a_request, streamed)
