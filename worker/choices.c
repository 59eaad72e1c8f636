/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/choices.h"

#include <stdlib.h>

#include "common/mem.h"

static void copy_text(const struct answer_text *from, struct answer_text *to)
{
	buf_clear(&to->text);
	buf_add(&to->text, from->text.data, from->text.len);
	to->present = from->present;
}

void choices_share(struct answer *first)
{
	for (struct answer *a = first->next; a; a = a->next) {
		copy_text(&first->model, &a->model);
		copy_text(&first->system_fingerprint, &a->system_fingerprint);
		copy_text(&first->id, &a->id);
	}
}

/* Room for what is computed of each answer. */
struct shares {
	unsigned n;
	struct answer **answer; /* by index */
	uint64_t *weight;
	uint32_t *part;
};

static unsigned largest_left(const uint64_t *left, const bool *taken, unsigned n)
{
	unsigned best = n;

	for (unsigned i = 0; i < n; i++)
		if (!taken[i] && (best == n || left[i] > left[best]))
			best = i;
	return best;
}

void choices_divide(uint32_t total, const uint64_t *weight, uint32_t *part, unsigned n)
{
	uint64_t sum = 0, *left = mem_zalloc(n, sizeof(*left));
	bool *taken = mem_zalloc(n, sizeof(*taken));
	uint32_t rest = total;

	for (unsigned i = 0; i < n; i++)
		sum += weight[i];
	for (unsigned i = 0; i < n; i++) {
		/* Weights are lengths of texts: the product stays far below 2^64. */
		uint64_t w = sum ? weight[i] : 1, all = sum ? sum : n;

		part[i] = (uint32_t)(total * w / all);
		left[i] = total * w % all;
		rest -= part[i];
	}
	for (; rest > 0; rest--) {
		unsigned i = largest_left(left, taken, n);

		taken[i] = true;
		part[i]++;
	}
	free(left);
	free(taken);
}

/* What can be counted of an answer's tokens; false: nothing. */
static bool count_tokens(const struct answer *a, uint64_t *n)
{
	if (a->token_ids.present)
		*n = a->token_ids.n;
	else if (a->has_rows && a->rows.n > 0)
		*n = a->rows.n;
	else
		return false;
	return true;
}

static uint64_t text_bytes(const struct answer *a)
{
	return a->content.text.len + a->reasoning.text.len + a->refusal.text.len +
	       (a->tool_calls.present ? a->tool_calls.text.len : 0);
}

/* By what was counted; false if that cannot be. */
static bool divide_by_count(struct shares *s, uint32_t total)
{
	uint64_t sum = 0;
	uint32_t beyond;

	for (unsigned i = 0; i < s->n; i++) {
		if (!count_tokens(s->answer[i], &s->weight[i]))
			return false;
		sum += s->weight[i];
	}
	if (sum > total)
		return false;
	beyond = total - (uint32_t)sum;
	for (unsigned i = 0; i < s->n; i++)
		s->part[i] = (uint32_t)s->weight[i] + beyond / s->n +
			     (i < beyond % s->n ? 1 : 0);
	return true;
}

static void split_completion(struct shares *s, uint32_t total)
{
	if (!divide_by_count(s, total)) {
		for (unsigned i = 0; i < s->n; i++)
			s->weight[i] = text_bytes(s->answer[i]);
		choices_divide(total, s->weight, s->part, s->n);
	}
	for (unsigned i = 0; i < s->n; i++)
		s->answer[i]->usage.completion_tokens = s->part[i];
}

static void split_reasoning(struct shares *s, uint32_t total)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->n; i++)
		sum += s->weight[i] = s->answer[i]->reasoning.text.len;
	for (unsigned i = 0; i < s->n && sum == 0; i++)
		s->weight[i] = count_or_zero(s->answer[i]->usage.completion_tokens);
	choices_divide(total, s->weight, s->part, s->n);
	for (unsigned i = 0; i < s->n; i++)
		s->answer[i]->usage.reasoning_tokens = s->part[i];
}

void choices_split_usage(struct answer *first, const struct answer_usage *usage)
{
	bool told = usage->prompt_tokens != COUNT_UNKNOWN &&
		    usage->completion_tokens != COUNT_UNKNOWN;
	struct shares s = {0};

	for (struct answer *a = first; a; a = a->next)
		s.n++;
	s.answer = mem_zalloc(s.n, sizeof(struct answer *));
	s.weight = mem_zalloc(s.n, sizeof(*s.weight));
	s.part = mem_zalloc(s.n, sizeof(*s.part));
	for (struct answer *a = first; a; a = a->next)
		s.answer[a->index] = a;
	for (unsigned i = 0; i < s.n; i++) {
		struct answer_usage *own = &s.answer[i]->usage;

		if (usage->prompt_tokens != COUNT_UNKNOWN)
			own->prompt_tokens = i == 0 ? usage->prompt_tokens : 0;
		if (usage->cached_prompt_tokens != COUNT_UNKNOWN)
			own->cached_prompt_tokens =
				i == 0 ? usage->cached_prompt_tokens : 0;
		if (told)
			s.answer[i]->flags &= ~(uint32_t)FLAG_NO_USAGE;
	}
	if (usage->completion_tokens != COUNT_UNKNOWN)
		split_completion(&s, usage->completion_tokens);
	if (usage->reasoning_tokens != COUNT_UNKNOWN)
		split_reasoning(&s, usage->reasoning_tokens);
	free(s.answer);
	free(s.weight);
	free(s.part);
}
