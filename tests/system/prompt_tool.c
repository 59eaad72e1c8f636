/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt_tool.c - encoding and rendering by themselves, for tests with oracles
 *
 *     prompt_tool encode TOKENIZER.json [special] < TEXTS     JSON texts, one a line
 *     prompt_tool render < TEMPLATES             [template, variables], one a line
 *
 * One line of JSON comes out for each: a list of ids or a text, or {"error": ...}.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/jinja.h"
#include "common/limits.h"
#include "common/text_encoder.h"

static void say(json_t *v)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	puts(text ? text : "null");
	free(text);
	json_decref(v);
}

static json_t *error_of(const struct err *err)
{
	return json_pack("{s:s}", "error", err->msg);
}

static json_t *encode(struct text_encoder *e, const json_t *text, bool special)
{
	json_t *list = json_array();
	struct err err = {0};
	struct buf ids;

	buf_init(&ids, LIMIT_RENDERED);
	if (text_encoder_encode(e,
		    bytes_of(json_string_value(text), json_string_length(text)),
		    special, &ids, &err) == ERR_NONE) {
		for (size_t i = 0; i < ids.len; i += 4)
			json_array_append_new(
				list, json_integer(get_u32(ids.data + i)));
	} else {
		json_decref(list);
		list = error_of(&err);
	}
	buf_release(&ids);
	return list;
}

static int encode_all(const char *path, bool special)
{
	struct text_encoder *e;
	struct err err;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (text_encoder_read_file(path, &e, &err) != ERR_NONE) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	while ((len = getline(&line, &cap, stdin)) > 0) {
		json_t *text = json_loadb(
			line, (size_t)len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

		say(encode(e, text, special));
		json_decref(text);
	}
	free(line);
	text_encoder_free(e);
	return 0;
}

static json_t *render(const struct jinja *t, json_t *variables)
{
	struct err err = {0};
	struct buf text;
	json_t *out;

	buf_init(&text, LIMIT_RENDERED);
	if (jinja_render(t, variables, &text, &err) == ERR_NONE)
		out = json_stringn(text.len ? (const char *)text.data : "", text.len);
	else
		out = error_of(&err);
	buf_release(&text);
	return out;
}

/* A line of [template, variables]. */
static json_t *render_line(const char *line, size_t len)
{
	json_t *pair = json_loadb(line, len, JSON_ALLOW_NUL, NULL), *out;
	const json_t *source = json_array_get(pair, 0);
	struct jinja *t;
	struct err err;

	if (jinja_compile(
		    bytes_of(json_string_value(source), json_string_length(source)),
		    "template", &t, &err) != ERR_NONE) {
		out = error_of(&err);
	} else {
		out = render(t, json_array_get(pair, 1));
		jinja_free(t);
	}
	json_decref(pair);
	return out;
}

static int render_all(void)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	while ((len = getline(&line, &cap, stdin)) > 0)
		say(render_line(line, (size_t)len));
	free(line);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "encode") == 0)
		return encode_all(argv[2], argc == 4);
	if (argc == 2 && strcmp(argv[1], "render") == 0)
		return render_all();
	fprintf(stderr, "usage: prompt_tool encode TOKENIZER.json [special]\n"
			"       prompt_tool render\n");
	return 2;
}
