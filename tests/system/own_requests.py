# SPDX-License-Identifier: Apache-2.0
"""Prompts that ask for something by themselves: what the teacher is sent, field by
field, what the dataset keeps of it, and what becomes of lines that ask wrongly."""
import json
import threading

from rig import OwnTeacher, Rig, Server, chat_answer, main
import format_reader  # noqa: E402

CALL = {"id": "call_1", "type": "function",
        "function": {"name": "f", "arguments": "{\"a\": 1.50}"}}
TOOLS = [{"type": "function", "function": {
    "name": "f", "parameters": {"type": "object", "properties": {
        "a": {"type": "number", "maximum": 18446744073709551616}}}}}]
USER = {"role": "user", "content": "2 + 2?"}
PICTURE = {"role": "user", "content": [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=",
                                        "detail": "low"}},
    {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}
TALK = [{"role": "developer", "content": "Be short."}, USER,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "4"}]


def batch(custom_id, body, **columns):
    return dict({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions",
                 "body": dict({"model": "teacher", "messages": [USER]}, **body)}, **columns)


# The line, and how its request differs from a plain one's ("-": not sent).
LINES = [
    ({"id": "plain", "prompt": "2 + 2?"}, {}),
    ({"id": "cold", "prompt": "2 + 2?", "sampling": {"temperature": 0, "top_p": 0.5}},
     {"temperature": 0, "top_p": 0.5}),
    ({"id": "all", "prompt": "2 + 2?",
      "sampling": {"top_k": 5, "min_p": 0.1, "presence_penalty": -0.5,
                   "repetition_penalty": 1.25, "max_tokens": 7, "stop": "#", "seed": None}},
     {"top_k": 5, "min_p": 0.1, "presence_penalty": -0.5, "repetition_penalty": 1.25,
      "max_tokens": 7, "stop": ["#"]}),
    ({"id": "no stop", "prompt": "2 + 2?", "sampling": {"stop": []}}, {"stop": "-"}),
    ({"id": "tools", "prompt": "2 + 2?", "tools": TOOLS, "tool_choice": "required",
      "response_format": {"type": "json_object"}, "level": 3},
     {"tools": TOOLS, "tool_choice": "required", "response_format": {"type": "json_object"}}),
    ({"id": "picture", "messages": [PICTURE]}, {"messages": [PICTURE]}),
    ({"id": "talk", "messages": TALK}, {"messages": TALK}),
    (batch("batch", {"temperature": 0.25, "max_completion_tokens": 9, "stop": ["a", "b"],
                     "reasoning_effort": "low", "tools": TOOLS, "logit_bias": {"7": -1.5}}),
     {"temperature": 0.25, "max_tokens": 9, "stop": ["a", "b"], "reasoning_effort": "low",
      "tools": TOOLS, "logit_bias": {"7": -1.5}}),
    (batch("set aside", {"n": 1, "stream": True, "stream_options": {"include_usage": True},
                         "logprobs": False, "user": None}), {}),
    (batch("answered", {"messages": TALK + [{"role": "assistant", "content": "4"}]}),
     {"messages": TALK}),
]
BAD = [
    ({"prompt": "x", "sampling": {"temperature": 11}}, "bad_sampling"),
    ({"prompt": "x", "sampling": {"max_token": 11}}, "bad_sampling"),
    ({"prompt": "x", "sampling": {"n": 3}}, "own_n"),
    ({"prompt": "x", "tools": "f"}, "bad_request"),
    (batch("b1", {"n": 3}), "own_n"),
    (batch("b2", {"model": "gpt-4o"}), "other_model"),
    (batch("b3", {"logprobs": True, "top_logprobs": 5}), "more_logprobs"),
    (dict(batch("b4", {}), url="/v1/embeddings"), "unsupported_shape"),
    (dict(batch("b5", {}), method="GET"), "unsupported_shape"),
    (batch("b6", {"messages": []}), "bad_messages"),
    (batch("b7", {"messages": None}), "bad_messages"),
]
SAMPLING = {"n": 2, "temperature": 0.7, "max_tokens": 64, "stop": ["END"], "seed": 11}


def the_teacher_gets_what_a_line_asks_for(retort):
    got, lock = [], threading.Lock()

    def answer(request, handler):
        with lock:
            got.append(request)
            return 200, chat_answer("4, or %d" % len(got)), {}

    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([line for line, _ in LINES] + [line for line, _ in BAD])
        r.job(t.port, teacher={"server": "vllm", "extra_body": {"tool_choice": "none"}},
              sampling=SAMPLING, logits={"top_logprobs": 0}, system="Be good.")
        r.run()
        rows = r.check_whole(len(LINES), 2)
        rejects = {x["line"]: x["reason"] for x in r.query("select * from rejects")}
        assert rejects == {len(LINES) + 1 + i: why for i, (_, why) in enumerate(BAD)}, rejects
        by_id = {}
        for row in rows:
            by_id.setdefault(row["id"], []).append(row)
        for line, differs in LINES:
            name = line.get("id", line.get("custom_id"))
            for row in by_id[name]:
                check_one(got, row, differs)
        check_kept(by_id)
        # Filters see it, too.
        cold = r.export("--where", "request.temperature < 0.5")
        assert {x["id"] for x in cold} == {"cold", "batch"}, cold


