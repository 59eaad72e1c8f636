/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_columns.h"

#include <math.h>

#include "common/mem.h"
#include "store/logits_code.h"
#include "unit/unit.h"

#define N 997
#define DICTIONARY 300
#define TIMES 400

/* Symbols and their extra bits, of which some may be missing at the end. */
struct column {
	unsigned char symbols[N], *extra;
	size_t n_bits, len; /* that the symbols have; bytes that there are */
	uint64_t table[256];
	uint32_t dictionary[DICTIONARY_MAX];
};

/* `first`: the symbol of place 0, or 256. */
static void make_table(struct column *c, unsigned first)
{
	for (unsigned s = 0; s < 256; s++) {
		unsigned of = s < first ? s : s - first;
		bool may_occur = s < first ? s < SYMBOLS
					   : of < 64 && symbol_base(of) < DICTIONARY;

		c->table[s] = 0;
		if (may_occur)
			c->table[s] = symbol_base(of) |
				      (uint64_t)symbol_extra(of) << 32 | IS_SYMBOL |
				      (s < first ? 0 : IS_PLACE);
	}
	for (uint32_t at = 0; at < DICTIONARY_MAX; at++)
		c->dictionary[at] = at * 77 + 5;
}

/* One that may occur. */
static unsigned char make_symbol(
	const struct column *c, struct chance *chance, unsigned first, uint64_t below)
{
	uint64_t s;

	do {
		s = chance_below(chance, below);
		if (first < 256 && (first == 0 || chance_below(chance, 3) == 0))
			s = first + chance_below(chance, 48);
	} while (s > 255 || !(c->table[s] & IS_SYMBOL));
	return (unsigned char)s;
}

static void make_column(struct column *c, struct chance *chance, unsigned first)
{
	/* Mostly few extra bits, or up to all of them. */
	uint64_t below = chance_below(chance, 2) ? 64 : SYMBOLS;
	size_t cut;

	make_table(c, first);
	c->n_bits = 0;
	for (size_t i = 0; i < N; i++) {
		c->symbols[i] = make_symbol(c, chance, first, below);
		c->n_bits += (c->table[c->symbols[i]] >> 32) & 63;
	}
	c->len = (c->n_bits + 7) / 8;
	cut = chance_below(chance, 4) ? 0 : (size_t)chance_below(chance, c->len + 1);
	c->len -= cut;
	c->extra = mem_zalloc(c->len + EXTRA_PAD, 1);
	for (size_t i = 0; i < c->len; i++)
		c->extra[i] = (unsigned char)chance_next(chance);
}

/* Read one symbol at a time, bit by bit; how many of them have all their bits. */
static size_t expected(const struct column *c, size_t n, uint32_t *out, size_t *at)
{
	size_t whole = 0;

	*at = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t entry = c->table[c->symbols[i]];
		uint32_t v = (uint32_t)entry;

		for (unsigned b = 0; b < (entry >> 32 & 63); b++, (*at)++)
			if (*at < 8 * c->len)
				v += (uint32_t)(c->extra[*at / 8] >> *at % 8 & 1) << b;
		out[i] = entry & IS_PLACE ? c->dictionary[v] : v;
		whole += *at <= 8 * c->len;
	}
	return whole;
}

static void compare(
	const struct column *c, unsigned first, bool are_ids, bool by_eight, size_t n)
{
	uint32_t want[N], got[N];
	struct extra_bits bits = {c->extra, c->len, 0, by_eight};
	size_t at, whole = expected(c, n, want, &at);

	if (are_ids)
		columns_read_ids(
			c->table, first, c->dictionary, c->symbols, n, &bits, got);
	else
		columns_read_numbers(c->table, c->symbols, n, &bits, got);
	/* Past the end there is nothing to agree on; it only must be noticed. */
	assert_int_equal(bits.at, at);
	assert_memory_equal(got, want, whole * sizeof(*got));
}

