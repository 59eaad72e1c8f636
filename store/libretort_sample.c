/* SPDX-License-Identifier: Apache-2.0 */
/* The library: what a sample holds. */
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/jline.h"
#include "store/libretort.h"

/* The public numbers are those of the format. */
_Static_assert((int)RETORT_WORKER == TEXT_WORKER &&
		       (int)RETORT_CONTENT == TEXT_CONTENT &&
		       (int)RETORT_PROMPT_REQUEST == PROMPT_REQUEST,
	"kinds of text");
_Static_assert((int)RETORT_DUPLICATE_ELSEWHERE == FLAG_DUPLICATE_ELSEWHERE &&
		       (int)RETORT_SCORE_ANSWER == SCORE_ANSWER &&
		       (int)RETORT_SCORES == SCORE_SLOTS,
	"flags and scores");
_Static_assert(RETORT_UNKNOWN == COUNT_UNKNOWN && RETORT_UNKNOWN == SPAN_UNKNOWN &&
		       RETORT_UNKNOWN == TOKEN_ID_UNKNOWN &&
		       RETORT_NO_SEED == SEED_NONE,
	"what is absent");

void retort_fill_head(struct retort_sample *s)
{
	const struct record *r = &s->s->head;

	s->head = (struct retort_head){.sequence = s->s->sequence,
		.prompt_no = r->key.prompt,
		.sample = r->key.sample,
		.revision = r->key.revision,
		.settings = r->settings,
		.teacher = r->teacher,
		.endpoint = r->endpoint,
		.created_at_ms = r->created_at_ms,
		.latency_ms = r->latency_ms,
		.attempts = r->attempts,
		.seed = r->seed,
		.prompt_tokens = r->prompt_tokens,
		.cached_prompt_tokens = r->cached_prompt_tokens,
		.completion_tokens = r->completion_tokens,
		.reasoning_tokens = r->reasoning_tokens,
		.cost_nano_usd = r->cost_nusd,
		.finish_reason = finish_name(r->finish),
		.flags = sample_flags(s->s, false),
		.is_duplicate = s->s->is_duplicate,
		.duplicate_of = s->s->duplicate_of,
		.accepted = s->s->accepted,
		.n_tokens = r->n_tokens,
		.captures = r->captures,
		.reasoning_first = r->reasoning.first,
		.reasoning_behind = r->reasoning.behind,
		.content_first = r->content.first,
		.content_behind = r->content.behind,
		.eos_row =
			r->eos_row == EOS_ROW_UNKNOWN ? -1 : r->eos_row == EOS_ROW_YES};
	memcpy(s->head.scores, r->score, sizeof(s->head.scores));
}

void retort_sample_free(struct retort_sample *s)
{
	if (!s)
		return;
	sample_release(&s->own);
	free(s);
}

const struct retort_head *retort_sample_head(const struct retort_sample *s)
{
	return &s->head;
}

static void give(const struct sections *from, int kind, struct retort_bytes *to)
{
	*to = (struct retort_bytes){
		(const char *)from->at[kind].data, from->at[kind].len};
}

static enum retort_code refuse(struct retort *r, const char *what)
{
	err_set(&r->err, ERR_INVALID, "%s", what);
	return RETORT_INVALID;
}

enum retort_code retort_sample_text(
	struct retort_sample *s, enum retort_text which, struct retort_bytes *text)
{
	enum retort_code code = RETORT_OK;

	*text = (struct retort_bytes){0};
	if ((int)which < 1 || (int)which >= SECTIONS_MAX)
		return refuse(s->r, "there is no such text");
	if (!s->s->has_text) {
		code = retort_enter(s->r);
		if (code == RETORT_OK)
			code = retort_leave(s->r, sample_load_text(s->s, &s->r->err));
	}
	if (code == RETORT_OK)
		give(&s->s->text, (int)which, text);
	return code;
}

enum retort_code retort_sample_prompt(
	struct retort_sample *s, enum retort_prompt which, struct retort_bytes *text)
{
	enum retort_code code = RETORT_OK;

