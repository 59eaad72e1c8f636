/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include <assert.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/mem.h"

#define VERSION 1

const char *finish_name(enum finish finish)
{
	static const char *const names[FINISH_N] = {
		[FINISH_OTHER] = "other",
		[FINISH_STOP] = "stop",
		[FINISH_STOP_WORD] = "stop",
		[FINISH_LENGTH] = "length",
		[FINISH_TOOL_CALLS] = "tool_calls",
		[FINISH_CONTENT_FILTER] = "content_filter",
	};

	return (unsigned)finish < FINISH_N ? names[finish] : "other";
}

const char *flag_name(int bit)
{
	static const char *const names[32] = {
		"truncated",
		"filtered",
		"refused",
		"looping",
		"misaligned",
		"no_content",
		"unclosed_reasoning",
		"no_usage",
		"logits_missing",
		"logits_partial",
		"duplicate_elsewhere",
		[31] = "duplicate",
	};

	return bit >= 0 && bit < 32 ? names[bit] : NULL;
}

const char *score_slot_name(enum score score)
{
	static const char *const names[SCORE_N] = {
		[SCORE_LENGTH] = "length",
		[SCORE_REPETITION] = "repetition",
		[SCORE_COMPRESSION_RATIO] = "compression_ratio",
		[SCORE_FINISH] = "finish",
		[SCORE_REFUSAL] = "refusal",
		[SCORE_CONFIDENCE] = "confidence",
		[SCORE_ENTROPY] = "entropy",
		[SCORE_ANSWER] = "answer",
	};

	assert((unsigned)score < SCORE_N);
	return names[score];
}

const char *logprobs_mode_name(enum logprobs_mode mode)
{
	return mode == LOGPROBS_RAW         ? "raw"
	       : mode == LOGPROBS_PROCESSED ? "processed"
					    : "unknown";
}

/* Offsets as in FORMAT.md. */
enum {
	AT_VERSION = 0,
	AT_FINISH = 1,
	AT_STORE = 2,
	AT_FLAGS = 4,
	AT_PROMPT = 8,
	AT_SAMPLE = 16,
	AT_REVISION = 20,
	AT_SHARD = 24,
	AT_EPOCH = 32,
	AT_FINGERPRINT = 40,
	AT_SETTINGS = 48,
	AT_TEACHER = 52,
	AT_ENDPOINT = 54,
	AT_CREATED = 56,
	AT_LATENCY = 64,
	AT_ATTEMPTS = 68,
	AT_CAPTURES = 70,
	AT_SEED = 72,
	AT_PROMPT_TOKENS = 80,
	AT_CACHED = 84,
	AT_COMPLETION_TOKENS = 88,
	AT_REASONING_TOKENS = 92,
	AT_COST = 96,
	AT_WASTED_COST = 104,
	AT_WASTED_PROMPT = 112,
	AT_WASTED_COMPLETION = 116,
	AT_REASONING_LEN = 120,
	AT_CONTENT_LEN = 124,
	AT_N_TOKENS = 128,
	AT_REASONING_SPAN = 132,
	AT_CONTENT_SPAN = 140,
	AT_EOS_ROW = 148,
	AT_MODE = 149,
	AT_MISALIGNED = 150,
	AT_CHOICE = 151,
	AT_SCORES = 152
};
_Static_assert(AT_SCORES + 4 * SCORE_SLOTS == RECORD_SIZE, "FORMAT.md says 200");

void record_encode(const struct record *r, unsigned char out[RECORD_SIZE])
{
	out[AT_VERSION] = VERSION;
	out[AT_FINISH] = r->finish;
	put_u16(out + AT_STORE, r->key.store);
	put_u32(out + AT_FLAGS, r->flags & ~(uint32_t)FLAG_DUPLICATE);
	put_u64(out + AT_PROMPT, r->key.prompt);
	put_u32(out + AT_SAMPLE, r->key.sample);
	put_u32(out + AT_REVISION, r->key.revision);
	put_u64(out + AT_SHARD, r->shard);
	put_u64(out + AT_EPOCH, r->epoch);
	put_u64(out + AT_FINGERPRINT, r->fingerprint);
	put_u32(out + AT_SETTINGS, r->settings);
	put_u16(out + AT_TEACHER, r->teacher);
	put_u16(out + AT_ENDPOINT, r->endpoint);
	put_u64(out + AT_CREATED, (uint64_t)r->created_at_ms);
	put_u32(out + AT_LATENCY, r->latency_ms);
	put_u16(out + AT_ATTEMPTS, r->attempts);
	put_u16(out + AT_CAPTURES, r->captures);
	put_u64(out + AT_SEED, r->seed);
	put_u32(out + AT_PROMPT_TOKENS, r->prompt_tokens);
	put_u32(out + AT_CACHED, r->cached_prompt_tokens);
	put_u32(out + AT_COMPLETION_TOKENS, r->completion_tokens);
	put_u32(out + AT_REASONING_TOKENS, r->reasoning_tokens);
	put_u64(out + AT_COST, (uint64_t)r->cost_nusd);
	put_u64(out + AT_WASTED_COST, (uint64_t)r->wasted_nusd);
	put_u32(out + AT_WASTED_PROMPT, r->wasted_prompt_tokens);
	put_u32(out + AT_WASTED_COMPLETION, r->wasted_completion_tokens);
	put_u32(out + AT_REASONING_LEN, r->reasoning_len);
	put_u32(out + AT_CONTENT_LEN, r->content_len);
	put_u32(out + AT_N_TOKENS, r->n_tokens);
	put_u32(out + AT_REASONING_SPAN, r->reasoning.first);
	put_u32(out + AT_REASONING_SPAN + 4, r->reasoning.behind);
	put_u32(out + AT_CONTENT_SPAN, r->content.first);
	put_u32(out + AT_CONTENT_SPAN + 4, r->content.behind);
	out[AT_EOS_ROW] = r->eos_row;
	out[AT_MODE] = r->logprobs_mode;
	out[AT_MISALIGNED] = r->misaligned;
	out[AT_CHOICE] = r->choice;
	for (int i = 0; i < SCORE_SLOTS; i++)
		put_f32(out + AT_SCORES + 4 * i, r->score[i]);
}

