/* SPDX-License-Identifier: Apache-2.0 */
#include "store/logits_streams.h"

#include "common/mem.h"
#include "unit/unit.h"

#define MOST 5000
#define COLUMNS 4
#define ROOM (COLUMNS * (MOST * PREFIX_BITS / STREAMS / 8 + 8) + BITS_PAD)

/* Columns, one behind the other, and what is written of them. */
struct page {
	size_t n[COLUMNS];
	struct prefix_lengths lengths[COLUMNS];
	unsigned char symbols[COLUMNS][MOST];
	unsigned char room[STREAMS][ROOM];
	struct bit_writer writers[STREAMS];
	struct streams streams;
	unsigned char *data; /* the streams, which end where they must, and zeros */
};

/* A code of up to 2^bits symbols, of which few are frequent or none. */
static void make_code(
	struct chance *chance, unsigned bits, struct prefix_lengths *lengths)
{
	uint32_t counts[256] = {0};
	uint64_t n = chance_below(chance, UINT64_C(1) << bits) + 1;
	unsigned steep = (unsigned)chance_below(chance, 20);

	for (uint64_t i = 0; i < n; i++)
		counts[chance_below(chance, 256)] =
			1 + (UINT32_C(1) << chance_below(chance, steep + 1));
	prefix_choose(counts, lengths);
}

/* All symbols of the code, be they frequent or rare. */
static void make_column(struct chance *chance, const struct prefix_lengths *lengths,
	size_t n, unsigned char *symbols)
{
	bool one = lengths->first == lengths->last;

	for (size_t i = 0; i < n; i++) {
		do
			symbols[i] =
				(unsigned char)(lengths->first +
						chance_below(chance,
							lengths->last - lengths->first +
								1));
		while (!one && lengths->bits[symbols[i]] == 0);
	}
}

static void write_column(struct page *p, unsigned c)
{
	struct prefix_writer code;

	prefix_to_write(&p->lengths[c], &code);
	streams_write(p->writers, &code, p->symbols[c], p->n[c]);
}

/* The streams behind each other, as in a block. */
static void join(struct page *p)
{
	size_t len = 0;

	p->data = mem_zalloc(STREAMS * sizeof(p->room[0]) + STREAMS_PAD, 1);
	for (unsigned j = 0; j < STREAMS; j++) {
		size_t n = (size_t)(bits_end(&p->writers[j]) - p->room[j]);

		assert_true(n <= sizeof(p->room[j]));
		memcpy(p->data + len, p->room[j], n);
		p->streams.at[j] = 8 * len;
		len += n;
	}
	p->streams.end = 8 * len;
	p->data = mem_realloc(p->data, len + STREAMS_PAD, 1);
	memset(p->data + len, 0, STREAMS_PAD);
	p->streams.data = p->data;
}

static void make_page(struct chance *chance, size_t n, struct page *p)
{
	for (unsigned j = 0; j < STREAMS; j++)
		p->writers[j] = (struct bit_writer){.at = p->room[j]};
	for (unsigned c = 0; c < COLUMNS; c++) {
		/* The first is of n symbols; of other columns, some have one symbol. */
		p->n[c] = c ? (size_t)chance_below(chance, n + 20) : n;
		make_code(chance, (unsigned)chance_below(chance, 9), &p->lengths[c]);
		make_column(chance, &p->lengths[c], p->n[c], p->symbols[c]);
		write_column(p, c);
	}
	join(p);
}

/* One symbol, bit by bit: a word of n bits is one of those of this length if it is no
 * more than as many behind their first as there are. */
static unsigned read_slowly(
	const unsigned char *data, size_t *at, const struct prefix_lengths *lengths)
{
	uint32_t word = 0, first = 0;

	if (lengths->first == lengths->last)
		return lengths->first;
	for (unsigned n = 1; n <= PREFIX_BITS; n++) {
		uint32_t count = 0;

		word = word << 1 | (data[*at / 8] >> *at % 8 & 1);
		(*at)++;
		first <<= 1;
		for (unsigned s = lengths->first; s <= lengths->last; s++) {
			if (lengths->bits[s] != n)
				continue;
			if (word - first == count)
				return s;
			count++;
		}
		first += count;
	}
	fail_msg("there is no such word");
	return 0;
}

