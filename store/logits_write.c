/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_write.h"

#include <stdlib.h>

#include "common/mem.h"

/* Another code is worth it if it saves more than its description, and the time that
 * its reader takes to get ready: in bits, and for each symbol that it may have. */
#define CODE_BITS 128
#define CODE_SYMBOL_BITS 2

void block_writer_release(struct block_writer *w)
{
	id_dictionary_release(&w->dictionary);
	free(w->at);
	free(w->own);
	free(w->numbers);
	free(w->gaps);
	free(w->keys);
	free(w->symbols);
	free(w->extra_room);
	free(w->room);
}

/* n symbols, and in front of them their code. */
static void put_symbols(struct block_writer *w, const unsigned char *symbols, size_t n,
	const uint32_t counts[256])
{
	struct prefix_lengths lengths;
	struct prefix_writer code;

	prefix_choose(counts, &lengths);
	prefix_tell(&lengths, &w->tell);
	prefix_to_write(&lengths, &code);
	streams_write(w->streams, &code, symbols, n);
}

static void put_numbers(struct block_writer *w, const uint32_t *numbers, size_t n)
{
	uint32_t counts[256];

	if (n == 0)
		return;
	columns_write_numbers(numbers, n, w->by_eight, w->symbols, &w->extra);
	columns_count(w->symbols, n, counts);
	put_symbols(w, w->symbols, n, counts);
}

static void put_listed(struct block_writer *w, const uint16_t *listed)
{
	for (uint32_t r = 0; r < w->rows; r++)
		w->numbers[r] = zigzag((uint32_t)listed[r] - listed[r ? r - 1 : 0]);
	put_numbers(w, w->numbers, w->rows);
}

static void put_lengths(struct block_writer *w, const uint16_t *n_bytes)
{
	for (uint32_t r = 0; r < w->rows; r++)
		w->numbers[r] = (uint16_t)(n_bytes[r] + 1);
	put_numbers(w, w->numbers, w->rows);
}

/* The number of a sampled token's place among the first n ids. */
static uint32_t place_of(uint32_t id, const uint32_t *ids, uint32_t n)
{
	if (id == TOKEN_ID_UNKNOWN)
		return AT_UNKNOWN;
	for (uint32_t k = 0; k < n; k++)
		if (ids[k] == id)
			return AT_LISTED + k;
	return AT_SPELLED;
}

/* Where the sampled tokens and their logprobs are. */
static void put_places(struct block_writer *w)
{
	const struct logits *l = w->l;
	size_t candidate = 0;

	for (uint32_t r = 0; r < w->rows; r++) {
		size_t i = w->row + r;
		uint32_t at = place_of(l->id[i], w->ids + candidate, l->listed[i]);
		uint32_t own = OWN_SPELLED;

		if (isnan(l->logprob[i]))
			own = OWN_ABSENT;
		else if (at >= AT_LISTED && key_of(l->logprob[i], w->steps) ==
						    w->keys[candidate + at - AT_LISTED])
			own = OWN_LISTED;
		w->at[r] = at;
		w->own[r] = own;
		candidate += l->listed[i];
	}
	put_numbers(w, w->at, w->rows);
	put_numbers(w, w->own, w->rows);
}

/* What the places call spelled out: ids, then logprobs. */
static void put_spelled(struct block_writer *w)
{
	const struct logits *l = w->l;
	size_t candidate = 0, n = 0;

	for (uint32_t r = 0; r < w->rows; r++)
		if (w->at[r] == AT_SPELLED)
			w->numbers[n++] = l->id[w->row + r];
	put_numbers(w, w->numbers, n);
	n = 0;
	for (uint32_t r = 0; r < w->rows; candidate += l->listed[w->row + r], r++) {
		uint32_t key = key_of(l->logprob[w->row + r], w->steps);

		if (w->own[r] != OWN_SPELLED)
			continue;
		if (w->at[r] >= AT_LISTED)
			key = zigzag(key - w->keys[candidate + w->at[r] - AT_LISTED]);
		w->numbers[n++] = key;
	}
	put_numbers(w, w->numbers, n);
}

