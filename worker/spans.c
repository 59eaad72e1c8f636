/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/spans.h"

#include <string.h>

#include "worker/rows_place.h"

/* Joins the tokens' bytes. False if those of a token are not known, and those of one
 * behind it are. */
static bool join(const struct rows *r, struct buf *stream)
{
	struct bytes token;
	bool known = true;

	buf_clear(stream);
	for (uint32_t i = 0; i < r->n; i++) {
		if (!rows_token(r, i, &token))
			known = false;
		else if (known)
			buf_add(stream, token.data, token.len);
		else
			return false;
	}
	return !stream->over;
}

/* The first occurrence of `text` from `from` on; SPAN_NOWHERE. */
static size_t find(struct bytes stream, size_t from, struct bytes text)
{
	const unsigned char *at;

	if (text.len > stream.len - from)
		return SPAN_NOWHERE;
	at = memmem(stream.data + from, stream.len - from, text.data, text.len);
	return at ? (size_t)(at - stream.data) : SPAN_NOWHERE;
}

/* The last occurrence from `from` on that ends within SPANS_TAIL of the end. */
static size_t find_near_end(struct bytes stream, size_t from, struct bytes text)
{
	size_t at;

	if (text.len > stream.len - from)
		return SPAN_NOWHERE;
	at = stream.len - text.len;
	for (size_t i = 0; i <= SPANS_TAIL && at >= from; i++, at--) {
		if (memcmp(stream.data + at, text.data, text.len) == 0)
			return at;
		if (at == 0)
			break;
	}
	return SPAN_NOWHERE;
}

static size_t find_content(struct bytes stream, size_t from, struct bytes text)
{
	size_t at = find_near_end(stream, from, text);

	return at == SPAN_NOWHERE ? find(stream, from, text) : at;
}

/* The tokens that begin in [from, to) of the stream. */
static struct token_span tokens_in(const struct rows *r, size_t from, size_t to)
{
	struct token_span span = {SPAN_UNKNOWN, SPAN_UNKNOWN};
	struct bytes token;
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < r->n && at < to && rows_token(r, i, &token); i++) {
		if (span.first == SPAN_UNKNOWN && at >= from && token.len > 0) {
			span.first = i;
			while (span.first > 0 && rows_passed_over(r, span.first - 1))
				span.first--;
		}
		at += token.len;
	}
	if (span.first == SPAN_UNKNOWN)
		span.first = i; /* all of it lies in a token that begins before */
	span.behind = i;
	return span;
}

/* "</s>", "<|im_end|>", "[EOS]", or not shown at all. */
static bool looks_special(struct bytes s)
{
	return s.len == 0 || (s.data[0] == '<' && s.data[s.len - 1] == '>') ||
	       (s.data[0] == '[' && s.data[s.len - 1] == ']');
}

/* Where the last token begins, if the stream is known. */
static size_t begin_of_last(const struct rows *r, size_t stream_len)
{
	struct bytes last;

	return rows_token(r, r->n - 1, &last) ? stream_len - last.len : stream_len;
}

static bool counts_agree(const struct answer *a)
{
	if (a->token_ids.present)
		return a->token_ids.n == a->rows.n;
	return a->usage.completion_tokens == COUNT_UNKNOWN ||
	       a->usage.completion_tokens == a->rows.n;
}

static enum eos_row judge_last_row(const struct answer *a, enum job_server server,
	const struct spans *s, size_t stream_len, size_t texts_end)
{
	const struct rows *r = &a->rows;
	bool ended_itself = a->finish == FINISH_STOP || a->finish == FINISH_TOOL_CALLS;
	struct bytes last;

	if (a->eos_row == EOS_ROW_NO || a->finish == FINISH_LENGTH ||
		a->finish == FINISH_STOP_WORD)
		return EOS_ROW_NO;
	if (!ended_itself || !counts_agree(a))
		return EOS_ROW_UNKNOWN;
	if (!rows_token(r, r->n - 1, &last) || !s->has_stream)
		return server == SERVER_VLLM || server == SERVER_SGLANG
			       ? EOS_ROW_YES
			       : EOS_ROW_UNKNOWN;
	if (texts_end == SPAN_NOWHERE)
		return EOS_ROW_UNKNOWN;
	if (begin_of_last(r, stream_len) < texts_end)
		return EOS_ROW_NO;
	/* Layout that was trimmed off the text, or part of a stop word, is no
	 * end token. */
	return looks_special(last) ? EOS_ROW_YES : EOS_ROW_UNKNOWN;
}