enum err_code record_decode(struct bytes in, struct record *r, struct err *err)
{
	const unsigned char *p = in.data;

	if (in.len != RECORD_SIZE)
		return err_set(err, ERR_CORRUPT, "a record head of %zu bytes", in.len);
	if (p[AT_VERSION] != VERSION)
		return err_set(
			err, ERR_CORRUPT, "a record head of version %u", p[AT_VERSION]);
	if (p[AT_FINISH] >= FINISH_N || p[AT_EOS_ROW] > EOS_ROW_UNKNOWN ||
		p[AT_MODE] > LOGPROBS_PROCESSED)
		return err_set(err, ERR_CORRUPT, "a record head with an unknown value");
	r->key = (struct sample_key){get_u64(p + AT_PROMPT), get_u32(p + AT_SAMPLE),
		get_u32(p + AT_REVISION), get_u16(p + AT_STORE)};
	r->finish = p[AT_FINISH];
	r->flags = get_u32(p + AT_FLAGS);
	r->shard = get_u64(p + AT_SHARD);
	r->epoch = get_u64(p + AT_EPOCH);
	r->fingerprint = get_u64(p + AT_FINGERPRINT);
	r->settings = get_u32(p + AT_SETTINGS);
	r->teacher = get_u16(p + AT_TEACHER);
	r->endpoint = get_u16(p + AT_ENDPOINT);
	r->created_at_ms = (int64_t)get_u64(p + AT_CREATED);
	r->latency_ms = get_u32(p + AT_LATENCY);
	r->attempts = get_u16(p + AT_ATTEMPTS);
	r->captures = get_u16(p + AT_CAPTURES);
	r->seed = get_u64(p + AT_SEED);
	r->prompt_tokens = get_u32(p + AT_PROMPT_TOKENS);
	r->cached_prompt_tokens = get_u32(p + AT_CACHED);
	r->completion_tokens = get_u32(p + AT_COMPLETION_TOKENS);
	r->reasoning_tokens = get_u32(p + AT_REASONING_TOKENS);
	r->cost_nusd = (int64_t)get_u64(p + AT_COST);
	r->wasted_nusd = (int64_t)get_u64(p + AT_WASTED_COST);
	r->wasted_prompt_tokens = get_u32(p + AT_WASTED_PROMPT);
	r->wasted_completion_tokens = get_u32(p + AT_WASTED_COMPLETION);
	r->reasoning_len = get_u32(p + AT_REASONING_LEN);
	r->content_len = get_u32(p + AT_CONTENT_LEN);
	r->n_tokens = get_u32(p + AT_N_TOKENS);
	r->reasoning = (struct token_span){
		get_u32(p + AT_REASONING_SPAN), get_u32(p + AT_REASONING_SPAN + 4)};
	r->content = (struct token_span){
		get_u32(p + AT_CONTENT_SPAN), get_u32(p + AT_CONTENT_SPAN + 4)};
	r->eos_row = p[AT_EOS_ROW];
	r->logprobs_mode = p[AT_MODE];
	r->misaligned = p[AT_MISALIGNED];
	r->choice = p[AT_CHOICE];
	for (int i = 0; i < SCORE_SLOTS; i++)
		r->score[i] = get_f32(p + AT_SCORES + 4 * i);
	return ERR_NONE;
}

/* Normalises into `out`, which holds at least text.len bytes; its length. Without
 * branches: nobody can foretell where words end. */
static size_t normalise(struct bytes text, unsigned char *out)
{
	size_t n = 0;
	unsigned pending = 0; /* a blank, if another word follows */

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];
		unsigned is_space = (c == ' ') | (c >= '\t' && c <= '\r');
		unsigned is_upper = c >= 'A' && c <= 'Z';

		/* n <= i, and n < i while a blank is pending. */
		out[n] = ' ';
		n += pending & !is_space;
		out[n] = (unsigned char)(c | is_upper << 5);
		n += !is_space;
		pending = is_space & (n > 0);
	}
	return n;
}

uint64_t record_fingerprint(struct bytes reasoning, struct bytes content)
{
	/* Not to be cleared as a whole by a hardened build. */
	__attribute__((uninitialized)) unsigned char small[4096];
	unsigned char *room = small;
	size_t need = reasoning.len + content.len + 1, a, b;
	uint64_t hash;

	if (need > sizeof(small))
		room = mem_alloc(need);
	a = normalise(reasoning, room);
	room[a] = 0;
	b = normalise(content, room + a + 1);
	hash = a + b == 0 ? 0 : hash64(room, a + 1 + b);
	if (room != small)
		free(room);
	return a + b > 0 && hash == 0 ? 1 : hash;
}
