/* SPDX-License-Identifier: Apache-2.0 */
#include "common/jplace.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/jscan.h"

/* One step of a path: a member's name or an index. */
struct step {
	const char *name;
	size_t name_len;
	long index; /* -1: a name */
};

static const char *next_step(const char *path, struct step *step)
{
	char *end;

	*step = (struct step){.name = "", .index = -1};
	if (*path == '.')
		path++;
	if (*path == '[') {
		step->index = strtol(path + 1, &end, 10);
		return *end == ']' ? end + 1 : end;
	}
	step->name = path;
	step->name_len = strcspn(path, ".[");
	return path + step->name_len;
}

/* The scanner stands before a value. Walks into it along `path`; the offset of
 * what was looked for, or -1. */
static int64_t walk(struct jscan *s, const char *path, int64_t at)
{
	struct step step;
	enum jscan_event event;
	int depth;

	if (!*path)
		return at;
	path = next_step(path, &step);
	event = jscan_next(s);
	if (event != (step.index < 0 ? JSCAN_OBJECT : JSCAN_ARRAY))
		return -1;
	depth = s->depth;
	for (long i = 0;; i++) {
		if (step.index < 0) {
			event = jscan_next(s);
			if (event != JSCAN_KEY)
				return -1;
			at = (int64_t)jscan_offset(s) - (int64_t)s->text.len - 2;
			if (s->text.len == step.name_len &&
				memcmp(s->text.data, step.name, step.name_len) == 0)
				return walk(s, path, at);
			jscan_skip(s);
			if (jscan_next(s) != JSCAN_SKIPPED)
				return -1;
		} else {
			at = (int64_t)jscan_offset(s);
			if (i == step.index && *path)
				return walk(s, path, at);
			do {
				event = jscan_next(s);
				if (event < JSCAN_OBJECT || s->depth < depth)
					return -1; /* there is no such entry */
				if (i == step.index)
					return at;
			} while (s->depth > depth || event == JSCAN_KEY);
		}
	}
}

bool jplace_find(const char *text, size_t len, const char *path, int *line, int *column)
{
	struct jscan s;
	int64_t at;

	jscan_init(&s, JSCAN_DEPTH_MAX, len + 16);
	jscan_feed(&s, text, len);
	at = walk(&s, path, 0);
	jscan_release(&s);
	if (at < 0)
		return false;
	/* An array entry's offset is behind the comma or bracket before it. */
	while ((size_t)at < len && strchr(" \t\r\n,", text[at]))
		at++;
	*line = *column = 1;
	for (int64_t i = 0; i < at; i++) {
		(*column)++;
		if (text[i] == '\n') {
			(*line)++;
			*column = 1;
		}
	}
	return true;
}
