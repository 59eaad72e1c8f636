/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of a teacher: the same reading however it is cut into pieces, and
 * what is readable has the form that everything behind it counts on. The first
 * byte is the question (two bits of it how many answers an OpenAI-shaped one
 * wants, or how much of what was given is not to be scored), the second the size of the pieces, the protocol and whether it streams. */
#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "common/text.h"
#include "worker/align.h"
#include "worker/anthropic.h"
#include "worker/gemini.h"
#include "worker/ollama.h"
#include "worker/openai_shape.h"
#include "worker/raw_shapes.h"
#include "worker/reader.h"
#include "worker/responses.h"
#include "worker/score.h"
#include "worker/spans.h"
#include "worker/think.h"

static void check_rows(const struct rows *r)
{
	for (uint32_t i = 0; i < r->n; i++) {
		struct bytes token;

		MUST(r->first[i] <= r->first[i + 1] && r->first[i + 1] <= r->m);
		MUST(!(r->logprob[i] > 0) && !isinf(r->logprob[i]));
		MUST(isnan(r->tail[i]) || (r->tail[i] >= 0 && r->tail[i] <= 1));
		MUST(!rows_token(r, i, &token) ||
			r->token_at[i] + token.len <= r->pool.len);
		for (uint32_t j = r->first[i]; j < r->first[i + 1]; j++) {
			MUST(r->cand_logprob[j] <= 0 && r->cand_logprob[j] > -9999);
			MUST(r->cand_len[j] == TOKEN_BYTES_UNKNOWN ||
				r->cand_at[j] + r->cand_len[j] <= r->pool.len);
			MUST(j == r->first[i] ||
				r->cand_logprob[j] <= r->cand_logprob[j - 1]);
		}
	}
}

static void check_span(struct token_span span, uint32_t n)
{
	MUST((span.first == SPAN_UNKNOWN) == (span.behind == SPAN_UNKNOWN));
	MUST(span.first == SPAN_UNKNOWN ||
		(span.first <= span.behind && span.behind <= n));
}

static void check_text(const struct answer_text *t)
{
	MUST(utf8_valid_prefix(t->text.data, t->text.len) == t->text.len);
}

static void use(struct answer *a)
{
	struct score_input in = {.finish = a->finish,
		.flags = a->flags,
		.completion_tokens = a->usage.completion_tokens,
		.has_reference = true,
		.reference = bytes_of("#### 4", 6)};
	float score[SCORE_SLOTS];
	struct spans spans;
	struct buf stream;

	buf_init(&stream, MIB(16));
	check_text(&a->content);
	check_text(&a->reasoning);
	think_split(a);
	check_text(&a->content);
	check_text(&a->reasoning);
	for (int interned = 0; interned < 2; interned++) {
		spans_find(a, SERVER_VLLM, interned, &stream, &spans);
		check_span(spans.reasoning, a->rows.n);
		check_span(spans.content, a->rows.n);
		MUST((a->flags & FLAG_MISALIGNED) != 0 || !a->misaligned);
		MUST(align_settle(a, SERVER_VLLM, buf_bytes(&stream), &spans) !=
			MISALIGNED_SPANS);
	}
	in.content = buf_bytes(&a->content.text);
	in.reasoning = buf_bytes(&a->reasoning.text);
	in.rows = a->has_rows ? &a->rows : NULL;
	score_all(~0u, &in, score);
	buf_release(&stream);
}

/* By the second byte's higher half; the list goes round. */
static const struct {
	const struct shape *shape;
	bool stream;
} ways[] = {
	{&openai_shape, false},
	{&openai_shape, true},
	{&completions_shape, false},
	{&completions_shape, true},
	{&sglang_shape, false},
	{&llamacpp_shape, false},
	{&anthropic_shape, false},
	{&anthropic_shape, true},
	{&gemini_shape, false},
	{&gemini_shape, true},
	{&ollama_shape, false},
	{&ollama_shape, true},
	{&responses_shape, false},
	{&responses_shape, true},
	{&trl_shape, false},
};
static const char given[] = "[1,872,198,9707]";
#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

static enum reason read_in(struct reader *reader, const struct shape *shape,
	const struct answer_rules *rules, const uint8_t *body, size_t len, size_t piece,
	struct answer *a)
{
	reader_begin(reader, shape, rules, a);
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		uint8_t *copy = malloc(n);
		bool goes_on;

