/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding: each block's columns as symbols, packed by zstd, then extra bits. */
#include <stdlib.h>
#include <zstd.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "store/logits_code.h"
#include "store/logits_dictionary.h"
#include "store/logits_thin.h"

#define LEVEL 1
/* zstd's entropy tables are made anew where a column of other symbols begins,
 * if that many symbols follow: fewer are not worth a table. */
#define COLUMN_MIN 200
/* Gaps of the ranks from 4, 8, 16, 32, ... on have tables of their own if a block
 * has so many candidates; from rank 8 on if so many symbols follow. */
#define CANDIDATES_MIN 2048
#define GAPS_MIN 4096
#define VARINT_MAX 5

/* Where symbols and extra bits go. Loops have a copy of their own: through the
 * encoder, compilers would fetch it again behind every byte that is stored. */
struct sink {
	unsigned char *end; /* of the symbols written so far */
	unsigned char *at;  /* of the bits */
	uint64_t word;
	unsigned n; /* bits in word, below 8 */
};

struct logits_encoder {
	ZSTD_CCtx *zstd;
	struct id_dictionary dictionary;
	/* The block at hand. */
	const struct logits *l;
	size_t row, rows;     /* first row, how many */
	size_t n_rows_listed; /* with candidates */
	float steps;
	unsigned char *symbols;
	size_t cap_symbols;
	unsigned char *extra;
	size_t cap_extra;
	struct sink sink;
	uint32_t *keys; /* [rows] of the rank before */
	size_t cap_keys;
	size_t ends[24]; /* where zstd's blocks shall end */
	unsigned n_ends;
	/* All rows. */
	uint16_t *kept; /* [n] candidates kept */
	float *tail;    /* [n] what is then left */
	size_t cap_kept, cap_tail;
	uint32_t *ids; /* [m] kept */
	float *logprobs;
	size_t cap_ids, cap_logprobs;
};

struct logits_encoder *logits_encoder_new(void)
{
	struct logits_encoder *e = mem_zalloc(1, sizeof(*e));

	e->zstd = ZSTD_createCCtx();
	if (!e->zstd)
		abort();
	/* A block's length stands in its head. */
	ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_contentSizeFlag, 0);
	/* Symbols repeat where a column is of one value; other matches are chance, and
	 * short ones dearer than their symbols. */
	ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_minMatch, 7);
	ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_hashLog, 10);
	return e;
}

