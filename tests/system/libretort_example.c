/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a program reads a dataset with libretort:
 *
 *     cc libretort_example.c $(pkg-config --cflags --libs retort) -o example
 *     ./example RUN [EXPRESSION]
 *
 * Prints each selected sample as the line of the jsonl export, and what was
 * looked at on the way to standard error.
 */
#include <math.h>
#include <retort.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(struct retort *r, enum retort_code code, const char *what)
{
	if (code == RETORT_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, r ? retort_error(r) : "");
	exit(1);
}

/* Candidates of the rows, and the largest sum of their probabilities, with what
 * rounding may have added taken off. */
static double look_at_logits(struct retort *r, struct retort_sample *s)
{
	struct retort_logits *l;
	double largest = 0;
	size_t at = 0;

	if (retort_sample_logits(s, 0, &l) == RETORT_NOT_FOUND)
		return 0;
	for (uint32_t i = 0; i < l->n; i++) {
		double sum = 0;

		for (uint32_t k = 0; k < l->n_top[i]; k++, at++) {
			struct retort_bytes token;

			sum += exp((double)l->top_logprobs[at] - l->error);
			if (l->interned)
				must(r,
					retort_token(r, l->vocabulary, l->top_ids[at],
						&token),
					"a token");
		}
		if (sum > largest)
			largest = sum;
	}
	if (at != l->m || (l->error == 0) != (l->profile == 0) ||
		l->n != retort_sample_head(s)->n_tokens)
		exit(1);
	retort_logits_free(l);
	return largest;
}

/* The same sample, looked up by its numbers and by its prompt's id. */
static void look_up(struct retort *r, struct retort_sample *s)
{
	const struct retort_head *head = retort_sample_head(s), *other;
	struct retort_sample *again;
	struct retort_bytes id;
	char name[1025];

	must(r, retort_get(r, head->prompt_no, head->sample, &again), "get");
	other = retort_sample_head(again);
	if (other->sequence != head->sequence || other->accepted != head->accepted ||
		other->is_duplicate != head->is_duplicate)
		exit(1);
	must(r, retort_sample_prompt(again, RETORT_PROMPT_ID, &id), "prompt id");
	snprintf(name, sizeof(name), "%.*s", (int)id.len, id.data);
	retort_sample_free(again);
	must(r, retort_find(r, name, head->sample, &again), "find");
	if (retort_sample_head(again)->sequence != head->sequence)
		exit(1);
	retort_sample_free(again);
}

static void print_json(struct retort *r, struct retort_sample *s)
{
	char *json;
	size_t len;

	must(r, retort_sample_json(s, 1, &json, &len), "json");
	if (strlen(json) != len)
		exit(1);
	puts(json);
	retort_free(json);
}

static uint64_t walk_by_sequence(struct retort *r)
{
	struct retort_iter *i;
	struct retort_sample *s;
	enum retort_code code;
	uint64_t last = 0, n = 0;

	must(r, retort_iter_open_by_sequence(r, 0, &i), "walk");
	while ((code = retort_iter_next(i, &s)) == RETORT_OK) {
		if (retort_sample_head(s)->sequence <= last)
			exit(1);
		last = retort_sample_head(s)->sequence;
		n++;
	}
	if (code != RETORT_END)
		must(r, code, "walk");
	retort_iter_close(i);
	return n;
}

int main(int argc, char **argv)
{
	struct retort_iter *i;
	struct retort_sample *s;
	struct retort *r, *second;
	enum retort_code code;
	uint64_t count, n = 0, bytes = 0;
	double largest = 0;
	char error[256];

	if (argc < 2) {
		fprintf(stderr, "usage: libretort_example RUN [EXPRESSION]\n");
		return 2;
	}
	if (retort_open(argv[1], &r, error, sizeof(error)) != RETORT_OK) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	/* Once a process. */
	if (retort_open(argv[1], &second, error, sizeof(error)) != RETORT_BUSY)
		return 1;
	code = retort_iter_open(r, argc > 2 ? argv[2] : NULL, 0, &i);
	must(r, code, "expression");
	while ((code = retort_iter_next(i, &s)) == RETORT_OK) {
		struct retort_bytes content;
		double sum = look_at_logits(r, s);

		must(r, retort_sample_text(s, RETORT_CONTENT, &content), "content");
		bytes += content.len;
		largest = sum > largest ? sum : largest;
		print_json(r, s);
		if (n++ % 16 == 0)
			look_up(r, s);
	}
	if (code != RETORT_END)
		must(r, code, "next");
	retort_iter_close(i);
	must(r, retort_count(r, &count), "count");
	if (walk_by_sequence(r) != count)
		return 1;
	fprintf(stderr,
		"%llu of %llu samples, %llu bytes of content, sums up to %.6f\n",
		(unsigned long long)n, (unsigned long long)count,
		(unsigned long long)bytes, largest);
	retort_close(r);
	return largest <= 1.00001 ? 0 : 1;
}
