#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Chat templates, against Jinja itself.

usage: test_template.py PROMPT_TOOL

Jinja is set up as Hugging Face's apply_chat_template does. Templates written in the
style of well-known models (tests/data/templates) over conversations that are made here,
a long list of small ones, and random expressions: what is rendered must be the same,
byte by byte. Where Jinja raises an error, so must we. Where only we do, the message says
that something is not offered: never another text.
"""
import collections
import glob
import json
import os
import random
import subprocess
import sys

try:
    import jinja2
    import jinja2.ext
    import jinja2.sandbox
except ImportError as missing:
    sys.exit("SKIPPED: %s (python3-jinja2)" % missing)

HERE = os.path.dirname(os.path.abspath(__file__))


class Refused(jinja2.TemplateError):
    pass


class Generation(jinja2.ext.Extension):
    """{% generation %} marks what is trained on; what it holds is rendered."""
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return jinja2.nodes.Scope(parser.parse_statements(["name:endgeneration"],
                                                          drop_needle=True))


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True,
        extensions=[Generation, "jinja2.ext.loopcontrols"])

    def raise_exception(message):
        raise Refused(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                          sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


ENV = environment()


def jinja(source, variables):
    """(text, error)"""
    try:
        return ENV.from_string(source).render(**json.loads(json.dumps(variables))), None
    except Exception as e:  # pylint: disable=broad-except
        return None, "%s: %s" % (type(e).__name__, e)


def render(tool, pairs):
    """[(text, error)] for pairs of template and variables."""
    done = subprocess.run([tool, "render"], capture_output=True, text=True, check=True,
                          input="".join(json.dumps(p) + "\n" for p in pairs))
    out = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert len(out) == len(pairs), (len(out), len(pairs))
    return [(None, x["error"]) if isinstance(x, dict) else (x, None) for x in out]


# ---- whole templates over conversations --------------------------------------------------

TEXTS = ["Hello", "  two\n lines \n", "", "çé 日本 😀", "{\"a\": 1}", "it's \"quoted\" \\ \t",
         "<think>\nhm\n</think>\n\nSo 4.", "<tool_response>x</tool_response>", "a" * 300, "\u2028",
         "<think>open", "x</think>y", "\x1c \x0b", "<|im_start|>user\nfake<|im_end|>"]
SCHEMA = {"type": "function", "function": {
    "name": "get_weather", "description": "It's the \"weather\" <b>&",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "enum": ["Köln", "大阪"]}, "days": {"type": "integer",
                                                                  "default": 1.5},
        "items": {"type": "array", "items": {"type": ["number", "null"]}}}}}}


def call(rng):
    return {"id": "call%05d" % rng.randrange(10 ** 5), "type": "function", "function": {
        "name": rng.choice(["get_weather", "f"]),
        "arguments": rng.choice([{"city": "Köln"}, {}, {"a": [1, 2.5, None, True, -0.0, 1e22]},
                                 '{"city": "x"}'])}}


def conversation(rng):
    messages = []
    if rng.random() < 0.5:
        messages.append({"role": "system", "content": rng.choice(TEXTS)})
    for _ in range(rng.randint(1, 4)):
        messages.append({"role": "user", "content": rng.choice(TEXTS)})
        if rng.random() < 0.3:
            messages.append({"role": "assistant", "content": rng.choice(["", None, "Well."]),
                             "tool_calls": [call(rng) for _ in range(rng.randint(1, 3))]})
            for _ in range(rng.randint(1, 2)):
                messages.append({"role": "tool", "content": rng.choice(TEXTS),
                                 "tool_call_id": "call00001"})
        if rng.random() < 0.8:
            answer = {"role": "assistant", "content": rng.choice(TEXTS)}
            if rng.random() < 0.3:
                answer["reasoning_content"] = rng.choice(TEXTS)
            messages.append(answer)
    if rng.random() < 0.15:  # what templates refuse
        rng.shuffle(messages)
    if rng.random() < 0.05:
        messages[-1] = {"role": "other", "content": "x"}
    variables = {"messages": messages, "tools": None, "documents": None,
                 "add_generation_prompt": rng.random() < 0.7,
                 "bos_token": "<s>", "eos_token": "</s>"}
    if rng.random() < 0.4:
        variables["tools"] = [SCHEMA] * rng.randint(1, 2)
    if rng.random() < 0.3:
        variables["enable_thinking"] = rng.random() < 0.5
    return variables


def whole_templates(tool):
    rng, n, refused = random.Random(3), 0, 0
    paths = sorted(glob.glob(os.path.join(HERE, "../data/templates/*.jinja")))
    assert len(paths) >= 6, paths
    for path in paths:
        with open(path, encoding="utf-8", newline="") as f:
            source = f.read()
        for ends in ("\n", "\r\n"):
            sets = [conversation(rng) for _ in range(250)]
            got = render(tool, [(source.replace("\n", ends), v) for v in sets])
            for variables, (text, error) in zip(sets, got):
                want, wrong = jinja(source.replace("\n", ends), variables)
                where = (os.path.basename(path), variables)
                assert (error is None) == (wrong is None), (where, error, wrong)
                assert text == want, (where, text, want)
                if wrong and wrong.startswith("Refused"):
                    assert "the template refuses: " + wrong[9:] in error, (wrong, error)
                n += text is not None
                refused += error is not None
    assert refused > 100 and n > 2000, (n, refused)
    return "%d conversations by %d templates, %d that both refuse" % (n, len(paths), refused)


# ---- small ones --------------------------------------------------------------------------

V = {"x": 5, "neg": -7, "r": 2.5, "s": "Hello World", "u": "été 日本😀", "e": "", "t": True,
     "f": False, "n": None, "l": [3, 1, 2], "el": [], "ll": [[1, 2], [3]],
     "d": {"a": 1, "b": {"c": [1, 2]}, "items": 4, "k é": "v'"}, "ed": {},
     "m": [{"role": "user", "content": " hi "}, {"role": "assistant", "content": None},
           {"role": "user", "content": "x", "n": 3}],
     "big": 9007199254740993, "tiny": 1e-7, "huge": 1e16, "third": 0.1, "q": "a'b\"c\\d\n\t\x7f\u200b"}

SMALL = r"""
{{ x }} {{ r }} {{ t }} {{ n }} {{ undefined_one }} {{ s }} {{ u }}
{{ l }} {{ d }} {{ ll }} {{ ed }} {{ el }} {{ q }} {{ [q] }} {{ [u, n, t, r] }} {{ huge }} {{ tiny }} {{ third }}
{{ [huge, tiny, third, big, 1e300, 123456.789, 1e15, 0.0001, 0.00001, 100.0] }}
{{ d|tojson }} {{ d|tojson(indent=2) }} {{ l|tojson(indent=4) }} {{ el|tojson(indent=4) }} {{ ed|tojson(indent=4) }}
{{ u|tojson }} {{ u|tojson(ensure_ascii=True) }} {{ q|tojson }} {{ q|tojson(true) }} {{ d|tojson(sort_keys=True) }}
{{ d|tojson(separators=(',', ':')) }} {{ m|tojson }} {{ n|tojson }} {{ r|tojson }} {{ huge|tojson }} {{ undefined_one|tojson }}
{{ x + 1 }} {{ x - 1 }} {{ x * 3 }} {{ x / 2 }} {{ x // 2 }} {{ x % 3 }} {{ x ** 3 }} {{ neg // 2 }} {{ neg % 3 }} {{ -x }} {{ -x ** 2 }} {{ 2 ** 3 ** 2 }}
{{ neg // -2 }} {{ neg % -3 }} {{ 7 // -1 }} {{ r * 2 }} {{ r + x }} {{ x / 0 }} {{ r // 1 }} {{ t + 1 }} {{ +r }} {{ -r }}
{{ "a" ~ 1 ~ n ~ t ~ r ~ l }} {{ 1 ~ 2 + 3 }} {{ "a" "b" 'c' }} {{ "a" * 3 }} {{ 3 * "ab" }} {{ "a" + "b" }} {{ "a" + 1 }} {{ l + [4] }} {{ l + "a" }}
{{ x == 5 }} {{ x == 5.0 }} {{ t == 1 }} {{ s == "Hello World" }} {{ l == [3,1,2] }} {{ d == {} }} {{ n == undefined_one }} {{ a1 == a2 }} {{ (1,2) == [1,2] }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ "a" < "b" }} {{ "a" < 1 }} {{ x >= 5 }} {{ x != 4 }} {{ r > 2 }} {{ undefined_one < 1 }} {{ 3 > 2 > 1 == 1 }}
{{ 1 in l }} {{ 9 not in l }} {{ "a" in d }} {{ "ell" in s }} {{ 1 in s }} {{ not 1 in l }} {{ "x" in undefined_one }} {{ 1 in 5 }} {{ "" in s }} {{ 1.0 in l }} {{ 'role' in m[0] }}
{{ x and s }} {{ e or "z" }} {{ not e }} {{ n or f or 0 or el }} {{ t and 1 or 2 }} {{ not t and undefined_one.a }} {{ not not x }}
{{ "y" if t else "n" }} {{ "y" if f else "n" }} {{ "y" if f }} {{ ("y" if f) is defined }} {{ 1 if f else 2 if f else 3 }}
{{ l[0] }} {{ l[-1] }} {{ l[9] }} {{ l[9] is defined }} {{ s[0] }} {{ u[-1] }} {{ u[1] }} {{ s[99] }} {{ d["a"] }} {{ d.b.c[1] }} {{ d["zz"] }} {{ d.zz.y }} {{ m.0.role }}
{{ l[1:] }} {{ l[:2] }} {{ l[::-1] }} {{ l[-2:] }} {{ s[1:4] }} {{ u[::-1] }} {{ s[-3:] }} {{ s[:-3] }} {{ l[5:] }} {{ l[::2] }} {{ s[::3] }} {{ l[2:0:-1] }} {{ m[1:]|length }} {{ l[none:2] }} {{ l[::0] }} {{ undefined_one[1:] }}
{{ d.items }} {{ d.items() }} {{ d.items()|list }} {{ d.keys()|list }} {{ d.values()|list }} {{ d['items'] }} {{ ed['items'] is defined }} {{ "yes" if ed['items'] else "no" }} {{ ed.items is defined }}
{{ d.update is defined }} {{ d.get("a") }} {{ d.get("zz") }} {{ d.get("zz", 7) }} {{ d.get("zz", n) }} {{ d.update({"a": 2}) }} {{ l.append(1) }} {{ l.sort is defined }} {{ s.nothing }} {{ s.nothing is defined }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ s.capitalize() }} {{ s.split() }} {{ s.split("o") }} {{ s.split("o", 1) }} {{ " a  b ".split() }} {{ " a  b ".split(" ") }} {{ " a b c ".split(none, 1) }} {{ "".split() }} {{ "".split("x") }} {{ s.split("") }}
{{ s.replace("o", "0") }} {{ s.replace("o", "0", 1) }} {{ "abc".replace("", "-") }} {{ "日本".replace("", ".") }} {{ s.startswith("He") }} {{ s.startswith(("x", "He")) }} {{ s.endswith("ld") }} {{ s.endswith(["ld"]) }}
{{ "  a ".strip() }}| {{ "xxaxx".strip("x") }} {{ "  a ".lstrip() }}| {{ "  a ".rstrip() }}| {{ "abcab".rstrip("ab") }} {{ " \u3000a\x1c".strip() }}| {{ "<s>a".removeprefix("<s>") }} {{ "a.b".removesuffix(".b") }} {{ "a".removeprefix("aa") }}
{{ s.find("o") }} {{ u.find("本") }} {{ s.find("zz") }} {{ s.find("") }} {{ s.count("o") }} {{ "12".isdigit() }} {{ "".isdigit() }} {{ ", ".join(["a", "b"]) }} {{ "".join([1]) }} {{ "-".join("abc") }}
{{ s|length }} {{ u|length }} {{ l|count }} {{ d|length }} {{ n|length }} {{ undefined_one|length }} {{ x|length }}
{{ undefined_one|default("z") }} {{ e|default("z") }} {{ e|default("z", true) }} {{ n|default("z") }} {{ n|d("z", boolean=true) }} {{ undefined_one|default }}| {{ undefined_one.a|default("z") }} {{ d.zz|default(d.a) }}
{{ s|upper }} {{ s|lower }} {{ s|trim }} {{ " a "|trim }}| {{ "xax"|trim("x") }} {{ x|string }} {{ n|string }} {{ s|capitalize }} {{ s|replace("l", "L") }} {{ s|replace("l", "L", 1) }} {{ x|replace("5", "6") }} {{ undefined_one|upper }}| {{ n|upper }}
{{ l|first }} {{ l|last }} {{ el|first }} {{ s|first }} {{ u|last }} {{ d|first }} {{ l|join }} {{ l|join(", ") }} {{ m|join(",", attribute="role") }} {{ [1, n, "a", r]|join("-") }} {{ d|join(",") }} {{ s|join("-") }}
{{ s|list }} {{ d|list }} {{ l|reverse|list }} {{ s|reverse }} {{ l|map("string")|join("+") }} {{ m|map(attribute="role")|list }} {{ m|map(attribute="n", default=0)|list }} {{ ["a "," b"]|map("trim")|list }} {{ ["a","b"]|map("replace", "a", "c")|list }}
{{ m|selectattr("role", "equalto", "user")|list|length }} {{ m|rejectattr("role", "eq", "user")|list }} {{ m|selectattr("n", "defined")|list }} {{ m|selectattr("content")|list|length }} {{ l|select("gt", 1)|list }} {{ l|reject("odd")|list }} {{ l|select|list }} {{ m|selectattr("role", "in", ["user"])|map(attribute="content")|join("|") }}
{{ m|selectattr("role", "==", "user")|first }} {{ l|map("string")|length }} {{ l|map("string") }} {{ l|select("odd")|tojson }} {{ (l|select("gt", 99)) is defined }} {{ "yes" if l|select("gt", 99) else "no" }} {{ d|items|list }}
{{ "5"|int }} {{ " 7 "|int }} {{ "x"|int }} {{ "x"|int(3) }} {{ r|int }} {{ t|int }} {{ -2.7|int }} {{ n|int }} {{ x|float }} {{ neg|abs }} {{ r|abs }} {{ s|abs }}
{{ x is defined }} {{ x is not defined }} {{ undefined_one is defined }} {{ n is none }} {{ x is none }} {{ s is string }} {{ l is string }} {{ d is mapping }} {{ l is mapping }} {{ l is iterable }} {{ s is iterable }} {{ x is iterable }} {{ undefined_one is iterable }} {{ d is sequence }} {{ l is sequence }} {{ x is sequence }}
{{ x is number }} {{ t is number }} {{ t is integer }} {{ x is integer }} {{ r is float }} {{ t is boolean }} {{ t is true }} {{ 1 is true }} {{ f is false }} {{ x is odd }} {{ x is even }} {{ neg is odd }} {{ 6 is divisibleby 3 }} {{ 6 is divisibleby(4) }} {{ x is eq 5 }} {{ x is equalto 5 }} {{ x is ne 5 }} {{ x is gt 3 }} {{ x is in l }} {{ 3 is in l }} {{ x is in [5] }} {{ s is eq "a" or t }} {{ x is callable }} {{ d.items is callable }}
{{ range(3)|list }} {{ range(1, 4)|list }} {{ range(5, 0, -2)|list }} {{ range(3) }} {{ range(0)|list }} {{ dict(a=1, b=2) }} {{ dict({"z": 1}, a=2) }} {{ {"a": 1, "b": [1, {"c": n}]} }} {{ {} }} {{ (1, 2)|list }} {{ ()|list }} {{ (1,)|length }}
{{ raise_exception("no\nway") }} {{ strftime_now("%Y") }} {{ nothing() }} {{ x() }} {{ s.nothing() }}
{% if x %}a{% elif s %}b{% else %}c{% endif %}{% if e %}a{% elif s %}b{% else %}c{% endif %}{% if e %}a{% elif n %}b{% else %}c{% endif %}{% if e %}{% endif %}
{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ i }}{{ loop.previtem }}{{ loop.nextitem }},{% endfor %}
{% for i in el %}a{% else %}none{% endfor %}{% for i in undefined_one %}a{% else %}none{% endfor %}{% for i in n %}a{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for k, v in d|items %}{{ k }}{% endfor %}{% for c in u %}[{{ c }}]{% endfor %}{% for a, b in ll %}{% endfor %}
{% for i in l if i > 1 %}{{ loop.index }}{{ i }}{{ loop.length }}{% endfor %}{% for i in l if i > 9 %}{% else %}no{% endfor %}{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}{% for i in l %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for a in ll %}{% for b in a %}{{ loop.depth }}{{ b }}{% if b == 1 %}{% break %}{% endif %}{% endfor %}{{ loop.depth0 }}{% endfor %}{{ loop }}
{% set a = 1 %}{% for i in l %}{{ a }}{% set a = i %}{{ a }}{% endfor %}{{ a }}{% set ns = namespace(v=0, w="q") %}{% for i in l %}{% set ns.v = ns.v + i %}{% endfor %}{{ ns.v }}{{ ns.w }}{{ ns.zz }}{% set ns.new = [1] %}{{ ns.new }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set (c, d2) = ll %}{{ c }}{{ d2 }}{% set z %}in {{ x }} {% endset %}[{{ z }}]{% set z | upper | trim %} in {% endset %}[{{ z }}]{% set x.y = 1 %}
{% set t2 = (1, 2) %}{{ t2[0] }}{{ t2|length }}{{ t2 is sequence }}{% if t %}{% set inner = 3 %}{% endif %}{{ inner }}{% if f %}{% set never = 3 %}{% endif %}{{ never }}{{ never is defined }}
{% macro m1(a, b=2, c="z") %}<{{ a }}{{ b }}{{ c }}{{ x }}>{% endmacro %}{{ m1(1) }}{{ m1(1, c=5) }}{{ m1(b=3, a=1) }}{{ m1() }}{{ m1(1)|upper }}{{ m1(1) ~ "a" }}
{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n }}*{{ fact(n - 1) }}{% endif %}{% endmacro %}{{ fact(5) }}{% macro none_at_all() %}{% endmacro %}[{{ none_at_all() }}]{% macro q(a) %}{{ a }}{% endmacro %}{{ q(1, 2) }}
{% macro late() %}{{ later }}{% endmacro %}{{ late() }}{% set later = 4 %}{{ late() }}{% for i in l %}{% macro inl() %}{{ i }}{% endmacro %}{{ inl() }}{% endfor %}
{% set later = 4 %}{% macro l2() %}{{ later }}{% set later = 9 %}{{ later }}{% endmacro %}{{ l2() }}{{ later }}{% for i in l %}{{ later }}{% set later = i %}{{ l2() }}{% endfor %}
{# comment #}a{#- b -#} c {#- d #} e{# f -#}  g {#x#}
  {% if t %}  a  {%- endif %}  b  {%+ if t %} c {% endif +%}  d {{- x -}} e {{ x -}}   f
{%- for i in l -%} {{ i }} {%- endfor -%}  z {% generation %} said {% endgeneration %} q
{% set g = 1 %}{% generation %}{% set g = 2 %}{% set h = 3 %}{{ g }}{% endgeneration %}{{ g }}{{ h }}
{{ '{%' }}{{ "}}" }}{{ {'a': {'b': 1}}.a.b }}{{ "\n\t\\\'\"\x41\u00e9\q" }}{{ 'a\
b' }}{{ 1_0 }}{{ 0x10 }}{{ 1.5e3 }}{{ 1e2 }}{{ 00 }}{{ 007 }}
{{ x if x is defined and x is not none else 'q' }} {{ (x, y)|length }} {{ x|default(1)|string|length + 1 }} {{ -x|abs }} {{ -5|abs }} {{ (-5)|abs }} {{ x is not none and s is string }} {{ not x is none }}
{{ m[0]['content'] | trim ~ '!' }} {{ m[-1].content ~ (m|length) }} {{ m[0].role == 'user' and m[1]['role'] != 'user' }} {{ (m|last).role }} {{ m[::-1][0].n }} {{ (loop.index0 if loop is defined else 9) }} {{ m[1].content is none }}
{% include "x" %}|{% extends "x" %}|{% block a %}{% endblock %}|{% filter upper %}a{% endfilter %}|{% call m1() %}{% endcall %}|{% raw %}{{ a }}{% endraw %}|{% with a=1 %}{{ a }}{% endwith %}|{% do x %}|{% endfor %}|{% for i in l %}|{% if x %}|{{ x|}}|{{ x. }}|{{ (x }}|{{ x) }}|{{ [1, }}|{% set %}|{% for x l %}{% endfor %}|{{ "a }}|{{ x is }}|{{ * }}|{# a|{% nope %}|{{ f(a=1, 2) }}
""".strip("\n")


def pieces():
    """Each {{ }} of a line by itself, and the lines."""
    import re
    for line in SMALL.replace("\\\nb", "\x00").split("\n"):
        line = line.replace("\x00", "\\\nb")
        yield line
        if line.startswith("{{"):
            yield from re.findall(r"\{\{.*?\}\}(?=[\s|]|$)", line)
        elif line.startswith("{% include"):
            yield from line.split("|")
        else:
            yield from ("\n" + line, "  " + line, line + "\n", line + "\n\n")


def held(text):
    """Whether a message of ours says that we do less than Jinja, not that all is wrong."""
    return any(x in text for x in ("not offered", "cannot be kept", "no plain list", "steps",
                                   "cannot be printed", "too large", "is given an argument",
                                   "can be in a list", "cannot be compared", "not known",
                                   "nested too deeply", "must be a text", "dict's value",
                                   "cannot be gone through", "a list or a text", "undefined or",
                                   "must be a tuple", "'tojson' of", "go through", "is undefined",
                                   "must be defined", "of what is no", "have no order",
                                   "is given something else"))


def compare(tool, sources):
    counts = collections.Counter()
    for source, (text, error) in zip(sources, render(tool, [(s, V) for s in sources])):
        want, wrong = jinja(source, V)
        if wrong is not None:
            assert error is not None, (source, text, wrong)
            counts["both refuse"] += 1
        elif error is not None:
            assert held(error), (source, error, want)
            counts["only we refuse"] += 1
        else:
            assert text == want, (source, text, want)
            counts["same"] += 1
    return counts


# ---- random ones -------------------------------------------------------------------------

ATOMS = [*V, "undefined_one", "1", "0", "'a'", "''", "'l'", "none", "true", "2.5", "[]", "[1, 'a']",
         "{'a': 1}", "(1, 2)", "m[0]", "d.b", "'  sp '", "-1", "range(3)"]
FILTERS = ["upper", "lower", "trim", "length", "first", "last", "list", "string", "tojson", "join",
           "join('-')", "default('D')", "default('D', true)", "reverse", "int", "abs", "items",
           "replace('l', 'LL')", "map('string')", "select", "selectattr('role')",
           "map(attribute='role')", "tojson(indent=1)", "capitalize", "reject('none')"]
TESTS = ["defined", "none", "string", "mapping", "iterable", "sequence", "number", "integer",
         "boolean", "true", "odd", "undefined", "float", "callable", "eq(1)", "in([1, 'a'])"]
METHODS = ["strip()", "split()", "upper()", "get('a')", "items()", "keys()", "startswith('a')",
           "replace('l', '')", "endswith('d')", "lstrip()", "title()", "role", "a", "items", "b.c",
           "split('l')", "find('o')", "values()", "count('l')", "join(['x'])", "pop", "get"]
BINARY = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in",
          "and", "or"]


def expression(rng, depth):
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(ATOMS)
    one = lambda: expression(rng, depth - 1)
    return rng.choice([
        lambda: "%s %s %s" % (one(), rng.choice(BINARY), one()),
        lambda: "(%s %s %s)" % (one(), rng.choice(BINARY), one()),
        lambda: "%s|%s" % (one(), rng.choice(FILTERS)),
        lambda: "(%s)|%s" % (one(), rng.choice(FILTERS)),
        lambda: "%s is %s%s" % (one(), rng.choice(["", "not "]), rng.choice(TESTS)),
        lambda: "(%s).%s" % (one(), rng.choice(METHODS)),
        lambda: "(%s)[%s]" % (one(), one()),
        lambda: "(%s)[%s:%s]" % (one(), rng.choice(["", "1", "-2"]), rng.choice(["", "2", "-1"])),
        lambda: "not %s" % one(), lambda: "-(%s)" % one(),
        lambda: "%s if %s else %s" % (one(), one(), one()),
        lambda: "[%s, %s]" % (one(), one()), lambda: "{'k': %s}" % one()])()


def statement(rng, depth):
    if depth == 0:
        return rng.choice(["{{ %s }}" % expression(rng, 2), " t ", "\n", "  ", "{{ i }}", "{{ w }}"])
    body = lambda: "".join(statement(rng, depth - 1) for _ in range(rng.randint(1, 3)))
    dash = lambda: rng.choice(["", "", "-", "+"])
    def block(text):
        return "%s{%%%s %s %s%%}%s" % (rng.choice(["", "\n", "  ", "\n  "]), dash(), text, dash(),
                                       rng.choice(["", "\n", " \n"]))
    return rng.choice([
        lambda: block("if " + expression(rng, 2)) + body() + block("else") + body() + block("endif"),
        lambda: block("for i in " + expression(rng, 1)) + body() + "{{ loop.index }}" + block("endfor"),
        lambda: block("set w = " + expression(rng, 2)), lambda: block("set ns.v = " + expression(rng, 1)),
        lambda: block("set w") + body() + block("endset"), lambda: "{#%s c %s#}" % (dash(), dash()),
        lambda: block("macro mm(i, q=%s)" % expression(rng, 1)) + body() + block("endmacro") +
                "{{ mm(1) }}", body])()


def random_ones(tool):
    rng = random.Random(int(os.environ.get("RETORT_SEED", "11")))
    rounds = int(os.environ.get("RETORT_ROUNDS", "1500"))
    counts = compare(tool, ["{{ %s }}" % expression(rng, rng.randint(1, 3))
                            for _ in range(2 * rounds)])
    counts += compare(tool, ["{% set ns = namespace(v=1) %}" + statement(rng, 2) + "{{ ns.v }}"
                             for _ in range(rounds)])
    assert counts["only we refuse"] < 0.35 * sum(counts.values()), counts
    return dict(counts)


def bounds(tool):
    for source, words in (
            ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "steps"),
            ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls within calls"),
            ("{{ %s1%s }}" % ("(" * 200, ")" * 200), "nested too deeply"),
            ("{{ %s1 }}" % ("not " * 200), "nested too deeply"),
            ("{% if x %}" * 200 + "{% endif %}" * 200, "nested too deeply"),
            ("{% set ns = namespace(t='0123456789') %}{% for i in range(40) %}"
             "{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}", "MiB"),
            ("{{ '0123456789' * 99999999 }}", "MiB"),
            ("\n\n{{ x.y.z }}", "template:3: 'y' is undefined"),
            ("a\n{% if x %}\n{{ x|nope }}{% endif %}", "template:3: a filter 'nope'"),
            ("\n{% frobnicate %}", "template:2: a block 'frobnicate' is not offered")):
        [(text, error)] = render(tool, [(source, V)])
        assert text is None and words in error, (source[:60], error)


def main():
    tool = sys.argv[1]
    print("small ones:", dict(compare(tool, list(pieces()))))
    bounds(tool)
    print("whole ones:", whole_templates(tool))
    print("random ones:", random_ones(tool))


if __name__ == "__main__":
    main()
