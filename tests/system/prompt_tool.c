/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt_tool.c - encoding and rendering by themselves, for tests with oracles
 *
 *     prompt_tool encode TOKENIZER.json [special] < TEXTS     JSON texts, one a line
 *
 * One line of JSON comes out for each: a list of ids, or {"error": ...}.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/text_encoder.h"
#include "common/limits.h"

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

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "encode") == 0)
		return encode_all(argv[2], argc == 4);
	fprintf(stderr, "usage: prompt_tool encode TOKENIZER.json [special]\n");
	return 2;
}
