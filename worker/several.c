/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of one prompt that one request asks for (sampling.n_per_request). */
#include <string.h>

#include "common/mem.h"
#include "worker/worker.h"

static bool goes_with(
	const struct worker *w, const struct task *t, const struct task *o)
{
	return o == t ||
	       (o->prompt == t->prompt && o->state == TASK_READY && !o->scoring &&
		       task_teacher(w, o) == task_teacher(w, t));
}

/* A lease has the tasks of a prompt side by side, in the order of samples. */
unsigned several_find(
	const struct worker *w, struct task *t, unsigned most, struct task **tasks)
{
	const struct held *h = t->prompt->lease;
	unsigned n = 0;

	if (most < 2) {
		tasks[0] = t;
		return 1;
	}
	for (struct task *o = t; o < h->task + h->n_tasks; o++) {
		if (o->prompt != t->prompt || n == most)
			break;
		if (goes_with(w, t, o))
			tasks[n++] = o;
	}
	/* Those before it, which were put off for longer. */
	for (struct task *o = t; o-- > h->task;) {
		if (o->prompt != t->prompt || n == most)
			break;
		if (goes_with(w, t, o))
			tasks[n++] = o;
	}
	return n;
}

/* Choice i is for the i-th task that was asked for, in whatever order they come. */
void several_assign(struct ask *first)
{
	struct task *tasks[LIMIT_CHOICES];
	unsigned n = 0;

	for (struct ask *a = first; a; a = a->sibling)
		tasks[n++] = a->task;
	for (struct ask *a = first; a; a = a->sibling)
		a->task = tasks[a->answer.index];
}

void several_share_prompt(struct ask *first)
{
	const struct answer_ids *from = &first->answer.prompt_token_ids;

	for (struct ask *a = first->sibling; a && from->present; a = a->sibling) {
		struct answer_ids *to = &a->answer.prompt_token_ids;

		if (to->present)
			continue;
		MEM_GROW(to->at, to->cap, (size_t)from->n + 1);
		memcpy(to->at, from->at, from->n * sizeof(*to->at));
		to->n = from->n;
		to->present = true;
	}
}

static void add(uint32_t *sum, uint32_t part)
{
	if (part != COUNT_UNKNOWN)
		*sum = count_or_zero(*sum) + part;
}

/* The cost of the choices up to each, less that of those before it: rounded sums,
 * not a sum of roundings. */
int64_t several_cost(struct ask *first)
{
	struct answer_usage sum = {
		COUNT_UNKNOWN, COUNT_UNKNOWN, COUNT_UNKNOWN, COUNT_UNKNOWN};
	int64_t cost = 0;

	for (struct ask *a = first; a; a = a->sibling) {
		int64_t before = cost;

		add(&sum.prompt_tokens, a->answer.usage.prompt_tokens);
		add(&sum.cached_prompt_tokens, a->answer.usage.cached_prompt_tokens);
		add(&sum.completion_tokens, a->answer.usage.completion_tokens);
		cost = encode_cost(first->endpoint->job, &sum);
		a->cost_nusd = cost - before;
	}
	return cost;
}
