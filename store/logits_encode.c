/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding: thinning and the head. The blocks are logits_write.c's. */
#include <math.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "store/logits_thin.h"
#include "store/logits_write.h"

struct logits_encoder {
	struct block_writer writer;
	/* A thinned capture: */
	uint16_t *kept; /* [n] candidates kept */
	float *tail;    /* [n] what is then left */
	size_t cap_kept, cap_tail;
	uint32_t *ids; /* [m] kept */
	float *logprobs;
	size_t cap_ids, cap_logprobs;
};

struct logits_encoder *logits_encoder_new(void)
{
	return mem_zalloc(1, sizeof(struct logits_encoder));
}

void logits_encoder_free(struct logits_encoder *e)
{
	if (!e)
		return;
	block_writer_release(&e->writer);
	free(e->kept);
	free(e->tail);
	free(e->ids);
	free(e->logprobs);
	free(e);
}

/* The capture with what thinning leaves of it. */
static struct logits thin(struct logits_encoder *e, const struct logits *l)
{
	struct logits thinned = *l;
	size_t from = 0, to = 0;

	MEM_GROW(e->kept, e->cap_kept, l->n);
	MEM_GROW(e->tail, e->cap_tail, l->n);
	MEM_GROW(e->ids, e->cap_ids, l->m);
	MEM_GROW(e->logprobs, e->cap_logprobs, l->m);
	for (size_t i = 0; i < l->n; i++) {
		e->tail[i] = l->tail[i];
		e->kept[i] = (uint16_t)logits_thin_row(
			l, l->logprobs + from, l->listed[i], &e->tail[i]);
		for (size_t k = 0; k < e->kept[i]; k++, to++) {
			e->ids[to] = l->ids[from + k];
			e->logprobs[to] = l->logprobs[from + k];
		}
		from += l->listed[i];
	}
	thinned.m = (uint32_t)to;
	thinned.tail = e->tail;
	thinned.listed = e->kept;
	thinned.ids = e->ids;
	thinned.logprobs = e->logprobs;
	return thinned;
}

static void put_head(unsigned char *head, const struct logits *l, uint32_t a_block)
{
	head[0] = LOGITS_VERSION;
	head[1] = l->interned;
	head[2] = l->mode;
	head[3] = l->profile;
	put_u32(head + 4, l->vocabulary);
	put_u16(head + 8, l->k_asked);
	put_u16(head + 10, l->keep_k);
	put_f32(head + 12, l->temperature);
	put_f32(head + 16, l->keep_mass);
	put_u32(head + 20, l->n);
	put_u32(head + 24, l->m);
	put_u32(head + 28, a_block);
	put_u64(head + 32, l->tokenizer);
	put_u64(head + 40, l->chat_template);
}

static void encode(struct logits_encoder *e, const struct logits *l, struct buf *out)
{
	uint32_t a_block = rows_a_block(l->n, l->m);
	size_t n_blocks = ((size_t)l->n + a_block - 1) / a_block;
	size_t table = out->len + LOGITS_HEAD, first = table + 4 * n_blocks, m = 0;

	if (!buf_reserve(out, LOGITS_HEAD + 4 * n_blocks))
		return;
	put_head(out->data + out->len, l, a_block);
	out->len = first;
	for (size_t b = 0, candidate = 0; b < n_blocks; b++, candidate += m) {
		size_t row = b * a_block;
		uint32_t rows = l->n - row < a_block ? (uint32_t)(l->n - row) : a_block;

		m = 0;
		for (size_t r = 0; r < rows; r++)
			m += l->listed[row + r];
		block_write(&e->writer, l, row, rows, candidate, m, out);
		if (out->over)
			return;
		put_u32(out->data + table + 4 * b, (uint32_t)(out->len - first));
	}
}

void logits_encode(struct logits_encoder *e, const struct logits *l, struct buf *out)
{
	struct logits_encoder *own = e ? NULL : logits_encoder_new();
	struct logits thinned;

	e = e ? e : own;
	if (l->keep_k > 0 || l->keep_mass > 0) {
		thinned = thin(e, l);
		l = &thinned;
	}
	encode(e, l, out);
	logits_encoder_free(own);
}
