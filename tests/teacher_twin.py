#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The twin of the built-in teacher: the same distribution, from its page alone.

Written from deploy/teacher/MODEL.md and sharing no code with the C. The tables of that
page (sentences, rules, lead-ins) are read from the page itself. Numbers in brackets in
the comments are its sections. twin_words.py has the first of them.

As a module:  Teacher(correct=0.8).prompt(messages) gives a Prompt, which has the rows:
              prompt.start, prompt.row(state), prompt.next(state, id), prompt.sample(seed)
As a program: teacher_twin.py --self-check http://127.0.0.1:8089
"""
import argparse
import bisect
import hashlib
import json
import math
import random
import re
import struct
import sys
import urllib.error
import urllib.request

from twin_words import (EOS, H, PAGE, Page, References, SMALL, Solver, THINK, V, Vocabulary,
                        boxed, mix, plain_number, same_answer, with_commas)

(GROUP_HEAD, GROUP_OPEN, GROUP_NUMBERS, GROUP_FILL, GROUP_STEP_FIRST, GROUP_STEP_NEXT,
 GROUP_STEP_SUM, GROUP_RESULT, GROUP_BRANCH, GROUP_CHECK, GROUP_WAIT, GROUP_CLOSE,
 GROUP_CONTENT, GROUP_END, GROUP_REMARK) = range(15)


# ---- [8] weights --------------------------------------------------------------------

FLAT, PEAKED, FIRM, SURE, DECISION, BRANCH, LOOPING = range(7)
TAIL = [2**20 // (i + 3) + 1024 - i if i < 1024 else 1 for i in range(V)]


def family_weight(family, r):
    return {FLAT: (16 - r) << 24,
            PEAKED: 2**(33 - 2 * r) if r < 16 else 0,
            FIRM: 2**36 if r == 0 else 2**(30 - r),
            SURE: 2**44 if r == 0 else 2**(26 - r)}[family]


class Profile:
    """The weights of all ranks of one kind of row."""

    def __init__(self, head):
        self.n = len(head)
        self.weights = head + TAIL[:V - self.n]
        self.total = sum(self.weights)
        self.drawn = {}

    def logprob(self, rank):
        w = self.weights[rank]
        return -math.log1p((self.total - w) / w)

    def tail(self, k):
        """1 minus the probability of the first k ranks, as an exact division."""
        return (self.total - sum(self.weights[:k])) / self.total

    def sampling(self, T, top_k, top_p, min_p):
        """[10] running sums of u, and how many ranks can be drawn."""
        key = (T, top_k, top_p, min_p)
        if key in self.drawn:
            return self.drawn[key]
        if T == 1:
            u = self.weights
        elif T == 0:
            u = [1] + [0] * (V - 1)
        else:
            u = [math.floor(2.0**48 * (w / self.weights[0])**(1 / T)) for w in self.weights]
        sums, total = [], 0
        for w in u:
            total += w
            sums.append(total)
        R = top_k if 0 < top_k < V else V
        if min_p > 0:
            R = next((r for r in range(1, R) if u[r] < min_p * float(u[0])), R)
        if top_p < 1:
            bound = top_p * float(sums[R - 1])
            R = next((r for r in range(1, R) if float(sums[r - 1]) >= bound), R)
        self.drawn[key] = (sums, R, u)
        return self.drawn[key]


def ranked(weights):
    """Order and head of the rows with weights of their own."""
    order = sorted(range(len(weights)), key=lambda i: (-weights[i], i))
    head = []
    for i in order:
        w = weights[i]
        head.append(min(w, head[-1] - 1) if head else w)
    return order, head


def rate(x):
    return min(max(math.floor(x * 2.0**40 + 0.5), 2**20), 2**40 - 2**20)


# ---- [7] scripts, [9] rows ----------------------------------------------------------

class Slot:
    def __init__(self, number, ids, family, role="plain"):
        self.ids, self.family, self.role = ids, family, role
        self.next = [number + 1] * len(ids)
        self.loops = False


class Row:
    """One row: candidates by rank, and the order of the others."""

    def __init__(self, prompt, state, profile, ids, following, flags):
        self.profile, self.ids, self.following, self.flags = profile, ids, following, flags
        h = H(prompt.key, 1, state)
        self.a = (h % V) | 1
        self.b = (h >> 32) % V

    def id_of(self, rank):
        if rank < len(self.ids):
            return self.ids[rank]
        return self.top(rank + 1)[rank]

    def top(self, k):
        """The ids of the first k ranks."""
        out, x = self.ids[:k], self.b
        while len(out) < k:
            if x not in self.ids:
                out.append(x)
            x = (x + self.a) % V
        return out

    def rank_of(self, x):
        if x in self.ids:
            return self.ids.index(x)
        i = (x - self.b) * pow(self.a, -1, V) % V
        places = [(c - self.b) * pow(self.a, -1, V) % V for c in self.ids]
        return len(self.ids) + i - sum(p < i for p in places)

    def logprob(self, x):
        return self.profile.logprob(self.rank_of(x))


class Prompt:
    """Everything that the model has to say to one list of messages."""

    start = 0

    def __init__(self, teacher, messages, thinks=True):
        self.teacher, self.thinks = teacher, thinks
        self.messages = [(m["role"], text_of(m.get("content"))) for m in messages]
        raw = b"".join(struct.pack("<I", len(part)) + part
                       for role, content in self.messages
                       for part in (role.encode(), content.encode()))
        self.digest = hashlib.blake2b(raw, digest_size=16).digest()
        self.key = H(*struct.unpack("<QQ", self.digest))
        self.choose_answer()
        self.slots = []
        self.write()

    def question(self):
        for role, content in reversed(self.messages):
            if role == "user":
                return content
        return self.messages[-1][1]

    # [4]
    def choose_answer(self):
        text, references = self.question(), self.teacher.references
        truth = references.find(text) if references else None
        self.steps, self.has_truth = [], False
        if truth is not None and self.adopt(truth):
            self.has_truth = True
        else:
            solved = None if truth is not None else self.teacher.solver.solve(text)
            self.has_truth = solved is not None
            if solved:
                self.steps = solved[0]
            assert self.adopt(str(solved[1] if solved else H(self.key, 7, 0) % 1000))
        self.numbers = []
        for run in re.findall(r"\d(?:[,.](?=\d)|\d)*", text, re.A):
            plain = plain_number(run) if len(run) <= 12 else None
            if plain is not None and len(self.numbers) < 3:
                self.numbers.append(plain)

    def adopt(self, truth):
        plain = plain_number(truth)
        if plain is not None:
            answer = with_commas(plain) if H(self.key, 7, 1) & 1 else plain
        elif 1 <= len(truth.encode()) < 48 and not re.search(r"[\n{}\\]", truth):
            answer = truth
        else:
            return False
        raw = answer.encode()
        first = 1 if raw.startswith(b"-") else 0
        if plain is not None:
            can = [i for i, c in enumerate(raw) if chr(c) in "0123456789" and (
                i > first or not re.match(rb"[0-9,]", raw[i + 1:i + 2]))]
        else:
            can = [i for i, c in enumerate(raw) if re.match(rb"[A-Za-z0-9]", bytes([c]))]
        if not can:
            return False
        h = H(self.key, 5, 2**32)
        self.answer, self.decision = raw, can[h % len(can)]
        right = chr(raw[self.decision])
        kind = next(k for k in ("0123456789", SMALL, SMALL.upper()) if right in k)
        self.wrong = kind[(kind.index(right) + 1 + (h >> 32) % (len(kind) - 1)) % len(kind)]
        return True

    # [7]
    def write(self):
        groups = self.teacher.page.groups
        self.decided = False
        if self.thinks:
            if self.teacher.opens:
                self.say_marks(groups[GROUP_HEAD][0])
            self.say_one(GROUP_OPEN)
            if self.numbers:
                self.say(groups[GROUP_NUMBERS][len(self.numbers) - 1])
            fillers = math.floor(self.teacher.length * float(1 + H(self.key, 3, 3) % 4))
            for i in range(min(fillers, 4000)):
                self.say(groups[GROUP_FILL][H(self.key, 4, i) % 8])
            for i, step in enumerate(self.steps):
                self.say_one(GROUP_STEP_NEXT if i else GROUP_STEP_FIRST)
                self.say(groups[GROUP_STEP_SUM]["+-*/".index(step[1])], step,
                         i + 1 == len(self.steps))
            self.say_one(GROUP_RESULT)
            self.say_branch()
            self.say_marks(groups[GROUP_CLOSE][0])
        self.say_one(GROUP_CONTENT)
        self.say_end()

    def add(self, ids, family, role="plain"):
        self.slots.append(Slot(len(self.slots), ids, family, role))
        return self.slots[-1]

    def say_marks(self, sentence):
        for piece in sentence:
            self.add([self.teacher.vocabulary.of_word(piece)], SURE)

    def say_one(self, group):
        sentences = self.teacher.page.groups[group]
        self.say(sentences[H(self.key, 3, group) % len(sentences)])

    def say(self, sentence, step=None, ends=False):
        for piece in sentence:
            if len(piece) == 2 and piece[0] in "#%":
                self.say_number(piece, step, ends)
            else:
                self.say_words(piece)

    def say_words(self, piece):
        alternatives = [self.teacher.vocabulary.of_word(w) for w in piece.split("|")]
        h, n = H(self.key, 2, len(self.slots)), len(alternatives)
        d = h >> 32
        if n == 1:
            family = SURE if d % 4 == 0 else FIRM
        else:
            family = FLAT if d % 3 == 0 else PEAKED
        self.add([alternatives[(i + h % n) % n] for i in range(n)], family)

    def say_number(self, piece, step, ends):
        which = piece[1]
        if piece[0] == "#":
            self.add([48], SURE)
        if which == "A" or (which == "c" and ends):
            self.say_answer()
        elif which in "123":
            self.say_digits(self.numbers[int(which) - 1])
        else:
            self.say_digits(str({"a": step[0], "b": step[2], "c": step[3]}[which]))

    def say_digits(self, text):
        for c in text:
            ids = [16 + ord(c)]
            if c in "0123456789":
                ids.append(64 + (int(c) + 1 + H(self.key, 5, len(self.slots)) % 9) % 10)
            self.add(ids, SURE)

    def say_answer(self):
        for i, b in enumerate(self.answer):
            if i != self.decision:
                self.say_digits([chr(b)])
            elif self.decided:
                self.add([16 + b, 16 + ord(self.wrong)], SURE, "answer")
            else:
                self.add([16 + b, 16 + ord(self.wrong)], DECISION, "decision")
        self.decided = True

    def say_branch(self):
        groups = self.teacher.page.groups
        ids = [self.teacher.vocabulary.of_word(w) for w in groups[GROUP_BRANCH][0][0].split("|")]
        branch = len(self.slots)
        slot = self.add(ids, BRANCH, "branch")
        check = len(self.slots)
        self.say(groups[GROUP_CHECK][0])
        wait = len(self.slots)
        self.say(groups[GROUP_WAIT][0])
        close = len(self.slots)
        slot.next = [close, check, wait]
        for last, then in ((self.slots[wait - 1], close), (self.slots[close - 1], branch)):
            last.next = [then] * len(last.ids)
        self.slots[close - 1].loops = True

    def say_end(self):
        groups = self.teacher.page.groups
        ids = [self.teacher.vocabulary.of_word(w) for w in groups[GROUP_END][0][0].split("|")]
        self.add(ids, FIRM).next[0] = None
        self.say(groups[GROUP_REMARK][0])
        self.slots[-1].next = [None] * len(self.slots[-1].ids)

    # [7], [8], [9]
    def row(self, state):
        slot, loop, wrong = self.slots[state >> 2], state >> 1 & 1, state & 1
        t, order = self.teacher, list(range(len(slot.ids)))
        if slot.role == "decision":
            order, profile = t.decision_order, t.profiles[DECISION, 2]
        elif slot.role == "branch":
            order = t.branch_order[loop]
            profile = t.profiles[LOOPING if loop else BRANCH, 3]
        else:
            if slot.role == "answer" and wrong:
                order = [1, 0]
            profile = t.profiles[slot.family, len(slot.ids)]
        flags = [(2 if slot.loops else 0) |
                 (1 if slot.role == "decision" and i == 1 else 0) for i in order]
        return Row(self, state, profile, [slot.ids[i] for i in order],
                   [slot.next[i] for i in order], flags)

    def next(self, state, x, row=None):
        """The state after an id; None when the answer has ended."""
        if x == EOS:
            return None
        row = row or self.row(state)
        c = row.ids.index(x) if x in row.ids else 0
        flags = (state & 3) | row.flags[c]
        slot = state >> 2 if row.following[c] is None else row.following[c]
        return slot << 2 | flags

    def prompt_ids(self):
        roles = {"system": 5, "developer": 5, "assistant": 7, "tool": 9}
        is_chat = self.messages[0][0] != "prompt"
        out = [1]
        for role, content in self.messages:
            body = self.teacher.vocabulary.encode(content.encode())
            out += [roles.get(role, 6), *body, 8] if is_chat else body
        if is_chat:
            out.append(7)
        if self.thinks and not self.teacher.opens:
            out.append(THINK)
        return out

    # [10]
    def draw(self, row, seed, position, T=1.0, top_k=0, top_p=1.0, min_p=0.0):
        sums, R, _ = row.profile.sampling(T, top_k, top_p, min_p)
        x = mix(H(self.key, 6, seed) ^ position)
        return row.id_of(bisect.bisect_right(sums, (x * sums[R - 1]) >> 64))

    def sample(self, seed, max_tokens=32768, stop=(), keep_special=False, **sampling):
        """(ids, finish reason, stop text or None, length of the raw text)."""
        ids, raw, state = [], b"", self.start
        stops = [s.encode() for s in stop if s]
        while len(ids) < max_tokens:
            row = self.row(state)
            x = self.draw(row, seed, len(ids), **sampling)
            ids.append(x)
            raw += self.teacher.vocabulary.raw([x], keep_special)
            state = self.next(state, x, row)
            found = [(raw.find(s), i) for i, s in enumerate(stops) if s in raw]
            if found:
                at, which = min(found)
                return ids, "stop", stops[which].decode(), raw[:at]
            if state is None:
                return ids, "stop", None, raw
        return ids, "length", None, raw


def text_of(content):
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content)
    return content or ""


class Teacher:
    """The model with its settings."""

    def __init__(self, correct=0.8, loops=0.02, length=1.0, opens=True, references=None,
                 page=PAGE):
        self.page = Page(page)
        self.vocabulary = Vocabulary(self.page)
        self.solver = Solver(self.page)
        self.length, self.opens = length, opens
        self.references = References(references) if references else None
        right, wait = rate(correct), rate(loops)
        self.profiles = {(f, n): Profile([family_weight(f, r) for r in range(n)])
                         for f in (FLAT, PEAKED, FIRM, SURE) for n in range(1, 9)}
        self.decision_order, head = ranked([right, 2**40 - right])
        self.profiles[DECISION, 2] = Profile(head)
        self.branch_order = {}
        for looping, weights in ((0, [2**40 - 2**38 - wait, 2**38, wait]),
                                 (1, [2**35 - 2**33, 2**33, 31 * 2**35])):
            self.branch_order[looping], head = ranked(weights)
            self.profiles[LOOPING if looping else BRANCH, 3] = Profile(head)

    def prompt(self, messages, thinks=True):
        return Prompt(self, messages, thinks)

    @staticmethod
    def parts(raw, takes_out=True):
        """[11] (reasoning or None, content or None) of a raw text, as kept."""
        text = raw.decode("utf-8", "replace")
        rest = text[7:] if text.startswith("<think>") else text
        if "</think>" in rest:
            reasoning, content = rest.split("</think>", 1)
            return reasoning.strip("\n"), content.strip("\n")
        if takes_out or rest != text:
            return rest.strip("\n"), None
        return None, text.strip("\n")


# ---- the check against a running teacher --------------------------------------------

class Failure(Exception):
    pass


def want(condition, message, *values):
    if not condition:
        raise Failure(message % values)


def post(url, path, body, key=None):
    request = urllib.request.Request(url + path, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    if key:
        request.add_header("Authorization", "Bearer " + key)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def near(a, b):
    return abs(a - b) <= 1e-12 * abs(b)


def list_as_vllm(row, x, k):
    """The sampled id, then rank 0 on, cut to k entries."""
    return ([x] + [i for i in row.top(k) if i != x])[:k]


def check_row(row, x, entry, k):
    want(entry["token"] == f"token_id:{x}", "token %s for id %d", entry["token"], x)
    want(near(entry["logprob"], row.logprob(x)), "logprob %r, twin %r", entry["logprob"],
         row.logprob(x))
    listed = [int(e["token"].split(":")[1]) for e in entry["top_logprobs"]]
    want(listed == list_as_vllm(row, x, k), "list %s, twin %s", listed,
         list_as_vllm(row, x, k))
    for i, e in zip(listed, entry["top_logprobs"]):
        want(near(e["logprob"], row.logprob(i)), "logprob %r of %d, twin %r", e["logprob"], i,
             row.logprob(i))
    if x in row.top(k):
        tail = 1 - math.fsum(math.exp(e["logprob"]) for e in entry["top_logprobs"])
        want(abs(tail - row.profile.tail(k)) < 1e-12, "tail %r, twin %r", tail,
             row.profile.tail(k))


def check_answer(teacher, url, messages, seed, k, sampling, key=None):
    body = {"model": "teacher", "messages": messages, "seed": seed, "max_tokens": 4096,
            "logprobs": True, "top_logprobs": k, "return_token_ids": True,
            "return_tokens_as_token_ids": True, **sampling}
    answer = post(url, "/v1/chat/completions", body, key)
    choice = answer["choices"][0]
    prompt = teacher.prompt(messages)
    ids = choice["token_ids"]
    rows = choice["logprobs"]["content"]
    want(answer["prompt_token_ids"] == prompt.prompt_ids(), "prompt ids differ")
    want(len(rows) == len(ids) == answer["usage"]["completion_tokens"],
         "%d rows, %d ids, usage %d", len(rows), len(ids), answer["usage"]["completion_tokens"])
    settings = {"T" if name == "temperature" else name: x for name, x in sampling.items()}
    drawn, finish, _, raw = prompt.sample(seed, 4096, **settings)
    want(drawn == ids, "the twin draws other tokens with seed %d", seed)
    want(choice["finish_reason"] == finish, "finish %s, twin %s", choice["finish_reason"], finish)
    state = prompt.start
    for position, (x, entry) in enumerate(zip(ids, rows)):
        want(state is not None, "the answer goes on behind its end")
        row = prompt.row(state)
        try:
            check_row(row, x, entry, k)
        except Failure as e:
            raise Failure(f"row {position}, state {state}: {e}") from None
        want(bytes(entry["bytes"]) == teacher.vocabulary.table[x], "bytes of id %d", x)
        state = prompt.next(state, x, row)
    want(raw == teacher.vocabulary.raw(ids), "the tokens are not the raw text")
    message = choice["message"]
    kept = teacher.parts(raw)
    want((message["reasoning"].strip("\n"), (message["content"] or "").strip("\n") or None)
         == (kept[0], kept[1] or None), "the texts are not those of the tokens")
    return len(ids), prompt.has_truth and same_answer(boxed(kept[1] or "") or "",
                                                      prompt.answer.decode())


# What the questions are asked with, in turns: candidates, and how to sample.
SETTINGS = [
    [(20, {"temperature": 1.0}), (5, {"temperature": 0.7})],
    [(20, {"temperature": 1.5}), (5, {"temperature": 0.0}), (0, {})],
    [(20, {}), (5, {"temperature": 0.7, "top_k": 3}), (3, {"top_p": 0.8})],
    [(20, {"temperature": 1.8, "min_p": 0.05}),
     (5, {"temperature": 1.3, "top_p": 0.9, "top_k": 6, "min_p": 0.1})],
]


def questions(count, seed):
    """Problems of the language, and prompts that are none."""
    dice = random.Random(seed)
    name = ["Mia", "Omar", "Zoé", "Chen"]
    for i in range(count):
        n, m, p = dice.randint(2, 2000), dice.randint(2, 50), dice.randint(2, 9)
        who = name[i % 4]
        yield [
            f"{who} has {n} apples. Then {who} buys {m} more. How many apples are there now?",
            f"There are {m} rows of {n} chairs in the hall. The number of chairs triples. "
            f"{n} of the chairs are broken. How many chairs does that leave?",
            f"{who} reads {n * p} pages a day for {m} days. After that, {who} shares them "
            f"equally among {p} friends. How many pages does each friend get?",
            f"Write a poem about the number {n},{m:03} and about naïve cafés in {m}.5 lines.",
            f"What do you think of {who}?\tAnd of \x01 control characters?",
        ][i % 5] + ("\nPut your final answer within \\boxed{}." if i % 2 else "")


def self_check(args):
    teacher = Teacher(args.correct, args.loops, args.length, not args.no_open_think,
                      args.references)
    url, n, tokens, right, known = args.self_check.rstrip("/"), 0, 0, 0, 0
    url = url[:-3] if url.endswith("/v1") else url
    asked = list(questions(args.count, args.seed))
    if args.corpus:
        with open(args.corpus, encoding="utf-8") as f:
            asked += [json.loads(line)["question"] for line in f][:args.count]
    for i, question in enumerate(asked):
        messages = [{"role": "user", "content": question}]
        if i % 3 == 0:
            messages.insert(0, {"role": "system", "content": "You are brief."})
        for k, sampling in SETTINGS[i % len(SETTINGS)]:
            try:
                length, is_right = check_answer(teacher, url, messages, args.seed + i, k,
                                                sampling, args.api_key)
            except Failure as e:
                print(f"teacher_twin: {question!r} {sampling} k={k}: {e}", file=sys.stderr)
                return 1
            n, tokens, right = n + 1, tokens + length, right + is_right
            known += teacher.prompt(messages).has_truth
    print(f"{n} answers, {tokens} rows: all as the twin has them; {right} of {known} right")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--self-check", metavar="URL", required=True)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--corpus", help="ask the questions of this file, too")
    parser.add_argument("--api-key")
    parser.add_argument("--correct", type=float, default=0.8)
    parser.add_argument("--loops", type=float, default=0.02)
    parser.add_argument("--length", type=float, default=1.0)
    parser.add_argument("--no-open-think", action="store_true")
    parser.add_argument("--references")
    try:
        return self_check(parser.parse_args())
    except urllib.error.URLError as e:
        print(f"teacher_twin: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
