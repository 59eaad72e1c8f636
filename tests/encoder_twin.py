# SPDX-License-Identifier: Apache-2.0
"""Text to token ids by a tokenizer.json, a second time: short and slow, for tests.

It shares nothing with common/text_encoder*.c but the meaning of the file. Words are found by
Debian's python3-regex, normal forms by unicodedata; merges are done by looking at all
pairs of a word again and again.
"""
import collections
import glob
import os
import re
import sys
import unicodedata

try:
    import regex
except ImportError as missing:
    sys.exit("SKIPPED: %s (python3-regex)" % missing)

GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
OWN = [*range(33, 127), *range(161, 173), *range(174, 256)]
LETTER_OF = {b: chr(b) for b in OWN}
LETTER_OF.update({b: chr(256 + i)
                  for i, b in enumerate(x for x in range(256) if x not in OWN)})
# White_Space, which is what \s means to the engine that the library has.
SPACE = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"


def library():
    """PyPI's Tokenizer class, or None, which is said."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path += glob.glob(os.path.join(here, "../build/tokenizers/lib/python3*/site-packages"))
    try:
        from tokenizers import Tokenizer
        return Tokenizer
    except ImportError as missing:
        print("SKIPPED: the library itself: %s (tests/tokenizers.sh)" % missing)
        return None


def compiled(pattern):
    if "String" in pattern:
        return regex.compile(regex.escape(pattern["String"]))
    # One meaning of \s, also where it is negated.
    text = pattern["Regex"].replace(r"[^\s", "[^" + SPACE[1:-1]).replace(r"\S", "[^%s]" % SPACE[1:-1])
    return regex.compile(text.replace(r"\s", SPACE), regex.V0)


def flat(step, key):
    if step is None:
        return []
    if step["type"] == "Sequence":
        return [x for one in step[key] for x in flat(one, key)]
    return [step]


def cut(text, matches, behavior, invert=False):
    """Pieces of a text, as Split has them."""
    spans, done = [], 0
    for start, end in matches:
        if done < start:
            spans.append([text[done:start], invert])
        spans.append([text[start:end], not invert])
        done = end
    if done < len(text):
        spans.append([text[done:], invert])
    if behavior == "Removed":
        return [s for s, is_match in spans if not is_match and s]
    if behavior == "Isolated":
        return [s for s, _ in spans if s]
    out, last = [], False
    back = behavior == "MergedWithNext"
    for s, is_match in reversed(spans) if back else spans:
        joins = is_match == last if behavior == "Contiguous" else is_match and not last
        if joins and out:
            out[-1] = s + out[-1] if back else out[-1] + s
        else:
            out.append(s)
        last = is_match
    return [s for s in (reversed(out) if back else out) if s]


class Twin:
    def __init__(self, file):
        self.normal = flat(file["normalizer"], "normalizers")
        self.steps = flat(file["pre_tokenizer"], "pretokenizers")
        self.model = file["model"]
        self.vocab = self.model["vocab"]
        self.by_bytes = any(s["type"] == "ByteLevel" for s in self.steps)
        merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m)
                  for m in self.model["merges"]]
        self.rank = {pair: i for i, pair in enumerate(merges)}
        tokens = sorted(file["added_tokens"], key=lambda t: not t["special"])
        self.raw = self.finder([t for t in tokens if not t["normalized"]], False)
        self.late = self.finder([t for t in tokens if t["normalized"]], True)

    def finder(self, tokens, normalise):
        by = {}
        for t in tokens:
            by.setdefault(self.normalise(t["content"]) if normalise else t["content"], t)
        longest = sorted(by, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest))) if by else None, by

    def normalise(self, text):
        for step in self.normal:
            if not text:
                break
            if step["type"] == "Prepend":
                text = step["prepend"] + text
            elif step["type"] == "Replace":
                text = compiled(step["pattern"]).sub(
                    lambda _, step=step: step["content"], text)
            else:
                text = unicodedata.normalize(step["type"], text)
        return text

    @staticmethod
    def pieces(found, text):
        """(text or added token, where it begins)"""
        finder, by = found
        done = 0
        for m in finder.finditer(text) if finder else ():
            t, (start, end) = by[m[0]], m.span()
            if t["single_word"]:
                word = regex.compile(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]")
                if start and word.match(text[start - 1]) or word.match(text[end:end + 1]):
                    continue
            if t["lstrip"]:
                start = max(done, re.search("%s*\\Z" % SPACE, text[:start]).start())
            if t["rstrip"]:
                end += re.match("%s*" % SPACE, text[end:]).end()
            if done < start:
                yield text[done:start], done
            yield t, start
            done = end
        if done < len(text):
            yield text[done:], done

    def words(self, text, first=True):
        """What the pre-tokenizer makes of a normal text."""
        parts = [(self.normalise(text) if first is True else text, bool(first))]
        for step in self.steps:
            new = []
            for part, first_part in parts:
                kind, made = step["type"], None
                if kind == "Metaspace":
                    part = part.replace(" ", step["replacement"])
                    wanted = {"always": True, "first": first_part, "never": False}
                    if wanted[step["prepend_scheme"]] and part[0] != step["replacement"]:
                        part = step["replacement"] + part
                    made = cut(part, [m.span() for m in re.finditer(step["replacement"], part)],
                               "MergedWithNext") if step["split"] else [part]
                elif kind == "ByteLevel":
                    if step["add_prefix_space"] and part[0] != " ":
                        part = " " + part
                    made = ([m[0] for m in compiled({"Regex": GPT2}).finditer(part)]
                            if step.get("use_regex", True) else [part])
                    assert "".join(made) == part
                elif kind == "Digits":
                    made = cut(part, [m.span() for m in regex.finditer(r"\p{N}", part)],
                               "Isolated" if step["individual_digits"] else "Contiguous")
                else:
                    found = [m.span() for m in compiled(step["pattern"]).finditer(part)]
                    made = cut(part, found, step["behavior"], step["invert"])
                new += [(w, first_part and i == 0) for i, w in enumerate(made)]
            parts = new
        if self.by_bytes:
            return ["".join(LETTER_OF[b] for b in w.encode()) for w, _ in parts]
        return [w for w, _ in parts]

    def symbols(self, word):
        out, unknown = [], 0
        for c in word:
            raw = ["<0x%02X>" % b for b in c.encode()]
            if c in self.vocab:
                out += ["<unk>"] * unknown + [c]
                unknown = 0
            elif self.model["byte_fallback"] and all(b in self.vocab for b in raw):
                out += raw
            elif self.model["unk_token"]:
                unknown = 1 if self.model["fuse_unk"] else unknown + 1
        return out + ["<unk>"] * unknown

    def word_ids(self, word):
        if self.model.get("ignore_merges") and word in self.vocab:
            return [self.vocab[word]]
        parts = self.symbols(word)
        while True:
            ranks = [(self.rank[pair], i) for i, pair in enumerate(zip(parts, parts[1:]))
                     if pair in self.rank]
            if not ranks:
                return [self.vocab[p] for p in parts]
            _, i = min(ranks)
            parts[i:i + 2] = [parts[i] + parts[i + 1]]

    def encode(self, text):
        ids = []
        for stretch, at in self.pieces(self.raw, text):
            if isinstance(stretch, dict):
                ids.append(stretch["id"])
                continue
            for piece, inner in self.pieces(self.late, self.normalise(stretch)):
                if isinstance(piece, dict):
                    ids.append(piece["id"])
                    continue
                for word in self.words(piece, first=None if at or inner else 1):
                    ids += self.word_ids(word)
        return ids


def train(words, pieces, n_merges):
    """Pieces and merges from words, the most frequent pair first."""
    vocab = {p: i for i, p in enumerate(pieces)}
    counts = collections.Counter(words)
    for c in sorted({c for w in counts for c in w if ord(c) < 0x3000}):
        vocab.setdefault(c, len(vocab))
    parts = {w: [c for c in w if c in vocab] for w in counts}
    merges = []
    while len(merges) < n_merges:
        pairs = collections.Counter()
        for w, p in parts.items():
            for pair in zip(p, p[1:]):
                pairs[pair] += counts[w]
        if not pairs:
            break
        best = max(pairs, key=lambda x: (pairs[x], x))
        merges.append(best)
        vocab.setdefault(best[0] + best[1], len(vocab))
        for p in parts.values():
            i = 0
            while i + 1 < len(p):
                if (p[i], p[i + 1]) == best:
                    p[i:i + 2] = [p[i] + p[i + 1]]
                i += 1
    return vocab, merges