		MUST(copy);
		memcpy(copy, body + at, n);
		goes_on = reader_feed(reader, copy, n);
		free(copy);
		if (!goes_on)
			break;
	}
	return reader_end(reader);
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len &&
	       (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_same(const struct answer *a, const struct answer *b)
{
	MUST(a->flags == b->flags && a->why == b->why);
	MUST(a->rows.n == b->rows.n && a->rows.m == b->rows.m);
	MUST(same(&a->content.text, &b->content.text));
	MUST(same(&a->reasoning.text, &b->reasoning.text));
	MUST(a->usage.completion_tokens == b->usage.completion_tokens);
}

/* Up to four answers, as one list. */
static void link_up(struct answer *a, unsigned n)
{
	for (unsigned i = 0; i + 1 < n; i++)
		a[i].next = &a[i + 1];
}

static void check_one(struct answer *a, const struct answer_rules *rules)
{
	if (rules->top_logprobs > 0)
		check_rows(&a->rows);
	use(a);
}

/* The numbers of the choices are those asked for, and usage adds up. */
static void check_several(struct answer *a, const struct answer_rules *rules)
{
	unsigned numbers = 0;

	for (unsigned i = 0; i < rules->n_choices; i++) {
		MUST(a[i].index < rules->n_choices);
		numbers |= 1u << a[i].index;
		MUST((a[i].verdict == REASON_NONE) == (a[i].why == NULL));
		MUST((a[i].usage.completion_tokens == COUNT_UNKNOWN) ==
			(a[0].usage.completion_tokens == COUNT_UNKNOWN));
		MUST(a[i].index == 0 || count_or_zero(a[i].usage.prompt_tokens) == 0);
		if (a[i].verdict == REASON_NONE)
			check_one(&a[i], rules);
	}
	MUST(numbers + 1 == 1u << rules->n_choices);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct reader *reader = reader_new();
	struct answer whole[4] = {{.why = NULL}}, pieces[4] = {{.why = NULL}};
	struct answer_rules rules = {.body_max = MIB(1), .n_choices = 1};
	struct words *words = words_new(8);
	const struct shape *shape;
	enum reason reason;

	if (len >= 2) {
		rules.top_logprobs = input[0] & 31;
		rules.logits_required = input[0] >> 5 & 1;
		shape = ways[(input[1] >> 4) % N_WAYS].shape;
		rules.stream = ways[(input[1] >> 4) % N_WAYS].stream;
		rules.loop = (struct loop_rule){6, 300};
		if (shape == &openai_shape && !rules.stream)
			rules.n_choices = 1u + (input[0] >> 6);
		if ((shape == &completions_shape || shape == &sglang_shape ||
			    shape == &trl_shape) &&
			!rules.stream) {
			rules.prompt_len = input[0] >> 6;
			rules.scored = rules.prompt_len > 0;
			rules.given = bytes_of(given, sizeof(given) - 1);
		}
		link_up(whole, rules.n_choices);
		link_up(pieces, rules.n_choices);
		/* Those of the first reading are known in the second. */
		for (int i = 0; i < 4; i++)
			whole[i].rows.words = pieces[i].rows.words = words;
		reason = read_in(reader, shape, &rules, input + 2, len - 2, len, whole);
		MUST(read_in(reader, shape, &rules, input + 2, len - 2,
			     1u + input[1] % 16 * 5, pieces) == reason);
		MUST(rules.n_choices > 1 ||
			(reason == REASON_NONE) == (whole[0].why == NULL));
		/* Of what is no JSON, more or less may have been read. */
		if (reason != REASON_BAD_JSON && reason != REASON_BODY_CUT &&
			reason != REASON_BODY_TOO_LONG)
			for (unsigned i = 0; i < rules.n_choices; i++)
				check_same(&whole[i], &pieces[i]);
		if (reason == REASON_NONE && rules.n_choices > 1)
			check_several(whole, &rules);
		else if (reason == REASON_NONE)
			check_one(whole, &rules);
	}
	for (int i = 0; i < 4; i++) {
		answer_release(&whole[i]);
		answer_release(&pieces[i]);
	}
	words_free(words);
	reader_free(reader);
	return 0;
}