	*text = (struct retort_bytes){0};
	if ((int)which < 1 || (int)which >= SECTIONS_MAX)
		return refuse(s->r, "there is no such part of a prompt");
	if (!s->s->has_prompt) {
		code = retort_enter(s->r);
		if (code == RETORT_OK)
			code = retort_leave(s->r, sample_load_prompt(s->s, &s->r->err));
	}
	if (code == RETORT_OK)
		give(&s->s->prompt, (int)which, text);
	return code;
}

enum retort_code retort_sample_prompt_ids(
	struct retort_sample *s, uint32_t **ids, size_t *n)
{
	enum retort_code entered = retort_enter(s->r);
	struct bytes bytes = {NULL, 0};
	enum err_code code;

	*ids = NULL;
	*n = 0;
	if (entered != RETORT_OK)
		return entered;
	code = sample_prompt_ids(s->s, &bytes, &s->r->err);
	if (code == ERR_NONE && bytes.data) {
		*n = bytes.len / 4;
		*ids = mem_alloc(bytes.len);
		for (size_t i = 0; i < *n; i++)
			(*ids)[i] = get_u32(bytes.data + 4 * i);
	}
	return retort_leave(s->r, code);
}

enum retort_code retort_sample_json(
	struct retort_sample *s, int with_logits, char **json, size_t *len)
{
	enum retort_code entered = retort_enter(s->r);
	enum err_code code;
	struct jline line;
	struct buf out;

	*json = NULL;
	*len = 0;
	if (entered != RETORT_OK)
		return entered;
	jline_init(&line, with_logits, NULL, NULL);
	buf_init(&out, (size_t)1 << 31);
	code = jline_write(&line, s->s, &out, &s->r->err);
	if (code == ERR_NONE && out.over)
		code = err_set(
			&s->r->err, ERR_INVALID, "this sample is too long for JSON");
	if (code == ERR_NONE) {
		buf_text(&out); /* its NUL */
		*json = (char *)buf_take(&out, len);
	}
	buf_release(&out);
	jline_release(&line);
	return retort_leave(s->r, code);
}

/* The public struct and what it points into. */
struct held_logits {
	struct retort_logits open;
	struct logits own;
};

enum retort_code retort_sample_logits(
	struct retort_sample *s, unsigned capture, struct retort_logits **out)
{
	struct held_logits *held;
	enum retort_code entered;
	enum err_code code;

	*out = NULL;
	if (capture > 15 || !(s->head.captures >> capture & 1)) {
		err_set(&s->r->err, ERR_NOT_FOUND, "the sample has no capture %u",
			capture);
		return RETORT_NOT_FOUND;
	}
	entered = retort_enter(s->r);
	if (entered != RETORT_OK)
		return entered;
	held = mem_zalloc(1, sizeof(*held));
	code = sample_logits(s->s, (uint8_t)capture, &held->own, &s->r->err);
	logits_drop_scratch(&held->own);
	held->open = (struct retort_logits){.vocabulary = held->own.vocabulary,
		.interned = held->own.interned,
		.mode = held->own.mode,
		.k_asked = held->own.k_asked,
		.profile = held->own.profile,
		.error = logits_error(held->own.profile),
		.keep_k = held->own.keep_k,
		.keep_mass = held->own.keep_mass,
		.temperature = held->own.temperature,
		.tokenizer = held->own.tokenizer,
		.chat_template = held->own.chat_template,
		.n = held->own.n,
		.m = held->own.m,
		.ids = held->own.id,
		.logprobs = held->own.logprob,
		.tail_mass = held->own.tail,
		.n_bytes = held->own.n_bytes,
		.n_top = held->own.listed,
		.top_ids = held->own.ids,
		.top_logprobs = held->own.logprobs};
	if (code == ERR_NONE)
		*out = &held->open;
	else
		retort_logits_free(&held->open);
	return retort_leave(s->r, code);
}

void retort_logits_free(struct retort_logits *l)
{
	struct held_logits *held = (struct held_logits *)l;

	if (!held)
		return;
	logits_release(&held->own);
	free(held);
}

void retort_free(void *p)
{
	free(p);
}
