/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_prefix.h"

#include <string.h>

#include "store/logits_code.h"

/* In a description, the length before the first one; and what stands for a run of
 * symbols that do not occur, between the changes that are more and less likely. */
#define EXPECTED 6
#define ABSENT 3

/* Whether none of eight symbols occurs: most columns have few. */
static inline bool are_absent(const uint32_t counts[8])
{
	return (get_u64(counts) | get_u64(counts + 2) | get_u64(counts + 4) |
		       get_u64(counts + 6)) == 0;
}

/* By rising count, the symbols that occur: count << 8 | symbol. */
static unsigned sort_counts(const uint32_t counts[256], uint64_t *sorted)
{
	static const unsigned gaps[] = {23, 10, 4, 1};
	unsigned n = 0;

	for (unsigned from = 0; from < 256; from += 8) {
		if (are_absent(counts + from))
			continue;
		for (unsigned s = from; s < from + 8; s++) {
			sorted[n] = (uint64_t)counts[s] << 8 | s;
			n += counts[s] > 0;
		}
	}
	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
		for (unsigned i = gaps[g]; i < n; i++) {
			uint64_t moving = sorted[i];
			unsigned at = i;

			for (; at >= gaps[g] && sorted[at - gaps[g]] > moving;
				at -= gaps[g])
				sorted[at] = sorted[at - gaps[g]];
			sorted[at] = moving;
		}
	return n;
}

/* How deep each of n > 1 leaves is, by rising weight. Nodes are made by rising weight,
 * so that the lightest two are always at the front of two queues. */
static void find_depths(const uint64_t *sorted, unsigned n, unsigned char *depth)
{
	uint64_t weight[256];
	uint16_t parent_of_leaf[256], parent[256];
	unsigned char node_depth[256];
	unsigned leaf = 0, node = 0;

	for (unsigned made = 0; made + 1 < n; made++) {
		weight[made] = 0;
		for (int half = 0; half < 2; half++) {
			if (leaf < n &&
				(node == made || sorted[leaf] >> 8 <= weight[node])) {
				weight[made] += sorted[leaf] >> 8;
				parent_of_leaf[leaf++] = (uint16_t)made;
			} else {
				weight[made] += weight[node];
				parent[node++] = (uint16_t)made;
			}
		}
	}
	node_depth[n - 2] = 0;
	for (unsigned i = n - 2; i-- > 0;)
		node_depth[i] = (unsigned char)(node_depth[parent[i]] + 1);
	for (unsigned i = 0; i < n; i++)
		depth[i] = (unsigned char)(node_depth[parent_of_leaf[i]] + 1);
}

/* Makes no depth larger than PREFIX_BITS, the rarer ones paying for it. */
static void limit_depths(unsigned char *depth, unsigned n)
{
	unsigned used = 0;

	for (unsigned i = 0; i < n; i++) {
		depth[i] = depth[i] < PREFIX_BITS ? depth[i] : PREFIX_BITS;
		used += PREFIX_WORDS >> depth[i];
	}
	for (unsigned i = 0; used > PREFIX_WORDS; i++)
		for (; used > PREFIX_WORDS && depth[i] < PREFIX_BITS; depth[i]++)
			used -= PREFIX_WORDS >> depth[i] >> 1;
	/* What was too much goes to the most frequent that it makes shorter. */
	while (used < PREFIX_WORDS)
		for (unsigned i = n; i-- > 0;)
			for (; used + (PREFIX_WORDS >> depth[i]) <= PREFIX_WORDS;
				depth[i]--)
				used += PREFIX_WORDS >> depth[i];
}

void prefix_choose(const uint32_t counts[256], struct prefix_lengths *lengths)
{
	uint64_t sorted[256 + 1];
	unsigned char depth[256];
	unsigned n = sort_counts(counts, sorted);

	memset(lengths->bits, 0, sizeof(lengths->bits));
	lengths->first = 255;
	lengths->last = 0;
	if (n > 1) {
		find_depths(sorted, n, depth);
		limit_depths(depth, n);
	} else {
		depth[0] = 0;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned s = sorted[i] & 255;

		lengths->bits[s] = depth[i];
		lengths->first = s < lengths->first ? s : lengths->first;
		lengths->last = s > lengths->last ? s : lengths->last;
	}
}

uint64_t prefix_cost(const uint32_t counts[256])
{
	uint64_t cost = 0, all = 0;

	for (unsigned from = 0; from < 256; from += 8) {
		if (are_absent(counts + from))
			continue;
		for (unsigned s = from; s < from + 8; s++) {
			if (counts[s] == 0)
				continue;
			all += counts[s];
			cost += (uint64_t)counts[s] * log2_256(counts[s]);
		}
	}
	return all ? all * log2_256((uint32_t)all) - cost : 0;
}

/* So many zeros, and a one. */
static void put_unary(struct bit_writer *w, unsigned n)
{
	bits_put(w, UINT64_C(1) << n, n + 1);
}

