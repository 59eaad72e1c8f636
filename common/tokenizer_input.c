/* SPDX-License-Identifier: Apache-2.0 */
#include "common/tokenizer_input.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"

void input_begin(
	struct input *in, const struct tokenizer_source *source, const char *name)
{
	*in = (struct input){.source = source, .name = name};
	in->hash = XXH3_createState();
	if (!in->hash)
		abort();
	XXH3_64bits_reset(in->hash);
	jscan_init(&in->scan, LIMIT_JSON_DEPTH, KIB(64));
	in->scan.any_size = true;
}

void input_end(struct input *in)
{
	jscan_release(&in->scan);
	XXH3_freeState(in->hash);
}

/* Counts lines up to the scanner's place, which is in the chunk at hand. */
bool input_complain(struct input *in, const char *place, const char *fmt, ...)
{
	uint64_t offset = jscan_offset(&in->scan), line = in->lines + 1,
		 begin = in->line_at;
	char what[ERR_MSG_MAX / 2];
	va_list ap;

	if (in->err.code != ERR_NONE)
		return false; /* the first one counts */
	for (uint64_t i = in->before; i < offset && i < in->before + in->chunk.len;
		i++) {
		if (in->chunk.data[i - in->before] == '\n') {
			line++;
			begin = i + 1;
		}
	}
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	err_set(&in->err, ERR_INVALID, "%s:%" PRIu64 ":%" PRIu64 ": %s%s%s", in->name,
		line, offset > begin ? offset - begin : 1, place, *place ? ": " : "",
		what);
	return false;
}

static void count_lines(struct input *in)
{
	const unsigned char *p = in->chunk.data, *end = p + in->chunk.len;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		in->lines++;
		p++;
		in->line_at = in->before + (uint64_t)(p - in->chunk.data);
	}
	in->before += in->chunk.len;
}

static bool feed(struct input *in)
{
	count_lines(in);
	in->chunk = bytes_of(NULL, 0);
	if (in->source->next(in->source->from, &in->chunk, &in->err) != ERR_NONE)
		return false;
	if (in->before + in->chunk.len > LIMIT_TOKENIZER_FILE)
		return input_complain(in, "", "the file is longer than %zu MiB",
			LIMIT_TOKENIZER_FILE >> 20);
	if (in->chunk.len == 0) {
		jscan_end(&in->scan);
		return true;
	}
	XXH3_64bits_update(in->hash, in->chunk.data, in->chunk.len);
	jscan_feed(&in->scan, in->chunk.data, in->chunk.len);
	return true;
}

enum jscan_event input_next(struct input *in)
{
	for (;;) {
		enum jscan_event e;

		if (in->err.code != ERR_NONE)
			return JSCAN_ERROR;
		e = jscan_next(&in->scan);
		if (e == JSCAN_MORE && feed(in))
			continue;
		if (e == JSCAN_ERROR)
			input_complain(in, "", "%s", in->scan.error);
		return e == JSCAN_MORE ? JSCAN_ERROR : e;
	}
}

bool input_next_key(struct input *in, bool *ok)
{
	enum jscan_event e = input_next(in);

	*ok = e == JSCAN_KEY || e == JSCAN_OBJECT_END;
	return e == JSCAN_KEY;
}

bool input_key_is(const struct input *in, const char *name)
{
	return in->scan.text.len == strlen(name) &&
	       memcmp(in->scan.text.data, name, in->scan.text.len) == 0;
}

bool input_skip(struct input *in)
{
	jscan_skip(&in->scan);
	return input_next(in) == JSCAN_SKIPPED;
}

bool input_skip_rest(struct input *in, enum jscan_event e)
{
	if (e == JSCAN_OBJECT || e == JSCAN_ARRAY) {
		jscan_skip_rest(&in->scan);
		return input_next(in) == JSCAN_SKIPPED;
	}
	return e != JSCAN_ERROR;
}
