/* SPDX-License-Identifier: Apache-2.0 */
#include "store/causal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "store/record.h"

static const struct {
	const char *name, *text;
} verdicts[CAUSAL_VERDICTS] = {
	[CAUSAL_PLACED] = {"placed", "placed"},
	[CAUSAL_MISALIGNED] = {"misaligned",
		"flagged misaligned (--include-misaligned takes them)"},
	[CAUSAL_NO_LOGITS] = {"no_logits", "without logprobs"},
	[CAUSAL_INTERNED] = {"interned_ids",
		"whose teacher gave no token ids (theirs are the dataset's own)"},
	[CAUSAL_NO_PROMPT_IDS] = {"no_prompt_ids",
		"whose teacher gave no token ids of the prompt (--tokenizer "
		"makes them)"},
	[CAUSAL_BAD_IDS] = {"bad_ids", "with a token of unknown id"},
	[CAUSAL_NO_ROOM] = {"no_room", "whose prompt is as long as --length"},
};

const char *causal_verdict_name(enum causal_verdict verdict)
{
	return verdicts[verdict].name;
}

const char *causal_verdict_text(enum causal_verdict verdict)
{
	return verdicts[verdict].text;
}

/* TOKEN_ID_UNKNOWN is none. */
static bool is_id(uint32_t id)
{
	return id <= INT32_MAX;
}

/* -inf is what a server says of a token that cannot be. */
static bool is_listed(float logprob)
{
	return isfinite(logprob);
}

static bool has_candidates(const struct logits *l)
{
	for (uint32_t i = 0; i < l->m; i++)
		if (is_listed(l->logprobs[i]) && is_id(l->ids[i]))
			return true;
	return false;
}

static bool are_ids(const uint32_t *id, size_t n)
{
	uint32_t all = 0;

	for (size_t i = 0; i < n; i++)
		all |= id[i];
	return is_id(all);
}

static bool are_prompt_ids(struct bytes ids)
{
	uint32_t all = 0;

	for (size_t i = 0; i < ids.len; i += 4)
		all |= get_u32(ids.data + i);
	return is_id(all);
}

static enum causal_verdict judge(const struct causal_rules *rules, uint32_t flags,
	struct bytes prompt_ids, const struct logits *l)
{
	if ((flags & FLAG_MISALIGNED) && !rules->with_misaligned)
		return CAUSAL_MISALIGNED;
	if (!l || !has_candidates(l))
		return CAUSAL_NO_LOGITS;
	if (l->interned)
		return CAUSAL_INTERNED;
	if (prompt_ids.len < 4)
		return CAUSAL_NO_PROMPT_IDS;
	if (!are_prompt_ids(prompt_ids) || !are_ids(l->id, l->n))
		return CAUSAL_BAD_IDS;
	if (rules->length > 0 && prompt_ids.len / 4 >= rules->length)
		return CAUSAL_NO_ROOM;
	return CAUSAL_PLACED;
}

static void make_room(struct causal *c, size_t n, uint32_t k)
{
	size_t had = c->cap;

	MEM_GROW(c->input_ids, c->cap, n);
	if (c->cap != had) {
		c->labels = mem_realloc(c->labels, c->cap, sizeof(*c->labels));
		c->attention_mask = mem_realloc(
			c->attention_mask, c->cap, sizeof(*c->attention_mask));
		c->len = mem_realloc(c->len, c->cap, sizeof(*c->len));
	}
	had = c->cap_entries;
	MEM_GROW(c->ids, c->cap_entries, n * k);
	if (c->cap_entries != had) {
		c->logprobs =
			mem_realloc(c->logprobs, c->cap_entries, sizeof(*c->logprobs));
		c->mask = mem_realloc(c->mask, c->cap_entries, sizeof(*c->mask));
	}
	if (k > c->cap_taken) {
		c->taken = mem_realloc(c->taken, k, 1);
		c->cap_taken = k;
	}
}

