/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding: whole captures and ranges of rows. The blocks are logits_block.c's. */
#include <stdlib.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "store/logits_block.h"

/* 2^20 tokens of 1 024 candidates would be 8 GiB; nobody can ask for both. */
#define DECODED_MAX ((uint64_t)1 << 30)
#define ROW_BYTES 16
#define CANDIDATE_BYTES 8

struct logits_scratch {
	struct block_reader reader;
};

/* Where the blocks are. */
struct layout {
	uint32_t a_block, n_blocks;
	const unsigned char *table; /* where each block ends */
	struct bytes blocks;
};

static enum err_code read_head(
	struct bytes in, struct logits *l, struct layout *at, struct err *err)
{
	const unsigned char *p = in.data;

	if (in.len < LOGITS_HEAD || p[0] != LOGITS_VERSION)
		return err_set(
			err, ERR_CORRUPT, "logits: not version %d", LOGITS_VERSION);
	l->interned = p[1] != 0;
	l->mode = p[2];
	l->profile = p[3];
	l->vocabulary = get_u32(p + 4);
	l->k_asked = get_u16(p + 8);
	l->keep_k = get_u16(p + 10);
	l->temperature = get_f32(p + 12);
	l->keep_mass = get_f32(p + 16);
	l->n = get_u32(p + 20);
	l->m = get_u32(p + 24);
	at->a_block = get_u32(p + 28);
	l->tokenizer = get_u64(p + 32);
	l->chat_template = get_u64(p + 40);
	if (l->profile > LOGITS_COMPACT)
		return err_set(err, ERR_CORRUPT, "logits: profile %u is not known",
			l->profile);
	if (at->a_block == 0 ||
		ROW_BYTES * (uint64_t)l->n + CANDIDATE_BYTES * (uint64_t)l->m >
			DECODED_MAX)
		return err_set(err, ERR_CORRUPT, "logits: too many rows");
	at->n_blocks = l->n / at->a_block + (l->n % at->a_block != 0);
	if ((in.len - LOGITS_HEAD) / 4 < at->n_blocks)
		return err_set(err, ERR_CORRUPT, "logits: too short");
	at->table = p + LOGITS_HEAD;
	at->blocks = bytes_of(at->table + 4 * (size_t)at->n_blocks,
		in.len - LOGITS_HEAD - 4 * (size_t)at->n_blocks);
	return ERR_NONE;
}

enum err_code logits_read_head(struct bytes in, struct logits *l, struct err *err)
{
	struct layout at;

	*l = (struct logits){0};
	return read_head(in, l, &at, err);
}

/* One block for all arrays, the wider ones first. */
static void allocate(struct logits *l, size_t n, size_t m)
{
	size_t need = ROW_BYTES * n + CANDIDATE_BYTES * m;
	uint32_t *at;

	/* No rows have a block, too: there is no counting from NULL. */
	need = need ? need : 1;
	if (need > l->room) {
		free(l->block);
		l->block = mem_alloc(need);
		l->room = need;
	}
	at = l->block;
	l->id = at;
	l->logprob = (float *)(at + n);
	l->tail = (float *)(at + 2 * n);
	l->ids = at + 3 * n;
	l->logprobs = (float *)(at + 3 * n + m);
	l->n_bytes = (uint16_t *)(at + 3 * n + 2 * m);
	l->listed = l->n_bytes + n;
}

/* The bytes of block b, or nothing if the table makes no sense. */
static struct bytes block_bytes(const struct layout *at, uint32_t b)
{
	size_t from = b ? get_u32(at->table + 4 * ((size_t)b - 1)) : 0;
	size_t to = get_u32(at->table + 4 * (size_t)b);

	if (from >= to || to > at->blocks.len)
		return bytes_of(NULL, 0);
	return bytes_of(at->blocks.data + from, to - from);
}