static void check_column(const struct page *p, unsigned c, struct streams *s)
{
	size_t n = p->n[c], a_stream = (n + STREAMS - 1) / STREAMS, at[STREAMS];
	unsigned char *got = mem_alloc(n + 1);
	struct prefix_reader code;

	memcpy(at, s->at, sizeof(at));
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			read_slowly(p->data, &at[i / a_stream], &p->lengths[c]),
			p->symbols[c][i]);
	got[n] = 0x5a;
	prefix_to_read(&p->lengths[c], &code);
	assert_true(streams_read(s, &code, n, got));
	assert_memory_equal(got, p->symbols[c], n);
	assert_int_equal(got[n], 0x5a);
	assert_memory_equal(s->at, at, sizeof(at));
	free(got);
}

static void check_page(struct page *p)
{
	struct streams s = p->streams;

	for (unsigned c = 0; c < COLUMNS; c++)
		check_column(p, c, &s);
	/* All is read, but for what fills each last byte. */
	for (unsigned j = 0; j < STREAMS; j++) {
		size_t end = j + 1 < STREAMS ? p->streams.at[j + 1] : p->streams.end;

		assert_true(s.at[j] <= end && end - s.at[j] < 8);
	}
}

static void streams__come_back(void **state)
{
	struct page *p = mem_alloc(sizeof(*p));
	struct chance chance = {1};

	(void)state;
	for (size_t n = 0; n < 260; n++) {
		make_page(&chance, n <= 200 ? n : MOST - 20 - 17 * (n - 200), p);
		check_page(p);
		free(p->data);
	}
	free(p);
}

static void columns__of_one_symbol_take_no_bits(void **state)
{
	struct page *p = mem_zalloc(1, sizeof(*p));
	struct prefix_reader code;

	(void)state;
	for (unsigned j = 0; j < STREAMS; j++)
		p->writers[j] = (struct bit_writer){.at = p->room[j]};
	p->lengths[0] = (struct prefix_lengths){.first = 77, .last = 77};
	p->n[0] = 1000;
	memset(p->symbols[0], 77, p->n[0]);
	write_column(p, 0);
	join(p);
	assert_int_equal(p->streams.end, 0);
	check_column(p, 0, &p->streams);
	/* Of no symbols there is nothing to read, be the code as it may. */
	prefix_to_read(
		&(struct prefix_lengths){
			.first = 7, .last = 8, .bits = {[7] = 1, [8] = 1}},
		&code);
	assert_true(streams_read(&p->streams, &code, 0, p->symbols[0]));
	free(p->data);
	free(p);
}

/* Of a page that is cut, what was written last cannot all be there; no byte behind the
 * zeros is looked at, and no place is behind the end. */
static void streams__that_are_cut_are_refused(void **state)
{
	struct page *p = mem_alloc(sizeof(*p));
	unsigned char got[MOST];
	struct chance chance = {2};
	unsigned refused = 0;

	(void)state;
	for (int t = 0; t < 400; t++) {
		size_t len, cut;
		struct streams s;
		bool ok = true;

		make_page(&chance, 1 + (size_t)chance_below(&chance, 300), p);
		len = p->streams.end / 8;
		cut = len ? (size_t)chance_below(&chance, len < 9 ? len : 9) + 1 : 0;
		/* As the allocation ends there, too. */
		p->data = mem_realloc(p->data, len - cut + STREAMS_PAD, 1);
		memset(p->data + len - cut, t % 2 ? 0 : 0xff, STREAMS_PAD);
		s = p->streams;
		s.data = p->data;
		s.end = 8 * (len - cut);
		for (unsigned j = 0; j < STREAMS; j++)
			s.at[j] = s.at[j] < s.end ? s.at[j] : s.end;
		for (unsigned c = 0; ok && c < COLUMNS; c++) {
			struct prefix_reader code;

			prefix_to_read(&p->lengths[c], &code);
			ok = streams_read(&s, &code, p->n[c], got);
			for (unsigned j = 0; ok && j < STREAMS; j++)
				assert_true(s.at[j] <= s.end);
		}
		assert_int_equal(ok, cut == 0);
		refused += !ok;
		free(p->data);
	}
	assert_true(refused > 300);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams__come_back),
		cmocka_unit_test(columns__of_one_symbol_take_no_bits),
		cmocka_unit_test(streams__that_are_cut_are_refused),
	};

	return cmocka_run_group_tests_name("logits_streams", tests, NULL, NULL);
}
