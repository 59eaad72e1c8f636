#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Text to token ids, against a twin in Python and against PyPI's `tokenizers`.

usage: test_encoder.py PROMPT_TOOL

Small tokenizers of each kind are trained here, on text that is made here. The twin
(tests/encoder_twin.py) knows how pieces, merges and words go together, and no C; where
tests/tokenizers.sh has fetched the library that the files are made for, its ids must be
the same too.
"""
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import encoder_twin
from encoder_twin import Twin

LOWER = "\u2581"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
LETTERS = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
           r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
         "use_regex": False}


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior,
            "invert": invert}


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


def words(*steps):
    return sequence("pretokenizers", *steps)


def metaspace(scheme, splits):
    return {"type": "Metaspace", "replacement": LOWER, "prepend_scheme": scheme,
            "split": splits}


SIGNS = {"type": "Replace", "pattern": {"String": " "}, "content": LOWER}
LLAMA2 = sequence("normalizers", {"type": "Prepend", "prepend": LOWER}, SIGNS)
# name: normalizer, pre-tokenizer, members of the model
KINDS = {
    "gpt2": (None, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}, {}),
    "prefix": (None, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                      "use_regex": True}, {}),
    "llama3": (None, words(split(LLAMA3), LEVEL), {"ignore_merges": True}),
    "qwen": ({"type": "NFC"}, words(split(QWEN), LEVEL), {}),
    "letters": (None, words(split(LETTERS), LEVEL), {}),
    "deepseek": (None, words(split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u30ff]+"),
                             split(r"\s*\p{L}+|[!-/:-@]+|\s+$"), LEVEL), {}),
    "digits": (None, words({"type": "Digits", "individual_digits": True}, LEVEL), {}),
    "numbers": ({"type": "NFKC"}, words({"type": "Digits", "individual_digits": False},
                                        dict(LEVEL, use_regex=True)), {}),
    "behaviors": (None, words(split(r"[,;]", "Removed"), split(r"\n", "MergedWithPrevious"),
                              split(r"[(\[]", "MergedWithNext"), split("[aeiou]", "Contiguous"),
                              split(r"\p{L}+", "Isolated", True), LEVEL), {}),
    "llama2": (LLAMA2, None, {"byte_fallback": True, "fuse_unk": True}),
    "phi": (LLAMA2, None, {"byte_fallback": True, "added": "rstrip"}),
    "mistral": (None, metaspace("first", False), {"byte_fallback": True, "fuse_unk": True}),
    "metaspace": (None, metaspace("always", True), {"byte_fallback": True}),
    "never": ({"type": "NFD"}, metaspace("never", True), {"fuse_unk": True}),
    "gemma": (SIGNS, {"type": "Split", "pattern": {"String": " "},
                      "behavior": "MergedWithPrevious", "invert": False},
              {"byte_fallback": True, "fuse_unk": True}),
    "unknown": (LLAMA2, None, {}),
    "fused": ({"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": LOWER},
              words(split("x|y", "MergedWithNext")), {"fuse_unk": True}),
    "dropped": (SIGNS, None, {"no_unk": True}),
}

SCRIPTS = ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLM", "0123456789", "éèüßñçåø",
           "абвгдежзиклмн", "αβγδεζηθ", "日本語中文漢字的是不", "ひらがなカタカナー",
           "한국어조선말", "العربية", "हिन्दी", "ไทย", "😀🎉👩‍👧🇩🇪✨",
           "e\u0301a\u0308o\u0302n\u0303", "½²³ⅷ①", "\u1100\u1161\u11a8"]
CODE = ['def f(x, *args):\n    return {"a": [x, 1.5e-3]}\n\n', "if (a && b[i] != '\\0') {\n",
        "\t\tfor (int i = 0; i < 100; i++)\r\n", "<div class='x'>it's we'll I'M they'Ve</div>",
        "SELECT * FROM t WHERE x>=10;\n", "x = 12345678 + 0xff  # 3.14159\n"]
SPACES = [" ", "  ", "    ", " " * 40, "\n", "\n\n", "\t", "\r\n", "\u3000", "\u00a0", " \n ",
          "\u2028", "\u180e", "\x85", "\u200b"]


def word(rng):
    return "".join(rng.choice(rng.choice(SCRIPTS[:rng.choice([1, 2, 5, 16])]))
                   for _ in range(rng.randint(1, 9)))


def prose(rng, n):
    """Letters by Zipf's law, so that there is something to merge."""
    common = [word(rng) for _ in range(60)]
    return "".join(rng.choice(common[:rng.choice([4, 15, 60])]) +
                   rng.choice([" ", " ", " ", ". ", ", ", "\n", "'s ", "! "]) for _ in range(n))


