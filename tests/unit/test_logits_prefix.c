/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_prefix.h"

#include <math.h>

#include "store/logits_code.h"
#include "unit/unit.h"

#define TIMES 600

/* A description, from bit `begin` on, and all that may be read behind it. */
struct told {
	unsigned char data[2 * PREFIX_TOLD_MAX + 8];
	size_t begin, end;
	struct bit_writer w;
};

static void told_begin(struct told *t, unsigned before)
{
	memset(t, 0, sizeof(*t));
	t->w.at = t->data;
	bits_put(&t->w, (UINT64_C(1) << before) - 1, before);
	t->begin = before;
}

static void told_end(struct told *t)
{
	t->end = 8 * (size_t)(t->w.at - t->data) + t->w.n;
}

static bool hear(const struct told *t, size_t end, struct prefix_lengths *lengths)
{
	size_t at = t->begin;

	return prefix_hear(lengths, t->data, &at, end) && at == end;
}

/* Bits that Huffman's code takes, and the longest word that it has. */
static uint64_t huffman(const uint32_t counts[256], unsigned *longest)
{
	uint64_t weight[511], bits = 0;
	unsigned parent[511] = {0}, depth[511] = {0}, n = 0, nodes, left;

	for (unsigned s = 0; s < 256; s++)
		if (counts[s])
			weight[n++] = counts[s];
	nodes = n;
	for (left = n; left > 1; left--) {
		unsigned least[2];

		weight[nodes] = 0;
		for (int half = 0; half < 2; half++) {
			least[half] = nodes;
			for (unsigned i = 0; i < nodes; i++)
				if (parent[i] == 0 &&
					(least[half] == nodes ||
						weight[i] < weight[least[half]]))
					least[half] = i;
			parent[least[half]] = nodes;
			weight[nodes] += weight[least[half]];
		}
		bits += weight[nodes++];
	}
	*longest = 0;
	for (unsigned i = nodes - 1; i-- > 0;) {
		depth[i] = depth[parent[i]] + 1;
		*longest = depth[i] > *longest ? depth[i] : *longest;
	}
	return bits;
}

/* That the lengths are a code of what is counted: complete, of no word that is too
 * long, the rarer the longer. */
static void check_lengths(
	const uint32_t counts[256], const struct prefix_lengths *lengths)
{
	unsigned used = 0, n = 0;

	for (unsigned s = 0; s < 256; s++) {
		unsigned bits = lengths->bits[s];

		n += counts[s] > 0;
		assert_true(bits <= PREFIX_BITS);
		if (counts[s] == 0)
			assert_int_equal(bits, 0);
		else
			assert_true(s >= lengths->first && s <= lengths->last);
		used += bits ? PREFIX_WORDS >> bits : 0;
		for (unsigned other = 0; other < 256; other++)
			if (counts[s] > counts[other] && counts[other] > 0)
				assert_true(bits <= lengths->bits[other]);
	}
	assert_true(counts[lengths->first] > 0 && counts[lengths->last] > 0);
	assert_int_equal(used, n > 1 ? PREFIX_WORDS : 0);
}

/* That no shorter code was to be had, or hardly. */
static void check_length(
	const uint32_t counts[256], const struct prefix_lengths *lengths)
{
	uint64_t bits = 0, best;
	unsigned longest;

	for (unsigned s = 0; s < 256; s++)
		bits += (uint64_t)counts[s] * lengths->bits[s];
	best = huffman(counts, &longest);
	if (longest <= PREFIX_BITS)
		assert_true(bits == best);
	else
		assert_true(bits >= best && bits <= best + best / 16);
}

/* That what is told is heard again, from wherever it begins, and nothing less. */
static void check_told(const struct prefix_lengths *lengths, unsigned before)
{
	struct prefix_lengths heard;
	struct told t;

	told_begin(&t, before);
	prefix_tell(lengths, &t.w);
	told_end(&t);
	assert_true(t.end - t.begin <= 8 * (PREFIX_TOLD_MAX - BITS_PAD));
	assert_true(hear(&t, t.end, &heard));
	assert_int_equal(heard.first, lengths->first);
	assert_int_equal(heard.last, lengths->last);
	assert_memory_equal(heard.bits, lengths->bits, sizeof(heard.bits));
	for (size_t end = t.begin; end < t.end; end++) {
		size_t at = t.begin;

		assert_false(prefix_hear(&heard, t.data, &at, end));
	}
}