void logits_encoder_free(struct logits_encoder *e)
{
	if (!e)
		return;
	ZSTD_freeCCtx(e->zstd);
	id_dictionary_release(&e->dictionary);
	free(e->symbols);
	free(e->extra);
	free(e->keys);
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

/* Always writes, since when a word is full could not be guessed. */
static inline void put_bits(struct sink *b, uint32_t value, unsigned n)
{
	b->word |= (uint64_t)value << b->n;
	b->n += n;
	put_u64(b->at, b->word);
	b->at += b->n / 8;
	b->word >>= b->n / 8 * 8;
	b->n %= 8;
}

static inline void put_code(
	struct sink *s, struct number_code code, unsigned from_symbol)
{
	*s->end++ = (unsigned char)(code.symbol + from_symbol);
	put_bits(s, code.extra, code.n_extra);
}

static inline void put_number(struct sink *s, uint32_t number)
{
	put_code(s, number_code(number), 0);
}

/* Symbols from here on have a table of their own. */
static void end_column(struct logits_encoder *e)
{
	size_t at = (size_t)(e->sink.end - e->symbols);

	if (at - (e->n_ends ? e->ends[e->n_ends - 1] : 0) >= COLUMN_MIN &&
		e->n_ends < sizeof(e->ends) / sizeof(e->ends[0]) - 1)
		e->ends[e->n_ends++] = at;
}

/* The sampled token's place among the first n ids. */
static unsigned place_of(uint32_t id, const uint32_t *ids, uint32_t n)
{
	if (id == TOKEN_ID_UNKNOWN)
		return AT_UNKNOWN;
	for (uint32_t k = 0; k < n && k < AT_SPELLED; k++)
		if (ids[k] == id)
			return k;
	return AT_SPELLED;
}

static void put_rows(struct logits_encoder *e, size_t candidate)
{
	const struct logits *l = e->l;
	unsigned char *column[ROW_COLUMNS];

	for (unsigned c = 0; c < ROW_COLUMNS; c++, e->sink.end += e->rows)
		column[c] = e->sink.end;
	for (size_t r = 0; r < e->rows; r++) {
		size_t i = e->row + r;
		unsigned at = place_of(l->id[i], l->ids + candidate, l->listed[i]);
		unsigned own = OWN_SPELLED;

		if (isnan(l->logprob[i]))
			own = OWN_ABSENT;
		else if (at < AT_SPELLED &&
			 key_of(l->logprob[i], e->steps) ==
				 key_of(l->logprobs[candidate + at], e->steps))
			own = OWN_LISTED;
		column[COLUMN_AT][r] = (unsigned char)at;
		column[COLUMN_OWN][r] = (unsigned char)own;
		column[COLUMN_BYTES][r] = (unsigned char)l->n_bytes[i];
		column[COLUMN_BYTES + 1][r] = (unsigned char)(l->n_bytes[i] >> 8);
		column[COLUMN_LISTED][r] = (unsigned char)l->listed[i];
		column[COLUMN_LISTED + 1][r] = (unsigned char)(l->listed[i] >> 8);
		candidate += l->listed[i];
	}
}

/* What the columns of rows call spelled out: ids, then logprobs. */
static void put_spelled(
	struct logits_encoder *e, const unsigned char *columns, size_t candidate)
{
	const unsigned char *at = columns + COLUMN_AT * e->rows;
	const unsigned char *own = columns + COLUMN_OWN * e->rows;
	const struct logits *l = e->l;

	for (size_t r = 0; r < e->rows; r++)
		if (at[r] == AT_SPELLED)
			put_number(&e->sink, l->id[e->row + r]);
	for (size_t r = 0; r < e->rows; candidate += l->listed[e->row + r], r++) {
		uint32_t key = key_of(l->logprob[e->row + r], e->steps);

		if (own[r] != OWN_SPELLED)
			continue;
		if (at[r] < AT_SPELLED)
			key = zigzag(
				key - key_of(l->logprobs[candidate + at[r]], e->steps));
		put_number(&e->sink, key);
	}
}

static void put_ids(struct logits_encoder *e, const uint32_t *ids, size_t m)
{
	struct id_dictionary *d = &e->dictionary;
	struct sink s;

	end_column(e);
	id_dictionary_build(d, ids, m);
	for (uint32_t at = 0, last = 0; at < d->n; at++) {
		struct number_code place = number_code(at);

		/* Ids rise among places of one symbol. */
		put_number(&e->sink, place.extra == 0 ? d->ids[at] : d->ids[at] - last);
		last = d->ids[at];
	}
	end_column(e);
	s = e->sink;
	for (size_t i = 0; i < m; i++) {
		uint32_t place = d->n ? id_slot_of(d, ids[i])->place : ID_RARE;
		bool rare = place == ID_RARE;

		/* Chosen, not jumped to: which it is cannot be guessed. */
		put_code(&s, number_code(rare ? ids[i] : place),
			rare ? 0 : d->first_symbol);
	}
	e->sink = s;
	end_column(e);
}

/* Rank after rank: how much further the logprob falls, in all rows that list so
 * many. */
static void put_gaps(struct logits_encoder *e, const float *logprobs, size_t m)
{
	const uint16_t *listed = e->l->listed + e->row;
	size_t left = m, rows = e->rows;
	const float steps = e->steps;

	MEM_GROW(e->keys, e->cap_keys, rows);
	memset(e->keys, 0, rows * sizeof(*e->keys));
	for (uint32_t rank = 0; left > 0; rank++) {
		const float *row = logprobs;
		uint32_t *keys = e->keys;
		struct sink s;

		if (m >= CANDIDATES_MIN && rank > 0 && (rank & (rank - 1)) == 0 &&
			(rank == 4 || (rank > 4 && left >= GAPS_MIN)))
			end_column(e);
		s = e->sink;
		for (size_t r = 0; r < rows; row += listed[r], r++) {
			uint32_t key;

			if (listed[r] <= rank)
				continue;
			key = key_of(row[rank], steps);
			put_number(&s, key - keys[r]);
			keys[r] = key;
			left--;
		}
		e->sink = s;
	}
}

/* The keys are those of the rows' last candidates now. */
static void put_tails(struct logits_encoder *e)
{
	end_column(e);
	for (size_t r = 0; r < e->rows; r++)
		put_number(&e->sink,
			tail_number(e->l->tail[e->row + r], e->keys[r], e->steps));
}

/* The symbols as one zstd frame at `to`, for which there is room. */
static size_t pack_symbols(struct logits_encoder *e, unsigned char *to, size_t room)
{
	size_t begin = 0, size = (size_t)(e->sink.end - e->symbols);
	ZSTD_outBuffer out = {to, room, 0};

	ZSTD_CCtx_reset(e->zstd, ZSTD_reset_session_only);
	ZSTD_CCtx_setPledgedSrcSize(e->zstd, size);
	for (unsigned i = 0; i <= e->n_ends; i++) {
		bool last = i == e->n_ends;
		ZSTD_inBuffer in = {
			e->symbols + begin, (last ? size : e->ends[i]) - begin, 0};

		/* With room for all, one call does all. */
		if (ZSTD_compressStream2(
			    e->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_flush) != 0)
			abort();
		begin = last ? size : e->ends[i];
	}
	return out.pos;
}

static size_t put_varint(unsigned char *to, uint32_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		to[n++] = (unsigned char)(v | 0x80);
	to[n++] = (unsigned char)v;
	return n;
}

static void make_room(struct logits_encoder *e, size_t symbols)
{
	MEM_GROW(e->symbols, e->cap_symbols, symbols);
	/* At most 29 bits each; eight bytes are written for each. */
	MEM_GROW(e->extra, e->cap_extra, 4 * symbols + 8);
	e->sink = (struct sink){.end = e->symbols, .at = e->extra};
	e->n_ends = 0;
}

static size_t end_extra(struct logits_encoder *e)
{
	*e->sink.at = (unsigned char)e->sink.word;
	return (size_t)(e->sink.at - e->extra) + (e->sink.n + 7) / 8;
}

/* The block's bytes behind `out`; its candidates are m, from `candidate` on. */
static void put_block(
	struct logits_encoder *e, size_t candidate, size_t m, struct buf *out)
{
	unsigned char head[4 * VARINT_MAX], *to;
	size_t n, packed, extra, room;

	/* Rows have at most two numbers spelled out, candidates two symbols. */
	make_room(e, (ROW_COLUMNS + 3) * e->rows + 2 * m + DICTIONARY_MAX);
	put_rows(e, candidate);
	put_spelled(e, e->symbols, candidate);
	put_ids(e, e->l->ids + candidate, m);
	put_gaps(e, e->l->logprobs + candidate, m);
	put_tails(e);
	extra = end_extra(e);
	room = ZSTD_compressBound((size_t)(e->sink.end - e->symbols)) +
	       16 * (e->n_ends + 1);
	to = buf_reserve(out, sizeof(head) + room + extra);
	if (!to)
		return;
	packed = pack_symbols(e, to + sizeof(head), room);
	n = put_varint(head, (uint32_t)(e->sink.end - e->symbols));
	n += put_varint(head + n, (uint32_t)packed);
	n += put_varint(head + n, e->dictionary.n);
	n += put_varint(head + n, e->dictionary.first_symbol);
	memcpy(to, head, n);
	memmove(to + n, to + sizeof(head), packed);
	memcpy(to + n + packed, e->extra, extra);
	out->len += n + packed + extra;
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
	e->l = l;
	e->steps = profile_steps(l->profile);
	for (size_t b = 0, candidate = 0; b < n_blocks; b++, candidate += m) {
		e->row = b * a_block;
		e->rows = l->n - e->row < a_block ? l->n - e->row : a_block;
		m = 0;
		for (size_t r = 0; r < e->rows; r++)
			m += l->listed[e->row + r];
		put_block(e, candidate, m, out);
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
