/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the tokens' bytes, joined, are the texts and what servers strip. */
#include <string.h>

#include "common/text.h"
#include "worker/align.h"

/* Longer tags and names are none. */
#define TAG_MAX 64
#define NOWHERE SIZE_MAX

struct walk {
	struct bytes stream;
	/* Bytes that may still be compared: an answer made to be compared again
	 * and again is not looked at to the end. */
	size_t budget;
	bool any_end; /* what follows the texts may be anything */
};

static struct bytes from(struct bytes s, size_t at)
{
	return bytes_of(s.data + at, s.len - at);
}

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool begins_with(struct bytes s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

/* The length of "open...close" at the beginning of s; 0 if there is none. */
static size_t enclosed(struct bytes s, const char *open, const char *close)
{
	size_t n = strlen(open), m = strlen(close);

	if (!begins_with(s, open))
		return 0;
	for (size_t i = n; i + m <= s.len && i < TAG_MAX && s.data[i] != '\n'; i++)
		if (memcmp(s.data + i, close, m) == 0)
			return i + m;
	return 0;
}

/* A special token or a tag. */
static size_t tag(struct bytes s)
{
	size_t n = enclosed(s, "<", ">");

	if (n == 0)
		n = enclosed(s, "[", "]");
	if (n == 0) /* Kimi's */
		n = enclosed(s, "\xe2\x97\x81", "\xe2\x96\xb7");
	return n;
}

/* gpt-oss: "<|start|>assistant<|channel|>final<|message|>". */
static size_t channel(struct bytes s)
{
	size_t n = 0;

	if (begins_with(s, "<|channel|>") || begins_with(s, "<|start|>"))
		n = tag(s);
	if (n == 0)
		return 0;
	while (n < s.len && n < TAG_MAX &&
		((s.data[n] >= 'a' && s.data[n] <= 'z') || s.data[n] == ' '))
		n++;
	return n;
}

static size_t phrase(struct bytes s)
{
	static const char *const phrases[] = {
		"Here is my thought process:", "Here's my thought process:",
		"Here is my response:", "Here's my response:"};

	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (begins_with(s, phrases[i]))
			return strlen(phrases[i]);
	return 0;
}

/* The bytes above 0x7f at the beginning of s. */
static size_t foreign(struct bytes s)
{
	size_t n = 0;

	while (n < s.len && s.data[n] >= 0x80)
		n++;
	return n;
}

static bool is_broken(struct bytes s)
{
	return utf8_valid_prefix(s.data, s.len) < s.len ||
	       memmem(s.data, s.len, "\xef\xbf\xbd", 3) != NULL;
}

/* What a server may have left out at the beginning of s: 0 for nothing. */
static size_t stripped(struct bytes s)
{
	size_t n;

	if (s.len == 0)
		return 0;
	if (is_space(s.data[0]))
		return 1;
	n = channel(s);
	if (n == 0)
		n = tag(s);
	if (n == 0)
		n = phrase(s);
	if (n == 0 && is_broken(bytes_of(s.data, foreign(s))))
		n = foreign(s);
	return n;
}

/* Runs of bytes above 0x7f at both: how far they agree in *a and *b; false if they
 * are different characters. */
static bool same_foreign(struct bytes stream, struct bytes text, size_t *a, size_t *b)
{
	size_t n = foreign(stream), m = foreign(text);

	/* The text may end, and the stream go on. */
	if (m <= n && memcmp(stream.data, text.data, m) == 0 &&
		(m == n || m == text.len)) {
		*a = *b = m;
		return true;
	}
	*a = n;
	*b = m;
	return is_broken(bytes_of(stream.data, n)) || is_broken(bytes_of(text.data, m));
}

/* The text at `at` of the stream: where it ends there; NOWHERE. */
static size_t match(struct walk *w, size_t at, struct bytes text)
{
	size_t i = 0;

	while (i < text.len) {
		struct bytes rest = from(w->stream, at), left = from(text, i);
		size_t a = 1, b = 1;

		if (rest.len == 0 || w->budget == 0)
			return NOWHERE;
		w->budget--;
		if (rest.data[0] < 0x80 && rest.data[0] == left.data[0]) {
			at++;
			i++;
			continue;
		}
		if (rest.data[0] >= 0x80 && left.data[0] >= 0x80) {
			if (!same_foreign(rest, left, &a, &b))
				return NOWHERE;
			i += b;
		} else if ((a = tag(rest)) == 0) {
			/* Half a character, which the text does not show. */
			a = foreign(rest);
			if (a == 0 || !is_broken(bytes_of(rest.data, a)))
				return NOWHERE;
		}
		at += a;
	}
	return at;
}

/* True if the stream from `at` on is the texts, and between them what is stripped. */
static bool explains(struct walk *w, size_t at, const struct bytes *text, size_t n)
{
	for (;;) {
		size_t end, step;

		if (n == 0 && (w->any_end || at == w->stream.len))
			return true;
		if (n > 0) {
			end = match(w, at, text[0]);
			if (end != NOWHERE && explains(w, end, text + 1, n - 1))
				return true;
		}
		step = stripped(from(w->stream, at));
		if (step == 0)
			return false;
		at += step;
	}
}

/* Where reasoning that was kept back ends; 0 if there is no sign of it. */
static size_t behind_hidden(struct bytes stream)
{
	static const char *const closing[] = {
		"</think>", "</thinking>", "<|end_of_thought|>", "[/THINK]"};

	for (size_t i = 0; i < sizeof(closing) / sizeof(closing[0]); i++) {
		size_t n = strlen(closing[i]);
		const unsigned char *at =
			memmem(stream.data, stream.len, closing[i], n);

		if (at)
			return (size_t)(at - stream.data) + n;
	}
	return 0;
}

bool align_explains(const struct answer *a, struct bytes stream)
{
	struct bytes text[2];
	struct walk w = {.stream = stream,
		.budget = 8 * stream.len + 4096,
		.any_end = a->tool_calls.present || a->finish == FINISH_STOP_WORD ||
			   a->finish == FINISH_CONTENT_FILTER ||
			   (a->flags & FLAG_LOOPING) != 0 /* cut by us */};
	size_t n = 0, hidden;

	/* An empty one may have no address, and then none to count from. */
	if (!stream.data)
		w.stream = stream = bytes_of("", 0);
	if (a->tool_calls.present || (a->refusal.present && a->refusal.text.len > 0))
		return true;
	if (a->reasoning.text.len > 0)
		text[n++] = buf_bytes(&a->reasoning.text);
	if (a->content.text.len > 0)
		text[n++] = buf_bytes(&a->content.text);
	if (n == 0 || explains(&w, 0, text, n) || w.budget == 0)
		return true;
	if (a->reasoning.text.len > 0)
		return false;
	hidden = behind_hidden(stream);
	return hidden > 0 && explains(&w, hidden, text, n);
}