def any_text(rng):
    """Random bytes, as far as they are UTF-8."""
    return bytes(rng.choice([rng.randrange(256), rng.randrange(0x20, 0x7f), 0xe2, 0x96, 0x81])
                 for _ in range(rng.randint(1, 60))).decode("utf-8", "ignore")


def mixed(rng, marks):
    parts = []
    for _ in range(rng.randint(1, 12)):
        parts.append(rng.choice([
            lambda: prose(rng, rng.randint(1, 12)), lambda: rng.choice(CODE),
            lambda: rng.choice(SPACES) * rng.randint(1, 3), lambda: any_text(rng),
            lambda: chr(rng.choice([rng.randrange(0xa0, 0xd800), rng.randrange(0x10000, 0x20000)])),
            lambda: rng.choice(marks), lambda: rng.choice(marks) + rng.choice(SPACES),
            lambda: rng.choice(marks)[:-1], lambda: rng.choice(["<0x0A>", LOWER, LOWER * 3])])())
    # The three have their own ideas of what was assigned last.
    return "".join(c for c in "".join(parts) if unicodedata.category(c) != "Cn")


def added_tokens(first, flags):
    """Marks of all kinds; one is the beginning of another, one begins with blanks."""
    marks = [("<|im_start|>", {}), ("<|im_end|>", {}), ("<|im|>", {}), ("<|im|>x", {}),
             ("<s>", {}), ("[INST]", {}), ("    ", {"special": False}),
             ("left", {"lstrip": True}), ("right", {"rstrip": True}),
             ("both", {"lstrip": True, "rstrip": True}), ("whole", {"single_word": True}),
             ("New York", {"normalized": True, "special": False}),
             ("caf\u00e9", {"normalized": True, "special": False, "single_word": True})]
    return [{"id": first + i, "content": text, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True,
             **({"rstrip": True} if flags == "rstrip" and text[0] == "<" else {}), **more}
            for i, (text, more) in enumerate(marks)]


def make(name, rng):
    normalizer, pre, model = KINDS[name]
    model = dict(model)
    flags = model.pop("added", None)
    no_unk = model.pop("no_unk", False)
    by_bytes = '"ByteLevel"' in json.dumps(pre)
    pieces = [] if by_bytes or no_unk else ["<unk>"]
    if by_bytes:
        pieces += sorted(encoder_twin.LETTER_OF.values())
    if model.get("byte_fallback"):
        pieces += ["<0x%02X>" % i for i in range(256)]
    text = prose(rng, 2500) + "".join(CODE) * 3 + "".join(SPACES) * 2
    twin = Twin({"normalizer": normalizer, "pre_tokenizer": pre, "added_tokens": [],
                 "model": {"vocab": {}, "merges": []}})
    vocab, merges = encoder_twin.train(
        twin.words(text[:4000] if pre is None else text), pieces, 220)
    size = max(vocab.values()) + 1
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": added_tokens(size, flags), "normalizer": normalizer,
            "pre_tokenizer": pre,
            "post_processor": {"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "E", "type_id": 0}}], "pair": [
                    {"Sequence": {"id": "A", "type_id": 0}},
                    {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {
                    "<s>": {"id": "<s>", "ids": [size + 4], "tokens": ["<s>"]},
                    "E": {"id": "E", "ids": [size, size + 1],
                          "tokens": ["<|im_start|>", "<|im_end|>"]}}},
            "decoder": None,
            "model": {"type": "BPE", "dropout": None,
                      "unk_token": "<unk>" if "<unk>" in vocab else None,
                      "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, **model, "vocab": vocab,
                      "merges": ["%s %s" % m for m in merges] if rng.random() < 0.5
                      else [list(m) for m in merges]}}