static void columns__are_read_alike_in_both_forms(void **state)
{
	struct chance chance = {7};
	struct column *c = mem_alloc(sizeof(*c));
	int n_cut = 0;

	(void)state;
	for (int t = 0; t < TIMES; t++) {
		bool are_ids = chance_below(&chance, 2);
		unsigned first = are_ids ? (unsigned)chance_below(&chance, 257) : 256;
		size_t n = t % 3 ? N : (size_t)chance_below(&chance, N + 1);

		make_column(c, &chance, first);
		compare(c, first, are_ids, false, n);
		if (columns_by_eight())
			compare(c, first, are_ids, true, n);
		n_cut += c->n_bits > 8 * c->len;
		free(c->extra);
	}
	assert_true(n_cut > TIMES / 8);
	free(c);
}

static void spreading__adds_up_the_gaps_of_each_row(void **state)
{
	enum { ROWS = 23, LISTED = 19 };
	static const float steps[] = {256, 16, 0};
	struct chance chance = {7};

	(void)state;

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++)
		for (uint32_t width = 1; width <= COLUMNS_TILE; width++) {
			uint32_t gaps[COLUMNS_TILE * ROWS], keys[ROWS], begun[ROWS];
			float out[ROWS * LISTED] = {0};

			for (uint32_t i = 0; i < COLUMNS_TILE * ROWS; i++)
				gaps[i] = (uint32_t)chance_below(&chance, 1 << 20);
			for (uint32_t i = 0; i < ROWS; i++)
				begun[i] = keys[i] =
					(uint32_t)chance_next(&chance) >> 8;
			columns_spread(gaps, ROWS, width, LISTED, steps[s], keys, out);
			for (uint32_t i = 0; i < ROWS; i++) {
				uint32_t key = begun[i];

				for (uint32_t w = 0; w < LISTED; w++) {
					float want = 0;

					if (w < width) {
						key += gaps[w * ROWS + i];
						want = logprob_of(key, steps[s]);
					}
					assert_memory_equal(&out[i * LISTED + w], &want,
						sizeof(want));
				}
				assert_int_equal(keys[i], key);
			}
		}
}

#define WRITTEN_MAX 700
#define PLACES 48
/* Behind the symbols of all numbers; then there are symbols for few places. */
#define FIRST_PLACE SYMBOLS
#define FEW_PLACES 40

/* What one form wrote, and zeros behind it. */
struct written {
	unsigned char symbols[WRITTEN_MAX], extra[WRITTEN_MAX * 4 + EXTRA_PAD];
	size_t n_bits;
};

static uint32_t random_number(struct chance *chance)
{
	static const uint32_t edges[] = {0, 7, 8, (1 << 23) - 9, (1 << 23) - 1, 1 << 23,
		INT32_MAX, UINT32_C(1) << 31, UINT32_MAX - 8, UINT32_MAX};

	if (chance_below(chance, 12) == 0)
		return edges[chance_below(chance, sizeof(edges) / sizeof(edges[0]))];
	/* Mostly small, so that eight in a row are. */
	return (uint32_t)chance_next(chance) >>
	       (chance_below(chance, 40) ? 9 + chance_below(chance, 23) : 0);
}

/* ids: of the numbers, those with a place are places; else NULL. */
static void write_column(const uint32_t *numbers, const uint32_t *of,
	const uint32_t *place, size_t n, bool by_eight, struct written *out)
{
	struct bit_writer w = {.at = out->extra};

	memset(out, 0, sizeof(*out));
	bits_put(&w, 5, 3); /* not at a byte's begin */
	if (of)
		columns_write_ids(
			numbers, of, place, FIRST_PLACE, n, by_eight, out->symbols, &w);
	else
		columns_write_numbers(numbers, n, by_eight, out->symbols, &w);
	out->n_bits = 8 * (size_t)(w.at - out->extra) + w.n;
}

static void read_back(const struct column *c, const struct written *w, size_t n,
	bool are_ids, const uint32_t *want)
{
	struct extra_bits bits = {w->extra, (w->n_bits + 7) / 8, 3, false};
	uint32_t got[WRITTEN_MAX];

	if (are_ids)
		columns_read_ids(c->table, FIRST_PLACE, c->dictionary, w->symbols, n,
			&bits, got);
	else
		columns_read_numbers(c->table, w->symbols, n, &bits, got);
	assert_int_equal(bits.at, w->n_bits);
	assert_memory_equal(got, want, n * sizeof(*got));
}

