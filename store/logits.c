/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/bytes.h"
#include "common/limits.h"
#include "common/mem.h"

#define VERSION 1
#define HEAD 40
#define ROW_BYTES 18
#define CANDIDATE_BYTES 8
#define LEVEL 1
/* 2^20 tokens of 1 024 candidates would be 8 GiB; nobody can ask for both. */
#define BODY_MAX ((uint64_t)1 << 30)

enum codec { CODEC_PLAIN = 0, CODEC_ZSTD = 1 };

static uint64_t body_size(uint64_t n, uint64_t m)
{
	return n * ROW_BYTES + m * CANDIDATE_BYTES;
}

/* Four planes of one byte of every entry each. */
static void split_planes(const uint32_t *in, size_t n, unsigned char *out)
{
	for (size_t i = 0; i < n; i++) {
		out[i] = (unsigned char)in[i];
		out[n + i] = (unsigned char)(in[i] >> 8);
		out[2 * n + i] = (unsigned char)(in[i] >> 16);
		out[3 * n + i] = (unsigned char)(in[i] >> 24);
	}
}

static void join_planes(const unsigned char *in, size_t n, uint32_t *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint32_t)in[i] | (uint32_t)in[n + i] << 8 |
			 (uint32_t)in[2 * n + i] << 16 | (uint32_t)in[3 * n + i] << 24;
}

static unsigned char *write_u32s(unsigned char *to, const uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_u32(to + 4 * i, v[i]);
	return to + 4 * n;
}

static unsigned char *write_u16s(unsigned char *to, const uint16_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_u16(to + 2 * i, v[i]);
	return to + 2 * n;
}

static void write_body(const struct logits *l, unsigned char *to)
{
	/* Floats go as the integers that have their bits. */
	to = write_u32s(to, l->id, l->n);
	to = write_u32s(to, (const uint32_t *)l->logprob, l->n);
	to = write_u32s(to, (const uint32_t *)l->tail, l->n);
	to = write_u16s(to, l->n_bytes, l->n);
	to = write_u16s(to, l->listed, l->n);
	memset(to, 0, 2 * (size_t)l->n);
	to += 2 * (size_t)l->n;
	split_planes(l->ids, l->m, to);
	split_planes((const uint32_t *)l->logprobs, l->m, to + 4 * (size_t)l->m);
}

void logits_encode(const struct logits *l, struct buf *out)
{
	size_t size = (size_t)body_size(l->n, l->m), bound = ZSTD_compressBound(size);
	unsigned char *head = buf_reserve(out, HEAD + bound), *body;
	size_t packed;

	if (!head)
		return;
	body = mem_alloc(size);
	write_body(l, body);
	packed = ZSTD_compress(head + HEAD, bound, body, size, LEVEL);
	head[0] = VERSION;
	head[1] = l->interned;
	head[2] = l->mode;
	head[3] = CODEC_ZSTD;
	if (ZSTD_isError(packed) || packed >= size) {
		head[3] = CODEC_PLAIN;
		if (size)
			memcpy(head + HEAD, body, size);
		packed = size;
	}
	free(body);
	put_u32(head + 4, l->vocabulary);
	put_u16(head + 8, l->k_asked);
	put_u16(head + 10, 0);
	put_f32(head + 12, l->temperature);
	put_u32(head + 16, l->n);
	put_u32(head + 20, l->m);
	put_u64(head + 24, l->tokenizer);
	put_u64(head + 32, l->chat_template);
	out->len += HEAD + packed;
}

static const unsigned char *read_u32s(const unsigned char *from, uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i] = get_u32(from + 4 * i);
	return from + 4 * n;
}

static const unsigned char *read_u16s(const unsigned char *from, uint16_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i] = get_u16(from + 2 * i);
	return from + 2 * n;
}

/* One block for all arrays, the wider ones first. */
static void allocate(struct logits *l)
{
	size_t n = l->n, m = l->m;
	uint32_t *at = mem_alloc(4 * (3 * n + 2 * m) + 2 * (2 * n));

	l->block = at;
	l->id = at;
	l->logprob = (float *)(at + n);
	l->tail = (float *)(at + 2 * n);
	l->ids = at + 3 * n;
	l->logprobs = (float *)(at + 3 * n + m);
	l->n_bytes = (uint16_t *)(at + 3 * n + 2 * m);
	l->listed = l->n_bytes + n;
}

static enum err_code read_body(
	struct logits *l, const unsigned char *from, struct err *err)
{
	uint64_t listed = 0;

	allocate(l);
	from = read_u32s(from, l->id, l->n);
	from = read_u32s(from, (uint32_t *)l->logprob, l->n);
	from = read_u32s(from, (uint32_t *)l->tail, l->n);
	from = read_u16s(from, l->n_bytes, l->n);
	from = read_u16s(from, l->listed, l->n);
	from += 2 * (size_t)l->n;
	join_planes(from, l->m, l->ids);
	join_planes(from + 4 * (size_t)l->m, l->m, (uint32_t *)l->logprobs);
	for (uint32_t i = 0; i < l->n; i++)
		listed += l->listed[i];
	if (listed == l->m)
		return ERR_NONE;
	logits_release(l);
	return err_set(err, ERR_CORRUPT, "logits: the rows' candidates do not add up");
}

enum err_code logits_decode(struct bytes in, struct logits *l, struct err *err)
{
	const unsigned char *p = in.data;
	unsigned char *body;
	enum err_code code;
	uint64_t size;
	size_t got;

	*l = (struct logits){0};
	if (in.len < HEAD || p[0] != VERSION)
		return err_set(err, ERR_CORRUPT, "logits: not version %d", VERSION);
	l->interned = p[1] != 0;
	l->mode = p[2];
	l->vocabulary = get_u32(p + 4);
	l->k_asked = get_u16(p + 8);
	l->temperature = get_f32(p + 12);
	l->n = get_u32(p + 16);
	l->m = get_u32(p + 20);
	l->tokenizer = get_u64(p + 24);
	l->chat_template = get_u64(p + 32);
	size = body_size(l->n, l->m);
	if (size > BODY_MAX)
		return err_set(err, ERR_CORRUPT, "logits: too many rows");
	if (p[3] == CODEC_PLAIN) {
		if (in.len - HEAD != size)
			return err_set(err, ERR_CORRUPT, "logits: wrong length");
		return read_body(l, p + HEAD, err);
	}
	if (p[3] != CODEC_ZSTD ||
		ZSTD_getFrameContentSize(p + HEAD, in.len - HEAD) != size)
		return err_set(err, ERR_CORRUPT, "logits: wrong length or codec");
	body = mem_alloc((size_t)size);
	got = ZSTD_decompress(body, (size_t)size, p + HEAD, in.len - HEAD);
	if (ZSTD_isError(got) || got != size)
		code = err_set(err, ERR_CORRUPT, "logits: do not unpack");
	else
		code = read_body(l, body, err);
	free(body);
	return code;
}

void logits_release(struct logits *l)
{
	free(l->block);
	l->block = NULL;
	l->n = l->m = 0;
}