static uint32_t block_rows(const struct layout *at, uint32_t b, uint32_t n)
{
	return b + 1 < at->n_blocks ? at->a_block : n - b * at->a_block;
}

/* The candidates of the blocks [from, to), as their heads have them; false if a head
 * is wrong or they claim more than the capture has. */
static bool count_candidates(const struct layout *at, const struct logits *l,
	uint32_t from, uint32_t to, size_t *m)
{
	*m = 0;
	for (uint32_t b = from; b < to; b++) {
		struct block_head head;

		if (!block_read_head(block_bytes(at, b), &head))
			return false;
		*m += head.m;
	}
	return *m <= l->m;
}

/* Forgets the rows and candidates before `rows`. */
static void skip_rows(struct logits *l, uint32_t rows)
{
	size_t candidates = 0;

	for (uint32_t i = 0; i < rows; i++)
		candidates += l->listed[i];
	l->id += rows;
	l->logprob += rows;
	l->tail += rows;
	l->n_bytes += rows;
	l->listed += rows;
	l->ids += candidates;
	l->logprobs += candidates;
}

static enum err_code read_blocks(const struct layout *at, uint32_t first, uint32_t n,
	struct logits *l, struct err *err)
{
	uint32_t from = first / at->a_block;
	uint32_t to = (uint32_t)(((uint64_t)first + n + at->a_block - 1) / at->a_block);
	size_t m, row = 0, candidate = 0;
	bool whole = first == 0 && n == l->n;

	if (n == 0)
		from = to = 0;
	if (!count_candidates(at, l, from, to, &m))
		return err_set(err, ERR_CORRUPT, "logits: a block's head is wrong");
	/* Only the capture's last block may be shorter than the others. */
	allocate(l,
		to > from ? (size_t)(to - from - 1) * at->a_block +
				    block_rows(at, to - 1, l->n)
			  : 0,
		m);
	for (uint32_t b = from; b < to; b++) {
		uint32_t rows = block_rows(at, b, l->n);
		struct block_head head;

		if (!block_read_head(block_bytes(at, b), &head) ||
			!block_read(
				&l->scratch->reader, &head, l, row, rows, candidate))
			return err_set(err, ERR_CORRUPT,
				"logits: block %u does not decode", b);
		row += rows;
		candidate += head.m;
	}
	if (whole && (candidate != l->m ||
			     (at->n_blocks ? get_u32(at->table +
						     4 * ((size_t)at->n_blocks - 1))
					   : 0) != at->blocks.len))
		return err_set(err, ERR_CORRUPT, "logits: its blocks do not add up");
	skip_rows(l, first - from * at->a_block);
	l->n = n;
	l->m = 0;
	for (uint32_t i = 0; i < n; i++)
		l->m += l->listed[i];
	return ERR_NONE;
}

enum err_code logits_decode_range(
	struct bytes in, uint32_t first, uint32_t n, struct logits *l, struct err *err)
{
	struct layout at;
	enum err_code code = read_head(in, l, &at, err);

	if (code == ERR_NONE) {
		if (!l->scratch) {
			l->scratch = mem_zalloc(1, sizeof(*l->scratch));
			block_reader_init(&l->scratch->reader);
		}
		first = first < l->n ? first : l->n;
		n = n < l->n - first ? n : l->n - first;
		code = read_blocks(&at, n ? first : 0, n, l, err);
	}
	if (code != ERR_NONE)
		logits_release(l);
	return code;
}

enum err_code logits_decode(struct bytes in, struct logits *l, struct err *err)
{
	return logits_decode_range(in, 0, UINT32_MAX, l, err);
}

void logits_drop_scratch(struct logits *l)
{
	if (l->scratch)
		block_reader_release(&l->scratch->reader);
	free(l->scratch);
	l->scratch = NULL;
}

void logits_release(struct logits *l)
{
	logits_drop_scratch(l);
	free(l->block);
	l->block = NULL;
	l->room = 0;
	l->n = l->m = 0;
}