/* That every word is read as its symbol, whatever comes behind it; and that words are
 * as FORMAT.md says: counted from the first bit as the highest. */
static void check_words(const struct prefix_lengths *lengths)
{
	struct prefix_writer writer;
	struct prefix_reader reader;
	uint32_t counted = 0, n_before = 0;

	prefix_to_write(lengths, &writer);
	prefix_to_read(lengths, &reader);
	for (unsigned n = lengths->first == lengths->last ? 0 : 1; n <= PREFIX_BITS;
		n++)
		for (unsigned s = lengths->first; s <= lengths->last; s++) {
			uint32_t word = writer.word[s] >> 8, first_highest = 0;

			if (lengths->bits[s] != n)
				continue;
			assert_int_equal(writer.word[s] & 255, n);
			assert_true(word >> n == 0 && n <= reader.bits);
			counted <<= n - n_before;
			n_before = n;
			for (unsigned b = 0; b < n; b++)
				first_highest = first_highest << 1 | (word >> b & 1);
			assert_int_equal(first_highest, counted++);
			for (uint32_t at = word; at < 1u << reader.bits; at += 1u << n)
				assert_int_equal(reader.entry[at], s << 8 | n);
		}
	assert_int_equal(counted, 1u << reader.bits);
}

static void check(const uint32_t counts[256], unsigned before)
{
	struct prefix_lengths lengths;

	prefix_choose(counts, &lengths);
	check_lengths(counts, &lengths);
	check_length(counts, &lengths);
	check_told(&lengths, before);
	check_words(&lengths);
}

/* So many symbols, some of which are much more frequent than others. */
static void random_counts(struct chance *chance, uint32_t counts[256])
{
	uint64_t n = chance_below(chance, 4) ? 2 + chance_below(chance, 40)
					     : 1 + chance_below(chance, 256);
	unsigned shift = (unsigned)chance_below(chance, 15);

	memset(counts, 0, 256 * sizeof(*counts));
	for (uint64_t i = 0; i < n; i++)
		counts[chance_below(chance, 256)] =
			1 + (uint32_t)(chance_below(chance, 1 << 14) >>
				       chance_below(chance, shift + 1));
}

static void codes__are_complete_and_short(void **state)
{
	struct chance chance = {3};
	uint32_t counts[256];

	(void)state;
	for (unsigned t = 0; t < TIMES; t++) {
		random_counts(&chance, counts);
		check(counts, t % 8);
	}
}

static void codes__are_of_any_number_of_symbols(void **state)
{
	uint32_t counts[256];

	(void)state;
	for (unsigned s = 0; s < 256; s += 51) {
		/* One, two, all. */
		memset(counts, 0, sizeof(counts));
		counts[s] = 9;
		check(counts, 0);
		counts[255 - s] = 1;
		check(counts, 0);
		for (unsigned other = 0; other < 256; other++)
			counts[other] = 1;
		counts[s] = 1 << 14;
		check(counts, 0);
	}
}

/* Counts of which Huffman's words are as long as can be. */
static void codes__have_no_word_that_is_too_long(void **state)
{
	uint32_t counts[256] = {0};
	unsigned longest;

	(void)state;
	for (unsigned n = 2; n <= 40; n++) {
		uint32_t a = 1, b = 1;

		for (unsigned s = 0; s < n; s++) {
			uint32_t next = a + b;

			/* Neither rising nor falling with the symbol. */
			counts[s * 37 % 256] = a;
			a = b;
			b = next;
		}
		huffman(counts, &longest);
		assert_int_equal(longest, n - 1);
		check(counts, 0);
	}
}

/* log2_256 is at most 0.09 below the logarithm. */
static void cost__is_about_the_entropy(void **state)
{
	struct chance chance = {4};
	uint32_t counts[256] = {0};

	(void)state;
	assert_true(prefix_cost(counts) == 0);
	for (unsigned t = 0; t < TIMES; t++) {
		double all = 0, entropy = 0;

		random_counts(&chance, counts);
		for (unsigned s = 0; s < 256; s++)
			all += counts[s];
		for (unsigned s = 0; s < 256; s++)
			if (counts[s])
				entropy += counts[s] * log2(all / counts[s]);
		assert_true(
			fabs((double)prefix_cost(counts) / 256 - entropy) <= 0.1 * all);
	}
}

