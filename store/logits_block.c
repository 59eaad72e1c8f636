/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_block.h"

#include <stdlib.h>

#include "common/bytes.h"
#include "common/mem.h"

#define PAD PREFIX_TOLD_MAX
_Static_assert(PAD >= STREAMS_PAD && PAD >= EXTRA_PAD, "what is read behind the end");

static uint64_t symbol_entry(unsigned symbol)
{
	return symbol_base(symbol) | (uint64_t)symbol_extra(symbol) << 32 | IS_SYMBOL;
}

void block_reader_init(struct block_reader *r)
{
	*r = (struct block_reader){0};
	for (unsigned s = 0; s < SYMBOLS; s++)
		r->number[s] = symbol_entry(s);
	powers_init(&r->powers);
}

void block_reader_release(struct block_reader *r)
{
	free(r->data);
	free(r->symbols);
	free(r->numbers);
	free(r->at);
	free(r->own);
	free(r->first);
	free(r->active);
	free(r->ids);
	free(r->logprobs);
	free(r->keys);
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

bool block_read_head(struct bytes in, struct block_head *head)
{
	uint64_t bytes;

	if (!read_varint(&in, &head->m) || !read_varint(&in, &head->listed) ||
		!read_varint(&in, &head->n_places) ||
		!read_varint(&in, &head->first_place) ||
		!read_varint(&in, &head->codes))
		return false;
	bytes = head->codes;
	for (unsigned j = 0; j < STREAMS; j++) {
		if (!read_varint(&in, &head->streams[j]))
			return false;
		bytes += head->streams[j];
	}
	head->body = in;
	return bytes <= in.len && head->n_places <= DICTIONARY_MAX &&
	       head->first_place <= 256;
}

/* A copy of the body that may be read behind its end. */
static void begin(struct block_reader *r, const struct block_head *head)
{
	size_t len = head->body.len, at = head->codes;

	MEM_GROW(r->data, r->cap_data, len + PAD);
	memcpy(r->data, head->body.data, len);
	memset(r->data + len, 0, PAD);
	r->told = 0;
	r->codes_end = 8 * at;
	r->streams.data = r->data;
	for (unsigned j = 0; j < STREAMS; j++) {
		r->streams.at[j] = 8 * at;
		at += head->streams[j];
	}
	r->streams.end = 8 * at;
	r->extra = (struct extra_bits){r->data + at, len - at, 0, columns_by_eight()};
}

/* Whether all has been read but for the zeros that fill a last byte; both in bits. */
static bool are_filled(const unsigned char *data, size_t at, size_t end)
{
	return end - at < 8 && !(bits_peek(data, at) & ((1u << (end - at)) - 1));
}

static bool is_at_end(const struct block_reader *r, const struct block_head *head)
{
	size_t end = head->codes;
	bool at_end = are_filled(r->data, r->told, 8 * end);

	for (unsigned j = 0; j < STREAMS; j++) {
		end += head->streams[j];
		at_end = at_end && are_filled(r->data, r->streams.at[j], 8 * end);
	}
	return at_end && are_filled(r->extra.data, r->extra.at, 8 * r->extra.len);
}

/* The next code, of symbols that may occur. */
static bool hear_code(
	struct block_reader *r, const uint64_t *symbols, struct prefix_lengths *lengths)
{
	bool one;

	if (!prefix_hear(lengths, r->data, &r->told, r->codes_end))
		return false;
	one = lengths->first == lengths->last;
	for (unsigned s = lengths->first; s <= lengths->last; s++)
		if ((lengths->bits[s] || one) && !(symbols[s] & IS_SYMBOL))
			return false;
	return true;
}

/* A column of n numbers, and in front of it its code. */
static bool read_numbers(struct block_reader *r, size_t n, uint32_t *out)
{
	struct prefix_lengths lengths;
	unsigned s;

	if (n == 0)
		return true;
	if (!hear_code(r, r->number, &lengths))
		return false;
	s = lengths.first;
	if (s == lengths.last && symbol_extra(s) == 0) {
		for (size_t i = 0; i < n; i++)
			out[i] = s;
		return true;
	}
	prefix_to_read(&lengths, &r->code);
	MEM_GROW(r->symbols, r->cap_symbols, n);
	if (!streams_read(&r->streams, &r->code, n, r->symbols))
		return false;
	columns_read_numbers(r->number, r->symbols, n, &r->extra, out);
	return true;
}

static bool read_dictionary(struct block_reader *r, const struct block_head *head)
{
	uint32_t n = head->n_places, last = 0;

	memcpy(r->id, r->number, sizeof(r->id));
	for (unsigned s = head->first_place; s < 256; s++) {
		unsigned place = s - head->first_place;

		r->id[s] = place < 64 && symbol_base(place) < n
				   ? symbol_entry(place) | IS_PLACE
				   : 0;
	}
	if (!read_numbers(r, n, r->dictionary))
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

static bool read_ids(
	struct block_reader *r, const struct block_head *head, uint32_t *ids)
{
	struct prefix_lengths lengths;

	if (!read_dictionary(r, head))
		return false;
	if (head->m == 0)
		return true;
	if (!hear_code(r, r->id, &lengths))
		return false;
	prefix_to_read(&lengths, &r->code);
	MEM_GROW(r->symbols, r->cap_symbols, head->m);
	if (!streams_read(&r->streams, &r->code, head->m, r->symbols))
		return false;
	columns_read_ids(r->id, head->first_place, r->dictionary, r->symbols, head->m,
		&r->extra, ids);
	return true;
}

/* How many candidates each row has at least, and at most. */
struct range {
	uint32_t least, most;
};

static struct range range_of(const uint16_t *listed, uint32_t rows)
{
	struct range range = {UINT32_MAX, 0};

	for (uint32_t i = 0; i < rows; i++) {
		range.least = listed[i] < range.least ? listed[i] : range.least;
		range.most = listed[i] > range.most ? listed[i] : range.most;
	}
	return range;
}

/* How many candidates of ranks [from, to) there are. */
static size_t in_ranks(const uint16_t *listed, uint32_t rows, struct range range,
	uint32_t from, uint32_t to)
{
	size_t n = 0;

	if (range.least == range.most)
		return (size_t)rows * ((to < range.most ? to : range.most) - from);
	for (uint32_t i = 0; i < rows; i++) {
		uint32_t end = listed[i] < to ? listed[i] : to;

		n += end > from ? end - from : 0;
	}
	return n;
}

/* The symbols of all gaps, rank after rank, of which some have the same code. */
static bool read_gap_symbols(struct block_reader *r, const uint16_t *listed,
	uint32_t rows, struct range range)
{
	unsigned char *symbols = r->symbols;
	struct prefix_lengths lengths;
	uint32_t from = 0, to = next_class(0);

	while (from < range.most) {
		size_t n;

		if (!hear_code(r, r->number, &lengths))
			return false;
		prefix_to_read(&lengths, &r->code);
		/* As many classes more as have it. */
		for (; to < range.most && r->told < r->codes_end &&
			!(bits_peek(r->data, r->told) & 1);
			r->told++)
			to = next_class(to);
		r->told += to < range.most;
		n = in_ranks(listed, rows, range, from, to);
		if (!streams_read(&r->streams, &r->code, n, symbols))
			return false;
		symbols += n;
		from = to;
		to = next_class(to);
	}
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
static void read_even(
	struct block_reader *r, uint32_t c, uint32_t rows, float steps, float *out)
{
	const unsigned char *symbols = r->symbols;
	uint32_t width;

	MEM_GROW(r->numbers, r->cap_numbers, COLUMNS_TILE * (size_t)rows);
	for (uint32_t rank = 0; rank < c; rank += width) {
		size_t n;

		width = c - rank < COLUMNS_TILE ? c - rank : COLUMNS_TILE;
		n = (size_t)width * rows;
		columns_read_numbers(r->number, symbols, n, &r->extra, r->numbers);
		columns_spread(r->numbers, rows, width, c, steps, r->keys, out + rank);
		symbols += n;
	}
}

/* The keys are those of the rows' last candidates then. */
static bool read_logprobs(struct block_reader *r, const uint16_t *listed, uint32_t rows,
	size_t m, float steps, float *out)
{
	struct range range = range_of(listed, rows);

	MEM_GROW(r->symbols, r->cap_symbols, m);
	MEM_GROW(r->keys, r->cap_keys, rows);
	memset(r->keys, 0, rows * sizeof(*r->keys));
	if (!read_gap_symbols(r, listed, rows, range))
		return false;
	if (range.least == range.most) {
		read_even(r, range.most, rows, steps, out);
		return true;
	}
	MEM_GROW(r->numbers, r->cap_numbers, m);
	columns_read_numbers(r->number, r->symbols, m, &r->extra, r->numbers);
	spread_uneven(r, r->numbers, listed, rows, steps, out);
	return true;
}

static bool read_tails(struct block_reader *r, uint32_t rows, float steps, float *tail)
{
	if (!read_numbers(r, rows, r->numbers))
		return false;
	for (uint32_t i = 0; i < rows; i++)
		tail[i] = tail_of(&r->powers, r->numbers[i], r->keys[i], steps);
	return true;
}

/* How many candidates each row lists; false if they are not the block's. */
static bool read_listed(struct block_reader *r, const struct block_head *head,
	uint32_t rows, uint16_t *listed)
{
	uint32_t now = head->listed;
	uint64_t m = 0;
	bool wrong = false;

	if (!read_numbers(r, rows, r->numbers))
		return false;
	for (uint32_t i = 0; i < rows; i++) {
		now += unzigzag(r->numbers[i]);
		wrong |= now > UINT16_MAX;
		listed[i] = (uint16_t)now;
		m += now;
	}
	return !wrong && m == head->m;
}

static bool read_lengths(struct block_reader *r, uint32_t rows, uint16_t *n_bytes)
{
	bool wrong = false;

	if (!read_numbers(r, rows, r->numbers))
		return false;
	for (uint32_t i = 0; i < rows; i++) {
		wrong |= r->numbers[i] > UINT16_MAX;
		n_bytes[i] = (uint16_t)(r->numbers[i] - 1);
	}
	return !wrong;
}

/* Where the sampled tokens and their logprobs are, and those that are spelled out. */
static bool read_sampled(struct block_reader *r, const uint16_t *listed, uint32_t rows)
{
	uint32_t n_ids = 0, n_logprobs = 0;
	bool wrong = false;

	if (!read_numbers(r, rows, r->at) || !read_numbers(r, rows, r->own))
		return false;
	for (uint32_t i = 0; i < rows; i++) {
		uint32_t at = r->at[i], own = r->own[i];

		n_ids += at == AT_SPELLED;
		n_logprobs += own == OWN_SPELLED;
		/* Without branches: this is done for every row. */
		wrong |= ((at >= AT_LISTED) & (at - AT_LISTED >= listed[i])) |
			 (own > OWN_SPELLED) | ((own == OWN_LISTED) & (at < AT_LISTED));
	}
	MEM_GROW(r->ids, r->cap_ids, n_ids);
	MEM_GROW(r->logprobs, r->cap_logprobs, n_logprobs);
	return !wrong && read_numbers(r, n_ids, r->ids) &&
	       read_numbers(r, n_logprobs, r->logprobs);
}

static void fill_sampled(const struct block_reader *r, const struct logits *l,
	size_t row, uint32_t rows, size_t candidate, float steps)
{
	const uint32_t *id = r->ids, *key = r->logprobs;

	for (uint32_t i = 0; i < rows; candidate += l->listed[row + i], i++) {
		uint32_t at = r->at[i];
		size_t listed = candidate + at - AT_LISTED;
		float *own = &l->logprob[row + i];

		l->id[row + i] = at == AT_SPELLED   ? *id++
				 : at == AT_UNKNOWN ? TOKEN_ID_UNKNOWN
						    : l->ids[listed];
		if (r->own[i] == OWN_LISTED)
			*own = l->logprobs[listed];
		else if (r->own[i] == OWN_ABSENT)
			*own = NAN;
		else if (at >= AT_LISTED)
			*own = logprob_of(
				key_of(l->logprobs[listed], steps) + unzigzag(*key++),
				steps);
		else
			*own = logprob_of(*key++, steps);
	}
}

bool block_read(struct block_reader *r, const struct block_head *head, struct logits *l,
	size_t row, uint32_t rows, size_t candidate)
{
	float steps = profile_steps(l->profile);
	uint16_t *listed = l->listed + row;

	begin(r, head);
	MEM_GROW(r->numbers, r->cap_numbers, rows);
	MEM_GROW(r->at, r->cap_at, rows);
	MEM_GROW(r->own, r->cap_own, rows);
	if (!read_listed(r, head, rows, listed) ||
		!read_lengths(r, rows, l->n_bytes + row) ||
		!read_sampled(r, listed, rows) ||
		!read_ids(r, head, l->ids + candidate) ||
		!read_logprobs(
			r, listed, rows, head->m, steps, l->logprobs + candidate) ||
		!read_tails(r, rows, steps, l->tail + row) || !is_at_end(r, head))
		return false;
	fill_sampled(r, l, row, rows, candidate, steps);
	return true;
}
