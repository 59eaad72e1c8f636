/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_columns.h"

#include "common/mem.h"
#include "store/logits_code.h"
#include "unit/unit.h"

#define N 997
#define DICTIONARY 300
#define TIMES 400

/* Symbols and their extra bits, of which some may be missing at the end. */
struct column {
	unsigned char symbols[N], *extra;
	size_t len;
	uint64_t table[256];
	uint32_t dictionary[DICTIONARY_MAX];
};

/* `first`: the symbol of place 0, or 256. */
static void make_table(struct column *c, unsigned first)
{
	for (unsigned s = 0; s < 256; s++) {
		unsigned place = s - first;

		c->table[s] = s < SYMBOLS
				      ? symbol_base(s) | (uint64_t)symbol_extra(s) << 32
				      : IS_WRONG;
		if (s >= first)
			c->table[s] = place < 64 && symbol_base(place) < DICTIONARY
					      ? symbol_base(place) |
							(uint64_t)symbol_extra(place)
								<< 32 |
							IS_PLACE
					      : IS_WRONG;
	}
	for (uint32_t at = 0; at < DICTIONARY_MAX; at++)
		c->dictionary[at] = at * 77 + 5;
}

static void make_column(struct column *c, struct chance *chance, unsigned first)
{
	/* Mostly few extra bits, or up to all of them; rarely wrong symbols. */
	uint64_t below = chance_below(chance, 2) ? 64 : SYMBOLS;
	size_t n_bits = 0, cut;

	make_table(c, first);
	for (size_t i = 0; i < N; i++) {
		uint64_t s = chance_below(chance, below);

		if (first < 256 && chance_below(chance, 3) == 0)
			s = first + chance_below(chance, 30);
		if (chance_below(chance, 20 * N) == 0)
			s = 255;
		c->symbols[i] = (unsigned char)s;
		n_bits += (c->table[s & 255] >> 32) & 63;
	}
	c->len = (n_bits + 7) / 8;
	cut = chance_below(chance, 4) ? 0 : (size_t)chance_below(chance, c->len + 1);
	c->len -= cut;
	c->extra = mem_zalloc(c->len + EXTRA_PAD, 1);
	for (size_t i = 0; i < c->len; i++)
		c->extra[i] = (unsigned char)chance_next(chance);
}

/* Read one symbol at a time, bit by bit. */
static bool expected(const struct column *c, size_t n, uint32_t *out, size_t *at)
{
	bool ok = true;

	*at = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t entry = c->table[c->symbols[i]];
		uint32_t v = (uint32_t)entry;

		for (unsigned b = 0; b < (entry >> 32 & 63); b++, (*at)++)
			if (*at < 8 * c->len)
				v += (uint32_t)(c->extra[*at / 8] >> *at % 8 & 1) << b;
		out[i] = entry & IS_PLACE ? c->dictionary[v] : v;
		ok &= !(entry & IS_WRONG);
	}
	return ok;
}

static void compare(const struct column *c, bool are_ids, bool by_eight, size_t n)
{
	uint32_t want[N], got[N];
	struct extra_bits bits = {c->extra, c->len, 0, by_eight};
	size_t at;
	bool ok = expected(c, n, want, &at), read;

	read = are_ids ? columns_read_ids(
				 c->table, c->dictionary, c->symbols, n, &bits, got)
		       : columns_read_numbers(c->table, c->symbols, n, &bits, got);
	assert_int_equal(read, ok);
	if (!ok)
		return;
	assert_int_equal(bits.at, at);
	/* Past the end there is nothing to agree on; it only must be noticed. */
	if (at <= 8 * c->len)
		assert_memory_equal(got, want, n * sizeof(*got));
}

static void columns__are_read_alike_in_both_forms(void **state)
{
	struct chance chance = {7};
	struct column *c = mem_alloc(sizeof(*c));

	(void)state;
	for (int t = 0; t < TIMES; t++) {
		bool are_ids = chance_below(&chance, 2);
		unsigned first = are_ids ? (unsigned)chance_below(&chance, 257) : 256;
		size_t n = t % 3 ? N : (size_t)chance_below(&chance, N + 1);

		make_column(c, &chance, first);
		compare(c, are_ids, false, n);
		if (columns_by_eight())
			compare(c, are_ids, true, n);
		free(c->extra);
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns__are_read_alike_in_both_forms),
		cmocka_unit_test(spreading__adds_up_the_gaps_of_each_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