/* The sequence: prompt, completion, and what is wanted behind it. */
static void place_tokens(struct causal *c, struct bytes prompt_ids,
	const struct logits *l, enum causal_labels labels)
{
	size_t p = prompt_ids.len / 4;

	for (size_t i = 0; i < c->n; i++) {
		bool is_prompt = i < p, is_there = i < p + l->n;

		c->input_ids[i] = is_prompt  ? get_u32(prompt_ids.data + 4 * i)
				  : is_there ? l->id[i - p]
					     : 0;
		c->attention_mask[i] = is_there;
		c->labels[i] = is_there && !is_prompt && labels == CAUSAL_LABELS_TOKENS
				       ? c->input_ids[i]
				       : CAUSAL_IGNORE;
	}
}

/* From candidate `listed` on: the smallest ids that are not among those before it.
 * At most `listed` of the first k are, so k are enough to look at. */
static void fill(struct causal *c, size_t at, uint32_t listed, uint32_t k)
{
	uint32_t id = 0;

	memset(c->taken, 0, k);
	for (uint32_t i = 0; i < listed; i++)
		if ((uint32_t)c->ids[at + i] < k)
			c->taken[c->ids[at + i]] = 1;
	for (uint32_t i = listed; i < k; i++) {
		while (c->taken[id])
			id++;
		c->ids[at + i] = (int32_t)id++;
		c->logprobs[at + i] = CAUSAL_NOTHING;
		c->mask[at + i] = 0;
	}
}

/* The first k candidates that have a number and an id; they come by falling
 * logprob. */
static uint32_t take(struct causal *c, size_t at, uint32_t k, const uint32_t *ids,
	const float *logprobs, uint32_t listed)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < listed && n < k; i++) {
		if (!is_listed(logprobs[i]))
			continue;
		if (!is_id(ids[i])) {
			c->unknown++;
			continue;
		}
		c->ids[at + n] = (int32_t)ids[i];
		c->logprobs[at + n] = logprobs[i];
		c->mask[at + n] = 1;
		n++;
	}
	return n;
}

/* In double, relative to the most probable one: nothing is lost or too large. */
static void normalise(float *logprob, uint32_t n)
{
	double highest = (double)logprob[0], sum = 0, total;

	for (uint32_t i = 1; i < n; i++)
		highest = fmax(highest, (double)logprob[i]);
	for (uint32_t i = 0; i < n; i++)
		sum += exp((double)logprob[i] - highest);
	total = highest + log(sum);
	for (uint32_t i = 0; i < n; i++)
		logprob[i] = (float)((double)logprob[i] - total);
}

static void place_rows(struct causal *c, const struct causal_rules *rules, size_t p,
	const struct logits *l)
{
	size_t first = p - (rules->shift == CAUSAL_NEXT), at = 0;

	c->rows = c->unknown = 0;
	for (size_t i = 0; i < c->n; i++) {
		bool has_row = i >= first && i < first + l->n;
		uint32_t listed = has_row ? l->listed[i - first] : 0, taken;

		taken = take(c, i * rules->k, rules->k, l->ids + at, l->logprobs + at,
			listed);
		if (rules->normalise && taken > 0)
			normalise(c->logprobs + i * rules->k, taken);
		fill(c, i * rules->k, taken, rules->k);
		at += listed;
		c->len[i] = rules->k;
		c->rows += taken > 0;
		if (rules->labels == CAUSAL_LABELS_ROWS && taken > 0 && i >= p &&
			c->attention_mask[i])
			c->labels[i] = c->input_ids[i];
	}
}

enum causal_verdict causal_place(const struct causal_rules *rules, uint32_t flags,
	struct bytes prompt_ids, const struct logits *l, struct causal *out)
{
	enum causal_verdict verdict = judge(rules, flags, prompt_ids, l);
	size_t p = prompt_ids.len / 4;

	if (verdict != CAUSAL_PLACED)
		return verdict;
	out->n = rules->length ? rules->length : (uint32_t)(p + l->n);
	make_room(out, out->n, rules->k);
	place_tokens(out, prompt_ids, l, rules->labels);
	place_rows(out, rules, p, l);
	return CAUSAL_PLACED;
}

void causal_release(struct causal *c)
{
	free(c->input_ids);
	free(c->labels);
	free(c->attention_mask);
	free(c->len);
	free(c->ids);
	free(c->logprobs);
	free(c->mask);
	free(c->taken);
	*c = (struct causal){0};
}