static void put_dictionary(struct block_writer *w)
{
	const struct id_dictionary *d = &w->dictionary;
	uint32_t numbers[DICTIONARY_MAX];

	/* Ids rise among places of one symbol. */
	for (uint32_t at = 0; at < d->n; at++)
		numbers[at] = number_code(at).extra == 0 ? d->ids[at]
							 : d->ids[at] - d->ids[at - 1];
	put_numbers(w, numbers, d->n);
}

static void put_ids(struct block_writer *w)
{
	struct id_dictionary *d = &w->dictionary;
	uint32_t counts[256];

	id_dictionary_build(d, w->ids, w->m, w->by_eight);
	if (d->n == 0) {
		put_numbers(w, w->ids, w->m);
		return;
	}
	put_dictionary(w);
	columns_write_ids(w->ids, d->of, d->place, d->first_place, w->m, w->by_eight,
		w->symbols, &w->extra);
	columns_count(w->symbols, w->m, counts);
	put_symbols(w, w->symbols, w->m, counts);
}

static void make_keys(struct block_writer *w)
{
	MEM_GROW(w->keys, w->cap_keys, w->m);
	if (w->steps > 0)
		columns_grid_keys(w->logprobs, w->m, w->steps, w->keys);
	else
		for (size_t i = 0; i < w->m; i++)
			w->keys[i] = exact_key(w->logprobs[i]);
}

/* How much further the logprobs of a rank fall than those before them; behind them. */
static uint32_t *put_gaps_of(
	const struct block_writer *w, uint32_t rank, uint32_t *gaps)
{
	const uint16_t *listed = w->l->listed + w->row;
	const uint32_t *keys = w->keys + rank;
	uint32_t rows = w->rows;

	for (uint32_t r = 0; r < rows; keys += listed[r], r++)
		if (listed[r] > rank)
			*gaps++ = *keys - (rank ? keys[-1] : 0);
	return gaps;
}

static uint64_t code_bits(const uint32_t counts[256])
{
	unsigned first = 0, last = 255;

	while (first < last && counts[first] == 0)
		first++;
	while (last > first && counts[last] == 0)
		last--;
	return CODE_BITS + CODE_SYMBOL_BITS * (last - first) +
	       prefix_cost(counts) / 256;
}

/* The first n classes' gaps, with a code wherever one is worth it. */
static void put_gap_codes(struct block_writer *w, unsigned n)
{
	const unsigned char *symbols = w->symbols;
	uint64_t bits = code_bits(w->counts[0]);
	uint32_t both[256];
	unsigned first = 0;

	for (unsigned c = 1; c <= n; c++) {
		uint64_t bits_both, bits_next = c < n ? code_bits(w->counts[c]) : 0;

		for (unsigned s = 0; c < n && s < 256; s++)
			both[s] = w->counts[first][s] + w->counts[c][s];
		bits_both = c < n ? code_bits(both) : UINT64_MAX;
		if (bits_both <= bits + bits_next) {
			memcpy(w->counts[first], both, sizeof(both));
			w->n_gaps[first] += w->n_gaps[c];
			bits = bits_both;
			continue;
		}
		put_symbols(w, symbols, w->n_gaps[first], w->counts[first]);
		/* As many classes more had the same. */
		for (unsigned same = first + 1; same < c; same++)
			bits_put(&w->tell, 0, 1);
		if (c < n)
			bits_put(&w->tell, 1, 1);
		symbols += w->n_gaps[first];
		first = c;
		bits = bits_next;
	}
}

/* All gaps, rank after rank; of each class of ranks how many there are, and how many of
 * each symbol. Returns how many classes. */
static unsigned make_gaps(struct block_writer *w)
{
	const uint16_t *listed = w->l->listed + w->row;
	const unsigned char *symbols = w->symbols;
	uint32_t most = 0, *gaps;
	unsigned n = 0;

	if (w->m == 0)
		return 0;
	MEM_GROW(w->gaps, w->cap_gaps, w->m);
	gaps = w->gaps;
	for (uint32_t r = 0; r < w->rows; r++)
		most = listed[r] > most ? listed[r] : most;
	for (uint32_t from = 0, to; from < most; from = to) {
		uint32_t *begin = gaps;

		to = next_class(from);
		for (uint32_t rank = from; rank < to && rank < most; rank++)
			gaps = put_gaps_of(w, rank, gaps);
		w->n_gaps[n++] = (size_t)(gaps - begin);
	}
	columns_write_numbers(w->gaps, w->m, w->by_eight, w->symbols, &w->extra);
	for (unsigned c = 0; c < n; c++) {
		columns_count(symbols, w->n_gaps[c], w->counts[c]);
		symbols += w->n_gaps[c];
	}
	return n;
}

