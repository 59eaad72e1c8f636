/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/choice.h"

#include <string.h>

#include "common/limits.h"
#include "deploy/teacher/references.h"
#include "deploy/teacher/repair.h"

static const char open_tag[] = "<think>", close_tag[] = "</think>";
#define OPEN_LEN (sizeof(open_tag) - 1)
#define CLOSE_LEN (sizeof(close_tag) - 1)

static struct bytes from(struct bytes text, size_t at)
{
	return bytes_of(text.data + at, text.len - at);
}

static bool begins_with_tag(struct bytes text)
{
	return text.len >= OPEN_LEN && memcmp(text.data, open_tag, OPEN_LEN) == 0;
}

/* Parts a text that is known to begin with a trace, or does so by its tags. */
static void part(struct bytes text, bool is_trace, struct parted *out)
{
	const unsigned char *end;
	struct bytes rest = begins_with_tag(text) ? from(text, OPEN_LEN) : text;

	end = text.len ? memmem(rest.data, rest.len, close_tag, CLOSE_LEN) : NULL;
	*out = (struct parted){0};
	if (end) {
		size_t n = (size_t)(end - rest.data);

		out->has_reasoning = out->has_content = true;
		out->reasoning = bytes_of(rest.data, n);
		out->content = from(rest, n + CLOSE_LEN);
	} else if (is_trace || rest.len < text.len) {
		out->has_reasoning = true;
		out->reasoning = rest;
	} else {
		out->has_content = true;
		out->content = text;
	}
}

static struct bytes without_breaks(struct bytes text)
{
	while (text.len > 0 && text.data[0] == '\n')
		text = from(text, 1);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	return text;
}

static enum verdict judge(struct bytes boxed, const struct question *q)
{
	char said[DECIMAL_MAX * 4];

	if (!q->has_truth)
		return VERDICT_NONE;
	if (!boxed.data || boxed.len >= sizeof(said))
		return VERDICT_WRONG;
	memcpy(said, boxed.data, boxed.len);
	said[boxed.len] = '\0';
	return decimal_same(said, q->answer) ? VERDICT_RIGHT : VERDICT_WRONG;
}

void choice_read(struct choice *c, const struct style *style, bool thinks,
	const struct question *q)
{
	struct bytes text;

	buf_init(&c->text, MIB(256));
	repair_text(bytes_of(c->speech.text.data, c->speech.text_len), &c->text);
	text = buf_bytes(&c->text);
	if (style->splits && thinks) {
		part(text, true, &c->body);
		c->kept = c->body;
	} else {
		c->body = (struct parted){.has_content = true, .content = text};
		part(text, false, &c->kept);
	}
	c->kept.reasoning = without_breaks(c->kept.reasoning);
	c->kept.content = without_breaks(c->kept.content);
	if (!references_boxed(c->kept.content, &c->boxed))
		c->boxed = bytes_of(NULL, 0);
	c->verdict = judge(c->boxed, q);
}

void choice_release(struct choice *c)
{
	speech_release(&c->speech);
	buf_release(&c->text);
	*c = (struct choice){0};
}

const char *choice_finish(const struct choice *c)
{
	return c->speech.end == SPEECH_LENGTH ? "length" : "stop";
}

size_t choice_rows(const struct choice *c, const struct style *style)
{
	return c->speech.n - (!style->eos_row && c->speech.end == SPEECH_EOS);
}

size_t choice_reasoning_tokens(const struct choice *c, bool thinks)
{
	if (!thinks)
		return 0;
	return c->speech.trace_end ? c->speech.trace_end : c->speech.n;
}
