/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/frames.h"

#include <string.h>

enum frames_state {
	AT_MARK,      /* of the whole body: a byte order mark may stand here */
	AT_LINE,      /* the line's first byte */
	IN_NAME,      /* "data" so far */
	BEHIND_COLON, /* one blank may follow */
	IN_DATA,
	IN_OTHER /* a comment, or a field that is left out */
};

static const unsigned char mark[] = {0xef, 0xbb, 0xbf};
static const char name[] = "data";
static const unsigned char line_feed[] = "\n";

void frames_init(struct frames *f, bool lines)
{
	*f = (struct frames){.lines = lines, .state = lines ? IN_DATA : AT_MARK};
}

static bool is_line_end(unsigned char c)
{
	return c == '\n' || c == '\r';
}

/* The document ends, if there is one. */
static bool end_document(struct frames *f)
{
	bool had = f->has_data;

	f->has_data = f->line_had = false;
	return had;
}

/* A line's end at *p. True if it ends a document. */
static bool end_line(struct frames *f, const unsigned char **p)
{
	bool was_empty = f->state == AT_LINE;

	f->skip_lf = **p == '\r';
	++*p;
	if (f->lines)
		return end_document(f);
	f->state = AT_LINE;
	f->matched = 0;
	return was_empty && end_document(f);
}

/* Takes a byte of a field's name. */
static void read_name(struct frames *f, unsigned char c)
{
	if (f->matched < 4 && c == (unsigned char)name[f->matched]) {
		f->matched++;
		f->state = IN_NAME;
	} else if (f->matched == 4 && c == ':') {
		f->state = BEHIND_COLON;
	} else {
		f->state = IN_OTHER;
	}
}

/* From *p up to the line's end, or as far as the bytes go. */
static struct bytes rest_of_line(const unsigned char **p, const unsigned char *end)
{
	const unsigned char *from = *p, *lf, *cr;

	lf = memchr(from, '\n', (size_t)(end - from));
	if (lf)
		end = lf;
	cr = memchr(from, '\r', (size_t)(end - from));
	*p = cr ? cr : end;
	return bytes_of(from, (size_t)(*p - from));
}

static bool is_blank(struct bytes line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] != ' ' && line.data[i] != '\t')
			return false;
	return true;
}

enum frames_event frames_next(struct frames *f, const unsigned char **p,
	const unsigned char *end, struct bytes *data)
{
	while (*p < end) {
		unsigned char c = **p;

		if (f->skip_lf) {
			f->skip_lf = false;
			if (c == '\n') {
				++*p;
				continue;
			}
		}
		if (f->state == AT_MARK) {
			if (c == mark[f->matched] && f->matched < 2) {
				f->matched++;
				++*p;
				continue;
			}
			f->state = AT_LINE;
			if (f->matched == 2 && c == mark[2])
				++*p;
			else if (f->matched > 0)
				f->state = IN_OTHER;
			f->matched = 0;
			continue;
		}
		if (is_line_end(c)) {
			if (end_line(f, p))
				return FRAMES_END;
			continue;
		}
		switch ((enum frames_state)f->state) {
		case AT_LINE:
		case IN_NAME:
			read_name(f, c);
			++*p;
			break;
		case BEHIND_COLON:
			f->state = IN_DATA;
			if (c == ' ')
				++*p;
			if (f->line_had && f->has_data) {
				*data = bytes_of(line_feed, 1);
				f->line_had = false;
				return FRAMES_DATA;
			}
			break;
		case IN_DATA:
			*data = rest_of_line(p, end);
			if (f->lines && !f->has_data && is_blank(*data))
				break;
			f->has_data = f->line_had = true;
			return FRAMES_DATA;
		default:
			rest_of_line(p, end);
		}
	}
	return FRAMES_MORE;
}