static void put_gaps(struct block_writer *w)
{
	unsigned n = make_gaps(w);

	if (n > 0)
		put_gap_codes(w, n);
}

static void put_tails(struct block_writer *w)
{
	const struct logits *l = w->l;
	size_t candidate = 0;

	for (uint32_t r = 0; r < w->rows; r++) {
		size_t i = w->row + r;

		candidate += l->listed[i];
		w->numbers[r] = tail_number(l->tail[i],
			l->listed[i] ? w->keys[candidate - 1] : 0, w->steps);
	}
	put_numbers(w, w->numbers, w->rows);
}

/* Room for all columns that a block may have. */
static void begin(struct block_writer *w)
{
	/* Rows have up to seven numbers, candidates two. */
	size_t numbers = 7 * (size_t)w->rows + 2 * w->m + DICTIONARY_MAX;
	size_t column = w->rows > w->m ? w->rows : w->m;

	w->a_stream =
		(numbers / STREAMS + 10 + CLASSES_MAX) * PREFIX_BITS / 8 + BITS_PAD;
	MEM_GROW(w->room, w->cap_room, STREAMS * w->a_stream);
	MEM_GROW(w->extra_room, w->cap_extra_room, 4 * numbers + BITS_PAD);
	MEM_GROW(w->symbols, w->cap_symbols, column + DICTIONARY_MAX);
	MEM_GROW(w->at, w->cap_at, w->rows);
	MEM_GROW(w->own, w->cap_own, w->rows);
	MEM_GROW(w->numbers, w->cap_numbers, w->rows);
	for (unsigned j = 0; j < STREAMS; j++)
		w->streams[j] = (struct bit_writer){.at = w->room + j * w->a_stream};
	w->tell = (struct bit_writer){.at = w->told};
	w->extra = (struct bit_writer){.at = w->extra_room};
}

static void put_varint(struct buf *out, size_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_add_byte(out, (unsigned char)(v | 0x80));
	buf_add_byte(out, (unsigned char)v);
}

static void put_block(struct block_writer *w, struct buf *out)
{
	const struct id_dictionary *d = &w->dictionary;
	size_t told = (size_t)(bits_end(&w->tell) - w->told), len[STREAMS];

	put_varint(out, w->m);
	put_varint(out, w->rows ? w->l->listed[w->row] : 0);
	put_varint(out, d->n);
	put_varint(out, d->first_place);
	put_varint(out, told);
	for (unsigned j = 0; j < STREAMS; j++) {
		len[j] = (size_t)(bits_end(&w->streams[j]) -
				  (w->room + j * w->a_stream));
		put_varint(out, len[j]);
	}
	buf_add(out, w->told, told);
	for (unsigned j = 0; j < STREAMS; j++)
		buf_add(out, w->room + j * w->a_stream, len[j]);
	buf_add(out, w->extra_room, (size_t)(bits_end(&w->extra) - w->extra_room));
}

void block_write(struct block_writer *w, const struct logits *l, size_t row,
	uint32_t rows, size_t candidate, size_t m, struct buf *out)
{
	w->l = l;
	w->row = row;
	w->rows = rows;
	w->steps = profile_steps(l->profile);
	w->m = m;
	w->by_eight = columns_by_eight();
	w->ids = l->ids + candidate;
	w->logprobs = l->logprobs + candidate;
	begin(w);
	make_keys(w);
	put_listed(w, l->listed + row);
	put_lengths(w, l->n_bytes + row);
	put_places(w);
	put_spelled(w);
	put_ids(w);
	put_gaps(w);
	put_tails(w);
	put_block(w, out);
}