static bool has_ids(const struct rows *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->id[i] == TOKEN_ID_UNKNOWN)
			return false;
	return true;
}

static bool is_trusted(const struct answer *a, enum job_server server, bool interned)
{
	struct bytes last;

	return rows_token(&a->rows, a->rows.n - 1, &last) &&
	       (server == SERVER_LLAMACPP || interned || !has_ids(&a->rows));
}

/* An answer that was cut within a character: its text ends with U+FFFD, and the last
 * tokens, whose bytes are not known, are what that and a little before it stands for. */
static void locate_cut(const struct answer *a, struct bytes stream, size_t from,
	struct bytes content, struct spans *out)
{
	static const char mark[] = "\xef\xbf\xbd";
	size_t n = strlen(mark), most = n + SPANS_TAIL;
	struct bytes last;

	if (a->finish != FINISH_LENGTH || rows_token(&a->rows, a->rows.n - 1, &last) ||
		content.len < n || memcmp(content.data + content.len - n, mark, n) != 0)
		return;
	for (size_t missing = n; missing <= most && missing <= content.len; missing++) {
		size_t known = content.len - missing, at = stream.len - known;

		if (known > stream.len - from || (known == 0 && missing > n) ||
			memcmp(stream.data + at, content.data, known) != 0)
			continue;
		out->content = tokens_in(&a->rows, at, stream.len);
		out->content.behind = a->rows.n;
		return;
	}
}

/* Locates both texts; returns where the last of them ends. */
static size_t locate(const struct answer *a, struct bytes stream, struct spans *out)
{
	struct bytes reasoning = buf_bytes(&a->reasoning.text);
	struct bytes content = buf_bytes(&a->content.text);
	size_t end = 0;

	if (reasoning.len > 0) {
		out->reasoning_at = find(stream, 0, reasoning);
		if (out->reasoning_at != SPAN_NOWHERE) {
			end = out->reasoning_at + reasoning.len;
			out->reasoning = tokens_in(&a->rows, out->reasoning_at, end);
		}
	}
	if (content.len > 0) {
		out->content_at = find_content(stream, end, content);
		if (out->content_at != SPAN_NOWHERE)
			out->content = tokens_in(&a->rows, out->content_at,
				out->content_at + content.len);
		else
			locate_cut(a, stream, end, content, out);
	}
	if ((reasoning.len > 0 && out->reasoning_at == SPAN_NOWHERE) ||
		(content.len > 0 && out->content_at == SPAN_NOWHERE))
		return SPAN_NOWHERE;
	if (reasoning.len + content.len == 0)
		return SPAN_NOWHERE;
	out->fits = true;
	return content.len > 0 ? out->content_at + content.len : end;
}

void spans_find(const struct answer *a, enum job_server server, bool interned,
	struct buf *stream, struct spans *out)
{
	size_t texts_end = SPAN_NOWHERE;

	*out = (struct spans){.reasoning = {SPAN_UNKNOWN, SPAN_UNKNOWN},
		.content = {SPAN_UNKNOWN, SPAN_UNKNOWN},
		.reasoning_at = SPAN_NOWHERE,
		.content_at = SPAN_NOWHERE,
		.eos_row = EOS_ROW_UNKNOWN};
	buf_clear(stream);
	if (a->rows.n == 0)
		return;
	out->has_stream = join(&a->rows, stream);
	out->trusted = out->has_stream && is_trusted(a, server, interned);
	if (out->has_stream && stream->len > 0)
		texts_end = locate(a, buf_bytes(stream), out);
	out->eos_row = judge_last_row(a, server, out, stream->len, texts_end);
}