def check_one(got, row, differs):
    want = {"model": "teacher", "return_token_ids": True, "tool_choice": "none",
            "temperature": 0.7, "max_tokens": 64, "stop": ["END"],
            "messages": [{"role": "system", "content": "Be good."}, USER],
            "seed": row["provenance"]["seed"]}
    want.update(differs)
    if "messages" in differs and differs["messages"][0]["role"] == "user":
        want["messages"] = [{"role": "system", "content": "Be good."}] + differs["messages"]
    want = {k: v for k, v in want.items() if v != "-"}
    sent = [x for x in got if x["seed"] == row["provenance"]["seed"]]
    assert sent == [want], (row["id"], sent, want)
    assert row["prompt"] == want["messages"]


def check_kept(by_id):
    kept = {name: rows[0]["request"] for name, rows in by_id.items()}
    assert kept["plain"] is None and kept["picture"] is None and kept["set aside"] is None
    assert kept["cold"] == {"temperature": 0, "top_p": 0.5}
    assert kept["all"]["stop"] == ["#"] and "seed" not in kept["all"]
    assert kept["tools"]["tools"] == TOOLS
    assert kept["batch"]["max_tokens"] == 9 and kept["batch"]["logit_bias"] == {"7": -1.5}
    extra = {name: rows[0]["extra"] for name, rows in by_id.items()}
    assert extra["plain"] is None and extra["batch"] is None
    assert extra["tools"] == {"level": 3}
    assert extra["set aside"]["body"]["stream"] is True
    assert by_id["answered"][0]["reference"] == "4"


def calls_are_stored_as_returned(retort):
    """An answer that is nothing but tool calls is a good answer."""
    calls = [CALL, dict(CALL, id="call_2")]

    def answer(request, handler):
        said = chat_answer(None)
        said["choices"][0]["message"]["tool_calls"] = calls
        said["choices"][0]["finish_reason"] = "tool_calls"
        return 200, said, {}

    with OwnTeacher(answer) as t, Rig(retort) as r:
        r.corpus([{"id": "a", "prompt": "2 + 2?", "tools": TOOLS}])
        r.job(t.port, sampling={"n": 1}, logits={"top_logprobs": 0},
              accept="finish_reason == 'tool_calls'")
        r.run()
        (row,) = r.check_whole(1, 1)
        assert row["tool_calls"] == calls and row["content"] is None, row
        assert row["finish_reason"] == "tool_calls" and row["accepted"], row
        assert row["flags"] == [], row
        assert row["request"] == {"tools": TOOLS}


def what_a_server_does_not_know_fails_its_prompt_alone(retort):
    with OwnTeacher(lambda request, handler: (200, chat_answer("4"), {})) as t, \
            Rig(retort) as r:
        r.corpus([{"id": "a", "prompt": "2 + 2?", "sampling": {"top_k": 3}},
                  {"id": "b", "prompt": "2 + 2?"}])
        r.job(t.port, teacher={"server": "openai"}, sampling={"n": 1},
              logits={"top_logprobs": 0})
        r.run(expect=3)
        failed = r.query("select * from failures")
        assert [(x["prompt_no"], x["reason"]) for x in failed] == [(0, "bad_prompt")], failed
        assert [x["id"] for x in r.export()] == ["b"]


def lengths_and_temperatures_are_the_lines(retort):
    """Against the built-in teacher: the answers are as long as each line allows, and
    the logits say at which temperature they were made."""
    with Server(retort) as t, Rig(retort) as r:
        r.corpus([{"id": "short", "question": "What is 12 + 30?",
                   "sampling": {"max_tokens": 5, "temperature": 0.25}},
                  {"id": "long", "question": "What is 12 + 31?"}])
        r.job(t.port, sampling={"n": 1, "max_tokens": 2048}, logits={"top_logprobs": 3})
        r.run()
        rows = {x["id"]: x for x in r.check_whole(2, 1)}
        assert rows["short"]["usage"]["completion_tokens"] == 5, rows
        assert rows["short"]["finish_reason"] == "length", rows
        assert rows["long"]["usage"]["completion_tokens"] > 5, rows
        dataset = format_reader.Dataset(r.run_dir + "/dataset")
        kept = {s.prompt[format_reader.PROMPT_ID].decode(): round(s.logits().temperature, 3)
                for s in dataset.samples()}
        dataset.close()
        assert kept == {"short": 0.25, "long": 0.7}, kept
        shown = json.loads(r.command("show", r.run_dir, "short", "0", "--json").stdout)
        assert shown["request"] == {"max_tokens": 5, "temperature": 0.25}, shown


main(the_teacher_gets_what_a_line_asks_for, calls_are_stored_as_returned,
     what_a_server_does_not_know_fails_its_prompt_alone,
     lengths_and_temperatures_are_the_lines)