/* How many symbols from s on do not occur. */
static unsigned absent_from(const struct prefix_lengths *lengths, unsigned s)
{
	unsigned n = 0;

	while (lengths->bits[s + n] == 0)
		n++;
	return n;
}

void prefix_tell(const struct prefix_lengths *lengths, struct bit_writer *w)
{
	unsigned before = EXPECTED;

	bits_put(w, lengths->first, 8);
	bits_put(w, lengths->last, 8);
	if (lengths->first == lengths->last)
		return;
	for (unsigned s = lengths->first; s <= lengths->last; s++) {
		unsigned change = zigzag(lengths->bits[s] - before), n;

		if (lengths->bits[s]) {
			put_unary(w, change < ABSENT ? change : change + 1);
			before = lengths->bits[s];
			continue;
		}
		n = absent_from(lengths, s);
		s += n - 1;
		change = 31 - (unsigned)__builtin_clz(n);
		put_unary(w, ABSENT);
		put_unary(w, change);
		bits_put(w, n - (1u << change), change);
	}
}

static unsigned hear_unary(const unsigned char *data, size_t *at)
{
	/* Of as many zeros as this nothing comes. */
	uint64_t word = bits_peek(data, *at) | UINT64_C(1) << 32;
	unsigned n = (unsigned)__builtin_ctzll(word);

	*at += n + 1;
	return n;
}

/* 1 to 511. */
static unsigned hear_run(const unsigned char *data, size_t *at)
{
	unsigned n = hear_unary(data, at), low;

	if (n > 8)
		return 512;
	low = (unsigned)bits_peek(data, *at) & ((1u << n) - 1);
	*at += n;
	return (1u << n) + low;
}

bool prefix_hear(struct prefix_lengths *lengths, const unsigned char *data, size_t *at,
	size_t end)
{
	unsigned before = EXPECTED, used = 0;

	memset(lengths->bits, 0, sizeof(lengths->bits));
	lengths->first = bits_peek(data, *at) & 255;
	lengths->last = bits_peek(data, *at + 8) & 255;
	*at += 16;
	if (lengths->first >= lengths->last)
		return lengths->first == lengths->last && *at <= end;
	for (unsigned s = lengths->first; s <= lengths->last; s++) {
		unsigned change = hear_unary(data, at);

		if (change == ABSENT) {
			if (s == lengths->first || lengths->bits[s - 1] == 0)
				return false; /* there is one run, and not at first */
			s += hear_run(data, at) - 1;
			continue;
		}
		before += unzigzag(change < ABSENT ? change : change - 1);
		if (before - 1 > PREFIX_BITS - 1)
			return false;
		lengths->bits[s] = (unsigned char)before;
		used += PREFIX_WORDS >> before;
	}
	return *at <= end && used == PREFIX_WORDS && lengths->bits[lengths->last];
}

/* The word behind this one, which has n bits: the highest bit, which is the last, is
 * the one to count with. */
static uint32_t next_word(uint32_t word, unsigned n)
{
	uint32_t zeros = ~word & ((1u << n) - 1), highest;

	if (zeros == 0)
		return 0; /* there is none */
	highest = UINT32_C(1) << (31 - __builtin_clz(zeros));
	return (word & (highest - 1)) | highest;
}

/* The symbols that occur, by rising length of their words, at the front of `sorted`;
 * how many. */
static unsigned sort_lengths(
	const struct prefix_lengths *lengths, unsigned char sorted[2 * 256])
{
	unsigned begin[PREFIX_BITS + 2] = {0}, n;

	if (lengths->first == lengths->last) {
		sorted[0] = (unsigned char)lengths->first;
		return 1;
	}
	for (unsigned s = lengths->first; s <= lengths->last; s++)
		begin[lengths->bits[s] + 1]++;
	begin[1] = 0;
	for (n = 1; n <= PREFIX_BITS; n++)
		begin[n + 1] += begin[n];
	/* Those that do not occur go elsewhere, and cost no branch. */
	begin[0] = 256;
	for (unsigned s = lengths->first; s <= lengths->last; s++)
		sorted[begin[lengths->bits[s]]++] = (unsigned char)s;
	return begin[PREFIX_BITS];
}

void prefix_to_write(const struct prefix_lengths *lengths, struct prefix_writer *writer)
{
	unsigned char sorted[2 * 256];
	unsigned count = sort_lengths(lengths, sorted);
	uint32_t word = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned n = lengths->bits[sorted[i]];

		writer->word[sorted[i]] = word << 8 | n;
		word = next_word(word, n);
	}
}

void prefix_to_read(const struct prefix_lengths *lengths, struct prefix_reader *reader)
{
	unsigned char sorted[2 * 256];
	unsigned count = sort_lengths(lengths, sorted), n = 0;
	uint16_t *entry = reader->entry;
	uint32_t word = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned s = sorted[i];

		/* What has been said of n bits holds whatever comes behind them. */
		for (; n < lengths->bits[s]; n++)
			memcpy(entry + (1u << n), entry, sizeof(*entry) << n);
		entry[word] = (uint16_t)(s << 8 | n);
		word = next_word(word, n);
	}
	reader->bits = n;
}