def run(tool, path, texts, *args):
    done = subprocess.run([tool, "encode", path, *args], capture_output=True, text=True,
                          input="".join(json.dumps(t) + "\n" for t in texts), check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n")[:-1]]


def check_kind(tool, folder, name, library):
    rng = random.Random(name)
    made = make(name, rng)
    path = os.path.join(folder, name + ".json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(made, f, ensure_ascii=rng.random() < 0.5)
    marks = [t["content"] for t in made["added_tokens"]]
    texts = ["", " ", "  a", "left", "  left  x", "whole", "awhole whole.", LOWER + "a",
             *SPACES, *SCRIPTS, *CODE, "<0x0A>", "a\0b", "New York New  York xNew York",
             "cafe\u0301 caf\u00e9s"] + [mixed(rng, marks) for _ in range(400)]
    if "Split" in json.dumps(made["pre_tokenizer"]) or made["pre_tokenizer"] is None:
        texts += [" " * 3000, "a" * 3000, "ab " * 1000]
    got = run(tool, path, texts)
    assert len(got) == len(texts)
    oracle = library.from_str(json.dumps(made)) if library else None
    twin = Twin(made)
    n = 0
    for text, ids in zip(texts, got):
        if len(text) < 1000:
            assert ids == twin.encode(text), (name, "twin", text, ids, twin.encode(text))
        if oracle:
            want = oracle.encode(text, add_special_tokens=False).ids
            assert ids == want, (name, "tokenizers", text, ids, want)
        n += len(ids)
    special = run(tool, path, texts[:40], "special")
    first = made["added_tokens"][0]["id"]
    for text, plain, ids in zip(texts, got, special):
        assert ids == [first + 4, *plain, first, first + 1], (name, text)
        if oracle:
            assert ids == oracle.encode(text).ids, (name, text)
    return n


WRONG = [
    (lambda t: t["model"].update(type="Unigram"), "model.type: \"Unigram\" is not offered"),
    (lambda t: t["model"].update(dropout=0.1), "model.dropout: must be null"),
    (lambda t: t["model"].update(end_of_word_suffix="</w>"), "a end_of_word_suffix"),
    (lambda t: t["model"].update(merges=["a b c"]), "model.merges[0]: must be two pieces"),
    (lambda t: t["model"].update(merges=[["a", "nowhere"]]), "\"nowhere\" is not in the vocab"),
    (lambda t: t["model"].update(unk_token="no"), "model.unk_token: \"no\" is not in"),
    (lambda t: t.update(normalizer={"type": "Lowercase"}),
     "normalizer: a step \"Lowercase\" is not offered"),
    (lambda t: t.update(normalizer=sequence("normalizers", {"type": "NFC"},
                                            {"type": "Precompiled"})),
     "normalizer.normalizers[1]: a step \"Precompiled\""),
    (lambda t: t.update(pre_tokenizer=words(LEVEL, {"type": "Digits"})),
     "pre_tokenizer.pretokenizers[1]: a step behind ByteLevel"),
    (lambda t: t.update(pre_tokenizer={"type": "Whitespace"}), "a step \"Whitespace\""),
    (lambda t: t.update(pre_tokenizer=split("(")), "pre_tokenizer.pattern: regular expression"),
    (lambda t: t.update(pre_tokenizer=split("a", "Gone")), "behavior: \"Gone\" is not known"),
    (lambda t: t["added_tokens"].append({"id": 0, "content": "a"}), "and %d in the vocab"),
    (lambda t: t["added_tokens"].append({"id": 1 << 30, "content": "q"}), "an id must be"),
]


def refusals(tool, folder):
    for change, words_said in WRONG:
        made = make("gpt2", random.Random(1))
        change(made)
        path = os.path.join(folder, "wrong.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(made, f)
        done = subprocess.run([tool, "encode", path], capture_output=True, text=True,
                              input="", check=False)
        want = words_said.replace("%d", str(made["model"]["vocab"]["a"]))
        assert done.returncode == 2 and want in done.stderr, (want, done.stderr)
    with open(path, "w", encoding="utf-8") as f:
        f.write('{"a":\n1,}')
    done = subprocess.run([tool, "encode", path], capture_output=True, text=True,
                          input="", check=False)
    assert "wrong.json:2:" in done.stderr, done.stderr


def main():
    tool = sys.argv[1]
    library = encoder_twin.library()
    n = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[2:] or KINDS:
            n += check_kind(tool, folder, name, library)
        refusals(tool, folder)
    print("%d kinds, %d ids as the twin has them%s" % (
        len(KINDS), n, ", and the library" if library else ""))


if __name__ == "__main__":
    main()
