/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_block.h"

#include <stdlib.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "store/logits_columns.h"

void block_reader_init(struct block_reader *r)
{
	*r = (struct block_reader){.zstd = ZSTD_createDCtx()};
	if (!r->zstd)
		abort();
	for (unsigned s = 0; s < 256; s++)
		r->number[s] = s < SYMBOLS ? symbol_base(s) | (uint64_t)symbol_extra(s)
								      << 32
					   : IS_WRONG;
	powers_init(&r->powers);
}

void block_reader_release(struct block_reader *r)
{
	ZSTD_freeDCtx(r->zstd);
	free(r->symbols);
	free(r->extra);
	free(r->numbers);
	free(r->keys);
	free(r->first);
	free(r->spelled);
	free(r->active);
	*r = (struct block_reader){0};
}

static bool read_varint(struct bytes *in, uint32_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 35 && in->len > 0; shift += 7) {
		unsigned char c = *in->data++;

		in->len--;
		if (shift == 28 && c > 15)
			return false;
		*v |= (uint32_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return true;
	}
	return false;
}

bool block_read_head(struct bytes in, uint32_t rows, struct block_head *head)
{
	uint64_t fixed;

	if (!read_varint(&in, &head->n_symbols) || !read_varint(&in, &head->packed) ||
		!read_varint(&in, &head->n_dictionary) ||
		!read_varint(&in, &head->first_symbol))
		return false;
	fixed = ((uint64_t)ROW_COLUMNS + 1) * rows + head->n_dictionary;
	head->body = in;
	if (head->packed > in.len || head->n_dictionary > DICTIONARY_MAX ||
		head->first_symbol > 256 || head->n_symbols < fixed)
		return false;
	head->most_candidates = (size_t)((head->n_symbols - fixed) / 2);
	return true;
}

static bool read_dictionary(struct block_reader *r, const struct block_head *head,
	const unsigned char *symbols, struct extra_bits *bits)
{
	uint32_t n = head->n_dictionary, last = 0;

	memcpy(r->id, r->number, sizeof(r->id));
	for (unsigned s = head->first_symbol; s < 256; s++) {
		unsigned place = s - head->first_symbol;

		r->id[s] = place < 64 && symbol_base(place) < n
				   ? symbol_base(place) |
					     (uint64_t)symbol_extra(place) << 32 |
					     IS_PLACE
				   : IS_WRONG;
	}
	if (!columns_read_numbers(r->number, symbols, n, bits, r->dictionary))
		return false;
	for (uint32_t at = 0; at < n; at++) {
		if (number_code(at).extra != 0)
			r->dictionary[at] += last;
		last = r->dictionary[at];
	}
	/* The last symbol of a place can name some that are not there. */
	for (uint32_t at = n; at < DICTIONARY_MAX && at < n + 128; at++)
		r->dictionary[at] = TOKEN_ID_UNKNOWN;
	return true;
}

static void spread_uneven(struct block_reader *r, const uint32_t *gaps,
	const uint16_t *listed, uint32_t rows, float steps, float *out)
{
	uint32_t n = 0, at = 0;

	MEM_GROW(r->first, r->cap_first, rows);
	MEM_GROW(r->active, r->cap_active, rows);
	for (uint32_t i = 0; i < rows; at += listed[i], i++) {
		r->first[i] = at;
		if (listed[i] > 0)
			r->active[n++] = i;
	}
	for (uint32_t rank = 0; n > 0; rank++) {
		uint32_t still = 0;

		for (uint32_t a = 0; a < n; a++) {
			uint32_t i = r->active[a];

			r->keys[i] += *gaps++;
			out[r->first[i] + rank] = logprob_of(r->keys[i], steps);
			if (listed[i] > rank + 1)
				r->active[still++] = i;
		}
		n = still;
	}
}

/* All rows list c candidates. */
static bool read_even(struct block_reader *r, const unsigned char *symbols, uint32_t c,
	uint32_t rows, float steps, struct extra_bits *bits, float *out)
{
	uint32_t width;

	MEM_GROW(r->numbers, r->cap_numbers, COLUMNS_TILE * (size_t)rows);
	for (uint32_t rank = 0; rank < c; rank += width) {
		width = c - rank < COLUMNS_TILE ? c - rank : COLUMNS_TILE;
		if (!columns_read_numbers(
			    r->number, symbols, (size_t)width * rows, bits, r->numbers))
			return false;
		columns_spread(r->numbers, rows, width, c, steps, r->keys, out + rank);
		symbols += (size_t)width * rows;
	}
	return true;
}

static bool read_logprobs(struct block_reader *r, const unsigned char *symbols,
	size_t m, const uint16_t *listed, uint32_t rows, float steps,
	struct extra_bits *bits, float *out)
{
	bool even = true;

	MEM_GROW(r->keys, r->cap_keys, rows);
	memset(r->keys, 0, rows * sizeof(*r->keys));
	for (uint32_t i = 1; i < rows; i++)
		even &= listed[i] == listed[0];
	if (even)
		return read_even(r, symbols, listed[0], rows, steps, bits, out);
	MEM_GROW(r->numbers, r->cap_numbers, m);
	if (!columns_read_numbers(r->number, symbols, m, bits, r->numbers))
		return false;
	spread_uneven(r, r->numbers, listed, rows, steps, out);
	return true;
}

/* The keys are those of the rows' last candidates now. */
static bool read_tails(struct block_reader *r, const unsigned char *symbols,
	uint32_t rows, float steps, struct extra_bits *bits, float *tail)
{
	MEM_GROW(r->numbers, r->cap_numbers, rows);
	if (!columns_read_numbers(r->number, symbols, rows, bits, r->numbers))
		return false;
	for (uint32_t i = 0; i < rows; i++)
		tail[i] = tail_of(&r->powers, r->numbers[i], r->keys[i], steps);
	return true;
}

