/* SPDX-License-Identifier: Apache-2.0 */
/* A capture: what decodes has its lengths right and comes back as it was. */
#include "tests/fuzz/fuzz.h"

#include "store/logits.h"

static void check_same(const struct logits *a, const struct logits *b)
{
	MUST(a->n == b->n && a->m == b->m && a->vocabulary == b->vocabulary);
	MUST(a->interned == b->interned && a->mode == b->mode);
	MUST(memcmp(a->id, b->id, 4 * (size_t)a->n) == 0);
	MUST(memcmp(a->logprob, b->logprob, 4 * (size_t)a->n) == 0);
	MUST(memcmp(a->tail, b->tail, 4 * (size_t)a->n) == 0);
	MUST(memcmp(a->n_bytes, b->n_bytes, 2 * (size_t)a->n) == 0);
	MUST(memcmp(a->listed, b->listed, 2 * (size_t)a->n) == 0);
	MUST(memcmp(a->ids, b->ids, 4 * (size_t)a->m) == 0);
	MUST(memcmp(a->logprobs, b->logprobs, 4 * (size_t)a->m) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct logits l, again;
	struct buf out;
	struct err err;
	uint64_t listed = 0;

	/* A few bytes of zstd may claim a gigabyte, and get it. */
	if (len >= 24 && (input[18] || input[19] || input[22] || input[23]))
		return 0;
	if (logits_decode(bytes_of(input, len), &l, &err) != ERR_NONE)
		return 0;
	for (uint32_t i = 0; i < l.n; i++)
		listed += l.listed[i];
	MUST(listed == l.m);
	buf_init(&out, (size_t)64 << 20);
	logits_encode(&l, &out);
	MUST(logits_decode(buf_bytes(&out), &again, &err) == ERR_NONE);
	check_same(&l, &again);
	logits_release(&l);
	logits_release(&again);
	buf_release(&out);
	return 0;
}