static void check_symbols(const uint32_t *numbers, const struct written *w, size_t n)
{
	unsigned char symbols[WRITTEN_MAX];
	uint32_t counts[256], want[256] = {0};

	for (int by_eight = 0; by_eight <= columns_by_eight(); by_eight++) {
		columns_symbols(numbers, n, by_eight, symbols);
		assert_memory_equal(symbols, w->symbols, n);
	}
	for (size_t i = 0; i < n; i++)
		want[w->symbols[i]]++;
	columns_count(w->symbols, n, counts);
	assert_memory_equal(counts, want, sizeof(want));
}

static void columns__are_written_alike_in_both_forms(void **state)
{
	struct chance chance = {9};
	struct column *c = mem_alloc(sizeof(*c));
	static struct written one, eight;

	(void)state;
	for (size_t t = 0; t < TIMES; t++) {
		size_t n = t <= 40 ? t : (size_t)chance_below(&chance, WRITTEN_MAX + 1);
		uint32_t numbers[WRITTEN_MAX], of[WRITTEN_MAX], place[PLACES];
		bool are_ids = t > 40 && t % 2;

		make_table(c, are_ids ? FIRST_PLACE : 256);
		for (uint32_t p = 0; p < PLACES; p++)
			place[p] = chance_below(&chance, 3)
					   ? (uint32_t)chance_below(&chance, FEW_PLACES)
					   : UINT32_MAX;
		for (size_t i = 0; i < n; i++) {
			numbers[i] = random_number(&chance);
			of[i] = (uint32_t)chance_below(&chance, PLACES);
			if (!are_ids)
				continue;
			if (place[of[i]] != UINT32_MAX)
				numbers[i] = c->dictionary[place[of[i]]];
		}
		write_column(numbers, are_ids ? of : NULL, place, n, false, &one);
		read_back(c, &one, n, are_ids, numbers);
		if (!are_ids)
			check_symbols(numbers, &one, n);
		if (!columns_by_eight())
			continue;
		write_column(numbers, are_ids ? of : NULL, place, n, true, &eight);
		assert_int_equal(eight.n_bits, one.n_bits);
		assert_memory_equal(eight.symbols, one.symbols, n);
		assert_memory_equal(eight.extra, one.extra, (one.n_bits + 7) / 8);
	}
	free(c);
}

static void keys__are_those_of_the_grid(void **state)
{
	static const float odd[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 1e-30f, -INFINITY,
		INFINITY, 3.4e38f, -3.4e38f, -9999.0f, -65536.0f, -65537.0f,
		-1048576.0f};
	struct chance chance = {10};
	float logprobs[WRITTEN_MAX];
	uint32_t keys[WRITTEN_MAX];

	(void)state;
	for (size_t t = 0; t < TIMES; t++) {
		float steps = t % 2 ? 256 : 16;
		size_t n = t <= 40 ? t : (size_t)chance_below(&chance, WRITTEN_MAX + 1);

		for (size_t i = 0; i < n; i++) {
			uint32_t bits = (uint32_t)chance_next(&chance);
			float half = (float)(int32_t)chance_below(&chance, 9999) + 0.5f;

			memcpy(&logprobs[i], &bits, sizeof(bits));
			if (chance_below(&chance, 4) == 0 || isnan(logprobs[i]))
				logprobs[i] = odd[chance_below(
					&chance, sizeof(odd) / sizeof(odd[0]))];
			else if (chance_below(&chance, 2))
				logprobs[i] = (bits & 1 ? half : -half) / steps;
		}
		columns_grid_keys(logprobs, n, steps, keys);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(keys[i], grid_key(logprobs[i], steps));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns__are_read_alike_in_both_forms),
		cmocka_unit_test(spreading__adds_up_the_gaps_of_each_row),
		cmocka_unit_test(columns__are_written_alike_in_both_forms),
		cmocka_unit_test(keys__are_those_of_the_grid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
