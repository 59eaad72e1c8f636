# SPDX-License-Identifier: Apache-2.0
"""The words of the teacher's twin: hashes, vocabulary, answers, problems.

The first half of teacher_twin.py; what is said there holds here.
"""
import json
import os
import re
from fractions import Fraction

V = 32768
MASK = (1 << 64) - 1
EOS, THINK, END_THINK = 2, 3, 4
WHITE = " \t\n\v\f\r"
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "deploy",
                    "teacher", "MODEL.md")


# ---- [1] hashes ---------------------------------------------------------------------

def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def H(first, *rest):
    h = mix(first)
    for value in rest:
        h = mix(h ^ (value & MASK))
    return h


# ---- the tables of the page ---------------------------------------------------------

def fenced(page, name):
    return re.search(r"^```" + name + r"\n(.*?)^```", page, re.M | re.S).group(1)


def piece_bytes(word):
    """An alternative in the notation of [6] as bytes; None for @ID."""
    if word.startswith("@"):
        return None
    if word.startswith("^") and len(word) > 1:
        return bytes.fromhex(word[1:])
    if word.startswith("_"):
        word = " " + word[1:]
    return word.replace("\\n", "\n").encode()


class Page:
    def __init__(self, path=PAGE):
        with open(path, encoding="utf-8") as f:
            page = f.read()
        self.lead_ins = [line.encode().split() for line in fenced(page, "lead-ins").splitlines()]
        self.rules = []
        for line in fenced(page, "rules").splitlines():
            sign, value, pattern = line[0], line[1:5].strip(), line[5:].split()
            self.rules.append((sign, int(value) if value else None,
                               [word.encode() for word in pattern]))
        self.groups = []
        names = []
        for line in fenced(page, "sentences").splitlines():
            name, text = line.split(None, 1)
            if name not in names:
                names.append(name)
                self.groups.append([])
            self.groups[names.index(name)].append(text.split())


# ---- [2] vocabulary -----------------------------------------------------------------

MARKS = """<pad> <bos> <eos> <think> </think> <|system|> <|user|> <|assistant|> <|end|>
<|tool|> <unk> <mask> <sep> <cls> <|image|> <|audio|>""".split()
SMALL = "abcdefghijklmnopqrstuvwxyz"


def byte_token(b):
    if (b < 32 and b not in (9, 10)) or b == 127:
        return chr(0x2421 if b == 127 else 0x2400 + b).encode()
    return bytes([b])