/* What the columns of one byte a row say; the sampled ids and logprobs come last,
 * when the lists are there. */
struct columns {
	const unsigned char *at, *own, *spelled;
	uint32_t n_ids, n_logprobs; /* spelled out */
	uint32_t m;                 /* candidates */
};

static bool read_columns(const unsigned char *symbols, uint32_t rows, uint16_t *n_bytes,
	uint16_t *listed, struct columns *c)
{
	const unsigned char *length = symbols + COLUMN_BYTES * (size_t)rows;
	const unsigned char *list = symbols + COLUMN_LISTED * (size_t)rows;
	const unsigned char *at = symbols, *own = symbols + (size_t)rows;
	uint32_t n_ids = 0, n_logprobs = 0;
	uint64_t m = 0;
	bool wrong = false;

	for (uint32_t i = 0; i < rows; i++) {
		unsigned n = list[i] | (unsigned)list[rows + i] << 8;

		n_bytes[i] = (uint16_t)(length[i] | length[rows + i] << 8);
		listed[i] = (uint16_t)n;
		m += n;
		n_ids += at[i] == AT_SPELLED;
		n_logprobs += own[i] == OWN_SPELLED;
		/* Without branches: this is done for every row. */
		wrong |= ((at[i] < AT_SPELLED) & (at[i] >= n)) |
			 (own[i] > OWN_SPELLED) |
			 ((own[i] == OWN_LISTED) & (at[i] >= AT_SPELLED));
	}
	*c = (struct columns){at, own, symbols + ROW_COLUMNS * (size_t)rows, n_ids,
		n_logprobs, (uint32_t)m};
	return !wrong && m <= UINT32_MAX;
}

static void fill_sampled(const struct columns *c, const uint32_t *spelled,
	uint32_t rows, float steps, struct logits *l, size_t row, size_t candidate)
{
	const uint32_t *id = spelled, *key = spelled + c->n_ids;
	const uint32_t *ids = l->ids + candidate;
	const float *logprobs = l->logprobs + candidate;
	const uint16_t *listed = l->listed + row;
	uint32_t *own_id = l->id + row;
	float *own = l->logprob + row;

	for (uint32_t i = 0; i < rows; ids += listed[i], logprobs += listed[i], i++) {
		unsigned at = c->at[i];

		own_id[i] = at < AT_SPELLED    ? ids[at]
			    : at == AT_SPELLED ? *id++
					       : TOKEN_ID_UNKNOWN;
		if (c->own[i] == OWN_LISTED)
			own[i] = logprobs[at];
		else if (c->own[i] == OWN_ABSENT)
			own[i] = NAN;
		else if (at < AT_SPELLED)
			own[i] = logprob_of(
				key_of(logprobs[at], steps) + unzigzag(*key++), steps);
		else
			own[i] = logprob_of(*key++, steps);
	}
}

/* The symbols into r->symbols, the extra bits into r->extra. */
static bool unpack(
	struct block_reader *r, const struct block_head *head, struct extra_bits *bits)
{
	size_t n_extra = head->body.len - head->packed;

	MEM_GROW(r->symbols, r->cap_symbols, head->n_symbols);
	MEM_GROW(r->extra, r->cap_extra, n_extra + EXTRA_PAD);
	if (ZSTD_decompressDCtx(r->zstd, r->symbols, head->n_symbols, head->body.data,
		    head->packed) != head->n_symbols)
		return false;
	memcpy(r->extra, head->body.data + head->packed, n_extra);
	memset(r->extra + n_extra, 0, EXTRA_PAD);
	*bits = (struct extra_bits){r->extra, n_extra, 0, columns_by_eight()};
	return true;
}

bool block_read(struct block_reader *r, struct bytes in, struct logits *l, size_t row,
	uint32_t rows, size_t candidate, size_t room, uint32_t *got)
{
	float steps = profile_steps(l->profile);
	const unsigned char *symbols;
	struct block_head head;
	struct columns c;
	struct extra_bits bits;
	uint32_t n_spelled;

	if (!block_read_head(in, rows, &head) || !unpack(r, &head, &bits) ||
		!read_columns(r->symbols, rows, l->n_bytes + row, l->listed + row, &c))
		return false;
	n_spelled = c.n_ids + c.n_logprobs;
	if (((uint64_t)ROW_COLUMNS + 1) * rows + n_spelled + head.n_dictionary +
				2 * (uint64_t)c.m !=
			head.n_symbols ||
		c.m > room)
		return false;
	MEM_GROW(r->spelled, r->cap_spelled, n_spelled);
	if (!columns_read_numbers(r->number, c.spelled, n_spelled, &bits, r->spelled))
		return false;
	symbols = c.spelled + n_spelled;
	if (!read_dictionary(r, &head, symbols, &bits) ||
		!columns_read_ids(r->id, r->dictionary, symbols + head.n_dictionary,
			c.m, &bits, l->ids + candidate) ||
		!read_logprobs(r, symbols + head.n_dictionary + c.m, c.m,
			l->listed + row, rows, steps, &bits, l->logprobs + candidate) ||
		!read_tails(r, symbols + head.n_dictionary + 2 * (size_t)c.m, rows,
			steps, &bits, l->tail + row))
		return false;
	fill_sampled(&c, r->spelled, rows, steps, l, row, candidate);
	*got = c.m;
	return bits.at <= 8 * bits.len && 8 * bits.len - bits.at < 8;
}
