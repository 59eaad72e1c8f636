/* SPDX-License-Identifier: Apache-2.0 */
/* An answer's rows as a capture: float32, and of equal logprobs the lower id first. */
#include "unit/unit.h"

#include <math.h>
#include <string.h>

#include "store/logits.h"
#include "worker/encode.h"

static const char job_text[] =
	"{\"name\": \"j\", \"corpus\": [\"c.jsonl\"], \"teachers\": [{\"name\": \"t\", "
	"\"url\": \"http://h/v1\", \"model\": \"m\"}], \"sampling\": {\"max_tokens\": 9}, "
	"\"logits\": {\"top_logprobs\": 5, \"profile\": \"exact\"}}";

static struct answer answer = {.has_rows = true};
static struct logits back;

/* n rows of as many candidates as `listed` says, one after the other of those given. */
static void encode(
	const uint32_t *listed, uint32_t n, const uint32_t *ids, const double *logprobs)
{
	struct rows *r = &answer.rows;
	struct encoder *e = encoder_new();
	struct job job;
	struct err err = {0};
	struct capture_terms terms = {.job = &job, .temperature = 1};
	struct buf out;

	rows_clear(r);
	for (uint32_t i = 0; i < n; i++) {
		rows_grow(r);
		r->id[i] = 7;
		r->logprob[i] = -1;
		r->tail[i] = 0;
		r->token_len[i] = 1;
		r->first[i] = r->m;
		for (uint32_t j = 0; j < listed[i]; j++) {
			rows_grow_candidates(r);
			r->cand_id[r->m] = ids[r->m];
			r->cand_logprob[r->m] = logprobs[r->m];
			r->m++;
		}
		r->n++;
		r->first[r->n] = r->m;
	}
	buf_init(&out, 1 << 20);
	assert_int_equal(job_parse(job_text, strlen(job_text), "/job.json", &job, &err),
		ERR_NONE);
	assert_true(encode_capture(e, &terms, &answer, &out));
	assert_int_equal(logits_decode(buf_bytes(&out), &back, &err), ERR_NONE);
	assert_int_equal(back.n, n);
	assert_int_equal(back.m, r->m);
	job_release(&job);
	buf_release(&out);
	encoder_free(e);
}

/* Doubles that differ and are one float32. */
#define HIGH -1.5
#define LOW (-1.5 - 0x1p-30)

static void what_becomes_equal_is_ordered(void **unused)
{
	/* At every place, so that it is seen wherever it stands among four. */
	for (uint32_t at = 0; at < 12; at++) {
		const uint32_t listed[] = {14};
		uint32_t ids[14];
		double logprobs[14];

		for (uint32_t j = 0; j < 14; j++) {
			ids[j] = 100 - j;
			logprobs[j] = j < at ? -1.0 - j / 100. : -2.0 - j;
		}
		logprobs[at] = HIGH;
		logprobs[at + 1] = LOW;
		encode(listed, 1, ids, logprobs);
		for (uint32_t j = 0; j < 14; j++) {
			uint32_t from = j == at ? at + 1 : j == at + 1 ? at : j;

			assert_int_equal(back.ids[j], ids[from]);
			assert_true(back.logprobs[j] == (float)logprobs[j]);
		}
	}
	(void)unused;
}

static void equals_of_two_rows_stay(void **unused)
{
	const uint32_t listed[] = {2, 0, 3};
	const uint32_t ids[] = {9, 8, 3, 2, 1};
	const double logprobs[] = {-1, HIGH, LOW, -2, -3};

	(void)unused;
	encode(listed, 3, ids, logprobs);
	assert_memory_equal(back.ids, ids, sizeof(ids));
}

static void rows_may_list_nothing(void **unused)
{
	const uint32_t listed[] = {0, 0};

	(void)unused;
	encode(listed, 2, NULL, NULL);
}

static int release(void **unused)
{
	(void)unused;
	rows_release(&answer.rows);
	logits_release(&back);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_becomes_equal_is_ordered),
		cmocka_unit_test(equals_of_two_rows_stay),
		cmocka_unit_test(rows_may_list_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, release);
}