class Vocabulary:
    def __init__(self, page):
        table = [m.encode() for m in MARKS]
        table += [byte_token(b) for b in range(256)]
        table += [(a + b).encode() for a in SMALL for b in SMALL]
        table += [(" " + c).encode() for c in SMALL.upper() + SMALL]
        table += [f"<|extra_{i}|>".encode() for i in range(24)]
        assert len(table) == 1024
        known = set(table)
        for group in page.groups:
            for sentence in group:
                for piece in sentence:
                    if len(piece) == 2 and piece[0] in "#%":
                        continue
                    for word in piece.split("|"):
                        raw = piece_bytes(word)
                        if raw is not None and raw not in known:
                            known.add(raw)
                            table.append(raw)
        self.n_words = len(table) - 1024
        for x in range(len(table), V - 1):
            n = x - 1024
            syllables = [n % 64, n // 64 % 64] + ([n // 4096] if n >= 4096 else [])
            table.append((" " + "".join("bdfgklmnprstvzxj"[i // 4] + "aiou"[i % 4]
                                        for i in syllables)).encode())
        table.append(b" so")
        self.table = table
        self.ids = {}
        for x in range(V - 1, -1, -1):
            self.ids[table[x]] = x

    def of_word(self, word):
        return int(word[1:]) if word.startswith("@") else self.ids[piece_bytes(word)]

    @staticmethod
    def is_special(x):
        return (x < 16 and x not in (THINK, END_THINK)) or 1000 <= x < 1024

    def encode(self, raw):
        """[3] token ids of a text."""
        out, at, run = [], 0, re.compile(rb" ?[A-Za-z]+")
        while at < len(raw):
            m = run.match(raw, at)
            x = self.ids.get(m.group()) if m else None
            if x is not None and 1024 <= x < 1024 + self.n_words:
                out.append(x)
                at = m.end()
            elif re.match(rb"[a-z][a-z]", raw[at:at + 2]):
                out.append(272 + 26 * (raw[at] - 97) + raw[at + 1] - 97)
                at += 2
            elif re.match(rb" [A-Za-z]", raw[at:at + 2]):
                out.append(948 + (SMALL.upper() + SMALL).index(chr(raw[at + 1])))
                at += 2
            else:
                out.append(16 + raw[at])
                at += 1
        return out

    def raw(self, ids, keep_special=False):
        """[11] the raw text of some tokens."""
        return b"".join(self.table[x] for x in ids
                        if keep_special or not self.is_special(x))


# ---- [4] answers --------------------------------------------------------------------

def plain_number(text):
    """The plain form, or None."""
    text = text.strip(WHITE)
    if text.endswith("."):
        text = text[:-1]
    m = re.fullmatch(r"(-\$|\$-|-|\$)?((?:\d(?:,(?=\d))?)*)(\.\d+)?", text, re.A)
    if not m or not re.search(r"\d", text, re.A):
        return None
    plain = ("-" if "-" in (m.group(1) or "") else "") + m.group(2).replace(
        ",", "") + (m.group(3) or "")
    return plain if len(plain) < 48 else None


def with_commas(plain):
    m = re.fullmatch(r"(-?)(\d*)(.*)", plain)
    if not m.group(2):
        return plain
    sign, digits, rest = m.groups()
    head = len(digits) % 3 or 3
    parts = [digits[:head]] + [digits[i:i + 3] for i in range(head, len(digits), 3)]
    grouped = sign + ",".join(parts) + rest
    return grouped if len(grouped) < 48 else plain


def same_answer(a, b):
    pa, pb = plain_number(a), plain_number(b)
    if pa is None or pb is None:
        return a == b
    return Fraction(pa) == Fraction(pb)


def boxed(text):
    """The inside of the last balanced \\boxed{...}, or None."""
    at = len(text)
    while True:
        at = text.rfind("\\boxed{", 0, at)
        if at < 0:
            return None
        depth = 1
        for i in range(at + 7, len(text)):
            depth += (text[i] == "{") - (text[i] == "}")
            if depth == 0:
                return text[at + 7:i]
        if at == 0:
            return None
        at += 6


class References:
    def __init__(self, path):
        self.pairs = []
        with open(path, encoding="utf-8") as f:
            for line in f:
                try:
                    self.add(json.loads(line))
                except ValueError:
                    pass

    @staticmethod
    def last(messages, role):
        for m in reversed(messages if isinstance(messages, list) else []):
            if isinstance(m, dict) and m.get("role") == role:
                return str(m.get("content") or "")
        return ""

    def first_of(self, line, names):
        for name in names:
            value = line.get(name)
            if isinstance(value, str):
                return value
            if isinstance(value, list):
                return self.last(value, "user")
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return "%.15g" % value
        return ""

    def add(self, line):
        if not isinstance(line, dict):
            return
        question = self.first_of(line, ("question", "problem", "prompt", "instruction",
                                        "query", "text")).strip(WHITE)
        answer = self.first_of(line, ("answer", "reference", "solution", "output", "response",
                                      "canonical_solution")).strip(WHITE)
        question = question or self.last(line.get("messages"), "user").strip(WHITE)
        answer = answer or self.last(line.get("messages"), "assistant").strip(WHITE)
        if not question or not answer:
            return
        if "####" in answer:
            answer = answer[answer.rfind("####") + 4:]
        elif boxed(answer) is not None:
            answer = boxed(answer)
        self.pairs.append((question, answer.strip(WHITE)))

    def find(self, text):
        best = None
        for question, answer in self.pairs:
            if (best is None or len(question.encode()) > best[0]) and question in text:
                best = (len(question.encode()), answer)
        return best[1] if best else None


# ---- [5] problems -------------------------------------------------------------------

class NotAProblem(Exception):
    pass


def number_word(word):
    if word.startswith(b"$"):
        word = word[1:]
    if not re.fullmatch(rb"[0-9][0-9,]*", word):
        return None
    n = int(word.replace(b",", b""))
    return n if n <= 10**15 else None


def fits(words, pattern):
    if len(words) != len(pattern):
        return None
    numbers = []
    for word, part in zip(words, pattern):
        if part == b"#":
            n = number_word(word)
            if n is None:
                return None
            numbers.append(n)
        elif part != b"_" and part != word:
            return None
    return numbers


class Solver:
    def __init__(self, page):
        self.page = page

    def solve(self, text):
        """(steps, answer), or None if it is not a problem."""
        self.value, self.is_set, self.is_asked, self.steps = 0, False, False, []
        try:
            for sentence, asks in self.sentences(text.encode()):
                self.read(sentence, asks)
        except NotAProblem:
            return None
        return (self.steps, self.value) if self.is_set and self.is_asked else None

    @staticmethod
    def sentences(raw):
        start = 0
        for m in re.finditer(rb"[?!\n]|\.", raw):
            i = m.start()
            if m.group() == b"." and i > start and i + 1 < len(raw) and \
                    raw[i - 1:i].isdigit() and raw[i + 1:i + 2].isdigit():
                continue
            yield raw[start:i], m.group() == b"?"
            start = i + 1
        yield raw[start:], False

    def read(self, sentence, asks):
        words = [w.strip(b",;:\"'()*") for w in re.split(rb"[ \t\r]+", sentence)]
        words = [w.lower() for w in words if w]
        has_digit = re.search(rb"[0-9]", sentence) is not None
        if asks and words and words[0] == b"how":
            if self.is_asked or has_digit:
                raise NotAProblem
            self.is_asked = True
            return
        too_long = len(words) > 24 or any(len(w) > 31 for w in words)
        for lead_in in self.page.lead_ins:
            if words[:len(lead_in)] == lead_in:
                words = words[len(lead_in):]
                break
        for sign, value, pattern in [] if too_long else self.page.rules:
            numbers = fits(words, pattern)
            if numbers is not None:
                self.apply(sign, value, numbers)
                return
        if has_digit:
            raise NotAProblem

    def apply(self, sign, value, numbers):
        sets = sign in "=x"
        if sets == self.is_set:
            raise NotAProblem
        self.is_set = True
        if sign == "=":
            self.value = numbers[0]
        elif sign == "x":
            self.step(numbers[0], "*", numbers[1])
        else:
            self.step(self.value, sign, numbers[0] if value is None else value)

    def step(self, left, sign, right):
        if len(self.steps) == 8 or (sign == "/" and (right == 0 or left % right)):
            raise NotAProblem
        result = {"+": lambda: left + right, "-": lambda: left - right,
                  "*": lambda: left * right, "/": lambda: left // right}[sign]()
        if abs(result) > 10**15:
            raise NotAProblem
        self.steps.append((left, sign, right, result))
        self.value = result