static void put_unary(struct told *t, unsigned zeros)
{
	bits_put(&t->w, UINT64_C(1) << zeros, zeros + 1);
}

/* Among lengths, so many symbols that do not occur. */
#define RUN(n) (1000 + (n))

static void put_run(struct told *t, unsigned n)
{
	unsigned low = 0;

	while (n >> low > 1)
		low++;
	put_unary(t, 3);
	put_unary(t, low);
	bits_put(&t->w, n - (1u << low), low);
}

/* A description of symbols 7 to `last`, with these lengths and runs. */
static bool hears(unsigned last, const unsigned *lengths, unsigned n)
{
	struct prefix_lengths heard;
	unsigned before = 6;
	struct told t;

	told_begin(&t, 0);
	bits_put(&t.w, 7, 8);
	bits_put(&t.w, last, 8);
	for (unsigned i = 0; i < n; i++) {
		uint32_t change = zigzag(lengths[i] - before);

		if (lengths[i] >= RUN(0)) {
			put_run(&t, lengths[i] - RUN(0));
			continue;
		}
		put_unary(&t, change < 3 ? change : change + 1);
		before = lengths[i];
	}
	told_end(&t);
	return hear(&t, t.end, &heard);
}
/* `n` symbols. */
#define HEARS(n, ...)                                                                  \
	hears(7 + (n)-1, (const unsigned[]){__VA_ARGS__},                              \
		sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static void description__must_be_of_a_code(void **state)
{
	(void)state;
	assert_true(HEARS(2, 1, 1));
	assert_true(HEARS(12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11));
	assert_true(HEARS(12, 11, 1, 11, 2, 3, 4, 5, 6, 7, 8, 9, 10));
	/* Words are left. */
	assert_false(HEARS(2, 1, 2));
	assert_false(HEARS(3, 2, 2, 2));
	assert_false(HEARS(3, 1, RUN(1), 11));
	assert_false(HEARS(11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
	/* There are not so many. */
	assert_false(HEARS(3, 1, 1, 1));
	assert_false(HEARS(3, 1, 1, 11));
	assert_false(HEARS(4, 2, 2, 1, 2));
	/* No words of no bits among others, or of too many. */
	assert_false(HEARS(3, 0, 1, 1));
	assert_false(HEARS(3, 1, 0, 1));
	assert_false(HEARS(3, 1, 12, 1));
	assert_false(HEARS(3, 1, 13, 1));
	assert_false(HEARS(13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12));
}

static void runs__stand_between_symbols_that_occur(void **state)
{
	(void)state;
	assert_true(HEARS(5, 2, 1, RUN(2), 2));
	assert_true(HEARS(7, 2, RUN(1), 1, RUN(3), 2));
	for (unsigned n = 1; n <= 247; n++)
		assert_true(HEARS(2 + n, 1, RUN(n), 1));
	/* The length before a run is the one to change from. */
	assert_false(HEARS(7, 2, RUN(1), 2, RUN(3), 2));
	/* The first and the last occur. */
	assert_false(HEARS(3, RUN(1), 1, 1));
	assert_false(HEARS(3, 1, 1, RUN(1)));
	assert_false(HEARS(9, 1, 1, RUN(7)));
	assert_false(HEARS(2, RUN(2)));
	assert_false(HEARS(2, RUN(1), RUN(1)));
	/* Nothing is behind the last: it would have been a code before the run. */
	for (unsigned n = 2; n < 1024; n++)
		assert_false(HEARS(3, 1, 1, RUN(n)));
	assert_false(HEARS(249, 1, 1, RUN(247)));
	/* One run is not told as two. */
	assert_false(HEARS(4, 1, RUN(1), RUN(1), 1));
	assert_false(HEARS(6, 1, RUN(3), RUN(1), 1));
	assert_false(HEARS(6, 2, RUN(1), 1, RUN(1), RUN(1), 2));
	/* No more than there is, and no less. */
	assert_false(HEARS(4, 1, RUN(1), 1));
	assert_false(HEARS(3, 1, RUN(2), 1));
}

/* A run of so many symbols that nothing can have so many low bits. */
static void runs__may_claim_any_length(void **state)
{
	struct prefix_lengths heard;
	struct told t;

	(void)state;
	for (unsigned low = 0; low < 56; low++)
		for (unsigned i = 0; i < 2 * 256; i++) {
			unsigned last = i / 2, has_low = i % 2;

			told_begin(&t, 0);
			bits_put(&t.w, 7, 8);
			bits_put(&t.w, last, 8);
			put_unary(&t, 10);
			put_unary(&t, 3);
			put_unary(&t, low);
			bits_put(&t.w, 0, has_low ? low : 0);
			put_unary(&t, 0);
			told_end(&t);
			assert_int_equal(hear(&t, t.end, &heard),
				low < 8 && last == 8 + (1u << low) &&
					(has_low || low == 0));
			/* Not even a one, and as much as may be read. */
			memset(t.data + 4, 0, sizeof(t.data) - 4);
			t.begin = 0;
			if (last > 7)
				assert_false(prefix_hear(
					&heard, t.data, &t.begin, 8 * PREFIX_TOLD_MAX));
			assert_true(t.begin <= 8 * PREFIX_TOLD_MAX);
		}
}

static void description__may_say_anything(void **state)
{
	struct chance chance = {5};
	struct prefix_lengths heard;
	unsigned n_heard = 0;
	struct told t;

	(void)state;
	/* The last before the first; no length at all; a step that is too large. */
	told_begin(&t, 0);
	bits_put(&t.w, 8, 8);
	bits_put(&t.w, 7, 8);
	t.end = 16;
	assert_false(hear(&t, t.end, &heard));
	told_begin(&t, 0);
	bits_put(&t.w, 7, 8);
	bits_put(&t.w, 8, 8);
	assert_false(prefix_hear(&heard, t.data, &t.begin, 8 * PREFIX_TOLD_MAX));
	for (unsigned zeros = 0; zeros < 56; zeros++) {
		told_begin(&t, 0);
		bits_put(&t.w, 7, 8);
		bits_put(&t.w, 8, 8);
		put_unary(&t, zeros);
		put_unary(&t, 0);
		told_end(&t);
		/* Only 6 - 5, and 1 for both. */
		assert_int_equal(hear(&t, t.end, &heard), zeros == 10);
	}
	/* What is heard is complete, whatever was said. */
	for (unsigned i = 0; i < 20 * TIMES; i++) {
		uint32_t counts[256] = {0};
		struct prefix_lengths lengths;
		unsigned used = 0;

		/* Of few symbols, so that some come out right after all. */
		for (unsigned s = 0; s < 6; s++)
			counts[s] = (uint32_t)chance_below(&chance, 9);
		counts[6] = 1;
		prefix_choose(counts, &lengths);
		told_begin(&t, 0);
		prefix_tell(&lengths, &t.w);
		told_end(&t);
		for (int k = 0; k < 2; k++) {
			size_t at = chance_below(&chance, t.end);

			t.data[at / 8] ^= (unsigned char)(1u << at % 8);
		}
		t.begin = 0;
		if (!prefix_hear(&heard, t.data, &t.begin, t.end))
			continue;
		n_heard++;
		assert_true(t.begin <= t.end && heard.first <= heard.last);
		for (unsigned s = 0; s < 256; s++)
			used += heard.bits[s] ? PREFIX_WORDS >> heard.bits[s] : 0;
		assert_int_equal(used, heard.first < heard.last ? PREFIX_WORDS : 0);
		check_words(&heard);
	}
	assert_true(n_heard > TIMES / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes__are_complete_and_short),
		cmocka_unit_test(codes__are_of_any_number_of_symbols),
		cmocka_unit_test(codes__have_no_word_that_is_too_long),
		cmocka_unit_test(cost__is_about_the_entropy),
		cmocka_unit_test(description__must_be_of_a_code),
		cmocka_unit_test(runs__stand_between_symbols_that_occur),
		cmocka_unit_test(runs__may_claim_any_length),
		cmocka_unit_test(description__may_say_anything),
	};

	return cmocka_run_group_tests_name("logits_prefix", tests, NULL, NULL);
}
