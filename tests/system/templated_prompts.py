#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prompt ids that a tokenizer.json and its chat template make, in trainers' exports.

usage: templated_prompts.py RETORT [TEST...]

The built-in teacher's way to make a prompt of messages, which tests/teacher_twin.py
knows, is written as a tokenizer.json and a chat template. What they make must be what the
server tells where it tells ids, and what the twin says where it does not. Tools and
template arguments are rendered by Jinja and encoded by tests/encoder_twin.py.
"""
import json
import os
import random
import re

from rig import OwnTeacher, Rig, Server, main
import encoder_twin  # in the folder above, which rig knows
from teacher_twin import Teacher, V
from test_template import environment
from trainer_exports import check_shape, check_sequence, check_top_1, load

K = 8
VOCABULARY = Teacher().vocabulary
TABLE = VOCABULARY.table
KNOWN = [TABLE[x].decode() for x in range(1024, 1024 + VOCABULARY.n_words)
         if re.fullmatch(rb" [A-Za-z]{3,}", TABLE[x])]
TEMPLATE = """\
{{- bos_token }}
{%- for message in messages %}
    {%- set role = message.role if message.role in ["system", "assistant", "tool"] else "user" %}
    {{- "<|" + role + "|>" + message.content + eos_of_turn | default("<|end|>") }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- "<|assistant|>" }}
{%- endif %}
"""
TOOLS = """\
{%- for tool in tools or [] %}{{ tool | tojson(indent=1) }}{% endfor %}
{%- for message in messages %}
{{ message.role }}: {{ message.content }}
{%- for call in message.tool_calls or [] %}{{ call.function.arguments | tojson }}{% endfor %}
{%- endfor %}
{{ "think" if enable_thinking else "do not" }} {{ effort }}
"""


def tokenizer(whole=False):
    """Words of the teacher that it knows are whole; all else is bytes. `whole`: with the
    other ids, which no prompt here has."""
    letters = encoder_twin.LETTER_OF
    vocab = {letters[b]: 16 + b for b in range(256)}
    for x in range(272, V - 1 if whole else 1024 + VOCABULARY.n_words):
        if not VOCABULARY.is_special(x):
            vocab.setdefault("".join(letters[b] for b in TABLE[x]), x)
    added = [x for x in [*range(16), *range(1000, 1024)] if VOCABULARY.is_special(x) or x < 16]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": False}
    return {"version": "1.0", "normalizer": None, "post_processor": None, "decoder": level,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": " ?[A-Za-z]+"}, "behavior": "Isolated",
                 "invert": False}, level]},
            "added_tokens": [{"id": x, "content": TABLE[x].decode(), "single_word": False,
                              "lstrip": False, "rstrip": False, "normalized": False,
                              "special": True} for x in added],
            "model": {"type": "BPE", "ignore_merges": True, "byte_fallback": False,
                      "unk_token": None, "fuse_unk": False, "vocab": vocab, "merges": []}}


def files(r, template=TEMPLATE, **changes):
    r.write("tokenizer.json", json.dumps(tokenizer(**changes)))
    r.write("tokenizer_config.json", json.dumps({
        "bos_token": {"content": "<bos>"}, "eos_token": "<eos>", "chat_template": template}))
    return r.path("tokenizer.json")


def text(rng):
    return "".join(rng.choice([lambda: rng.choice(KNOWN), lambda: " %d" % rng.randrange(999),
                               lambda: rng.choice([".", ",", "?", "\n", " é", "日本"])])()
                   for _ in range(rng.randint(3, 25)))


def start(r, t, n=12, logits=None, **changes):
    rng = random.Random(7)
    r.corpus([{"id": "p%d" % i, "messages": [
        *([{"role": "system", "content": text(rng)}] if i % 3 == 0 else []),
        {"role": "user", "content": text(rng)},
        *([{"role": "assistant", "content": text(rng)}, {"role": "user", "content": text(rng)}]
          if i % 4 == 0 else [])]} for i in range(n)])
    r.job(t.port, sampling={"temperature": 0, "max_tokens": 60},
          logits={"top_logprobs": K, "profile": "exact", **(logits or {})}, **changes)
    r.run()
    return r.export("--logits")


def is_hex(digest):
    return re.fullmatch("[0-9a-f]{16}", digest) and int(digest, 16) > 0


def servers_ids_prove_it(retort):
    with Server(retort) as t, Rig(retort) as r:
        samples = start(r, t)
        n = len(samples)
        path = files(r)
        plain, manifest, _ = load(r, "distillkit")
        assert "prompt_ids" not in manifest["rows"]
        rows, manifest, said = load(r, "distillkit", "--tokenizer", path)
        told = manifest["rows"]["prompt_ids"]
        assert is_hex(told.pop("tokenizer")) and is_hex(told.pop("chat_template")), told
        assert told == {"server": n, "templated": 0, "compared": n, "differ": 0,
                        "count_differs": 0, "failed": 0}, told
        assert rows == plain and "template" not in said, said
        # Another template: seen, said, and the server's ids stay.
        r.write("other.jinja", TEMPLATE.replace("bos_token", '"<bos> "'))
        rows, manifest, said = load(r, "axolotl", "--tokenizer", path, "--chat-template",
                                    r.path("other.jinja"))
        told = manifest["rows"]["prompt_ids"]
        assert told["differ"] == told["compared"] == n and told["templated"] == 0, told
        assert "are not those that the server told, for %d of %d samples (first: prompt 0)" % (
            n, n) in said, said
        for row, sample in zip(rows, samples, strict=True):
            check_sequence("axolotl", row, sample)


def ids_where_the_server_has_none(retort):
    with Server(retort, "--dialect", "llamacpp") as t, Rig(retort) as r:
        samples = start(r, t)
        path = files(r)
        assert all(s["prompt_token_ids"] is None for s in samples)
        for form in ("distillkit", "axolotl"):
            _, manifest, said = load(r, form)
            assert manifest["rows"]["left_out"]["no_prompt_ids"] == len(samples)
            assert "(--tokenizer makes them)" in said, said
            rows, manifest, said = load(r, form, "--tokenizer", path)
            told = manifest["rows"]["prompt_ids"]
            assert told["templated"] == len(samples) and not told["server"], told
            assert not told["count_differs"] and not told["failed"], told
            for row, sample in zip(rows, samples, strict=True):
                ids = Teacher().prompt(sample["prompt"]).prompt_ids()
                sample = {**sample, "prompt_token_ids": ids}
                check_shape(form, row, K)
                check_top_1(form, row, check_sequence(form, row, sample))
        # That the server counted others is said.
        r.write("other.jinja", TEMPLATE + "<|assistant|>")
        _, manifest, said = load(r, "axolotl", "--tokenizer", path, "--chat-template",
                                 r.path("other.jinja"))
        assert manifest["rows"]["prompt_ids"]["count_differs"] == len(samples)
        assert "the server counted another number of prompt tokens for 24" in said, said


def tools_and_arguments(retort):
    """As Jinja renders them, with what the prompt and the job ask for."""
    tools = [{"type": "function", "function": {"name": "f", "description": "é <b>",
                                               "parameters": {"type": "object", "properties": {}}}}]
    called = [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": [1, 2.5]}'}}]},
              {"role": "tool", "tool_call_id": "1", "content": "b"}]

    def answer(request, handler):
        return 200, {"id": "x", "object": "chat.completion", "created": 1, "model": "teacher",
                     "choices": [{"index": 0, "finish_reason": "length", "token_ids": [11],
                                  "logprobs": {"content": [
                                      {"token": "token_id:11", "logprob": -0.5, "bytes": [97],
                                       "top_logprobs": [{"token": "token_id:11", "logprob": -0.5,
                                                         "bytes": [97]}]}]},
                                  "message": {"role": "assistant", "content": "a"}}],
                     "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}, {}

    with OwnTeacher(answer) as t, Rig(retort) as r:
        lines = [{"messages": called, "tools": tools}, {"messages": called},
                 {"messages": [{"role": "user", "content": [{"type": "text", "text": "one"}]}]},
                 {"messages": [{"role": "user", "content": [
                     {"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}]},
                 {"messages": called, "tools": tools, "tool_choice": "none"}]
        r.corpus([{"id": str(i), **line} for i, line in enumerate(lines)])
        r.job(t.port, sampling={"n": 1, "temperature": 1.0, "max_tokens": 1},
              logits={"top_logprobs": 1},
              teacher={"server": "vllm", "extra_body": {"chat_template_kwargs": {
                  "enable_thinking": False, "effort": "low"}}})
        r.run()
        path = files(r, TOOLS)
        rows, manifest, said = load(r, "axolotl", "--tokenizer", path)
        assert manifest["rows"]["left_out"]["no_prompt_ids"] == 2, manifest["rows"]
        assert manifest["rows"]["prompt_ids"]["failed"] == 2
        assert "no prompt ids for 2 samples (first: prompt 3: a message's content is not" in said
        template = environment().from_string(TOOLS)
        twin = encoder_twin.Twin(tokenizer())
        called[1]["tool_calls"][0]["function"]["arguments"] = {"x": [1, 2.5]}
        lines[2]["messages"][0]["content"] = "one"
        for row, line in zip(rows, lines[:3], strict=True):
            want = template.render(messages=line["messages"], tools=line.get("tools"),
                                   documents=None, add_generation_prompt=True, bos_token="<bos>",
                                   eos_token="<eos>", enable_thinking=False, effort="low")
            assert row["input_ids"] == [*twin.encode(want), 11], (row["input_ids"], want)


def another_tokenizer(retort):
    """Where the dataset knows whose ids it has, no other file makes prompts."""
    with Server(retort, "--dialect", "openai") as t, Rig(retort) as r:
        path = files(r, whole=True)
        samples = start(r, t, teacher={"tokenizer": "tokenizer.json"})
        rows, manifest, _ = load(r, "axolotl", "--tokenizer", path)
        left = manifest["rows"]["left_out"]
        assert rows and len(rows) + left["bad_ids"] == len(samples), left
        assert sum(left.values()) == left["bad_ids"]
        known = [s for s in samples if None not in s["token_ids"]]
        for row, sample in zip(rows, known, strict=True):
            ids = Teacher().prompt(sample["prompt"]).prompt_ids()
            assert row["input_ids"][:len(ids)] == ids
        with open(path, "a", encoding="utf-8") as f:
            f.write("\n")
        done = r.command("export", r.run_dir, "-f", "axolotl", "-o", r.path("no"),
                         "--tokenizer", path)
        assert done.returncode == 1 and "that of --tokenizer is" in done.stderr, done
        assert not os.path.exists(r.path("no"))


def what_is_wrong(retort):
    with Server(retort, "--dialect", "llamacpp") as t, Rig(retort) as r:
        n = len(start(r, t, n=2))
        path = files(r)

        def export(*args, form="axolotl"):
            done = r.command("export", r.run_dir, "-f", form, "-o", r.path("x"), "--force", *args)
            return done.returncode, done.stderr

        def expect(code, words, *args, form="axolotl"):
            got = export(*args, form=form)
            assert got[0] == code and words in got[1], got

        expect(2, "--tokenizer is for --format", "--tokenizer", path, form="jsonl")
        expect(2, "--chat-template is for use with --tokenizer", "--chat-template", path)
        expect(1, "cannot open", "--tokenizer", r.path("nowhere.json"))
        files(r, "a\n{% frobnicate %}")
        expect(1, "tokenizer_config.json:2: a block 'frobnicate' is not offered", "--tokenizer", path)
        files(r, "{{ raise_exception('not this') }}")
        code, said = export("--tokenizer", path)
        assert code == 0 and "no prompt ids for %d samples" % n in said, said
        assert "the template refuses: not this" in said, said
        r.write("tokenizer_config.json", "{}")
        expect(1, "there is no chat template beside it", "--tokenizer", path)
        os.unlink(r.path("tokenizer_config.json"))
        r.write("chat_template.jinja", TEMPLATE)
        expect(1, "no tokenizer_config.json beside the tokenizer", "--tokenizer", path)
        r.write("chat_template.jinja", TEMPLATE.replace("bos_token", "'<bos>'"))
        assert export("--tokenizer", path)[0] == 0
        r.write("chat_template.jinja", "{{ strftime_now('%d') }}")
        code, said = export("--tokenizer", path)
        assert code == 0 and "the day on which the server rendered is not known" in said, said
        r.write("tokenizer.json", json.dumps({**tokenizer(), "normalizer": {"type": "Nmt"}}))
        expect(1, 'tokenizer.json: normalizer: a step "Nmt" is not offered', "--tokenizer", path)


if __name__ == "__main__":
    main(servers_ids_prove_it, ids_where_the_server_has_none, tools_and_arguments,
         another_tokenizer, what_is_wrong)
