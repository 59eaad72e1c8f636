/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates read in runs: in both forms, with words that become known on the way,
 * they are what the reading without words gives, and their numbers are strtod's.
 */
#include "unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jrun.h"
#include "worker/openai_row.h"

#define TOKENS 40
#define MOST 64

static uint64_t state = 1;

static uint32_t below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % n);
}

/* Words of which some need care: quotes, braces, long ones, other scripts. */
static const char *const texts[] = {" the", "a", " of", "\\n", "}", "{", "]", " }, {",
	"\\\"", "", " fifteen bytes", " sixteen bytes..", "\xc3\xa9t\xc3\xa9",
	"\xe6\xbc\xa2", "\xef\xbf\xbd", "token_id:17", "0", ",", " -1.5", "\\u00e9",
	" abcdefghijklm", "\xf0\x9f\x99\x82", " the same", " the sama", " the samo"};
#define N_TEXTS (sizeof(texts) / sizeof(texts[0]))

/* Numbers of every length and form that servers write. */
static void put_number(struct buf *out)
{
	static const char *const odd[] = {"0", "0.0", "-0.0", "-1e-05", "-2.5E1",
		"null", "-0.0000000000015558", "-9999.0", "-00.5", "-12.", "-123.25",
		"1.5", "-3.4028234663852886e+38"};
	char number[80];

	if (below(12) == 0) {
		buf_add_str(out, odd[below(sizeof(odd) / sizeof(odd[0]))]);
		return;
	}
	if (below(8) == 0) {
		/* Hardly to be told from what is half way between two doubles. */
		double d = (below(1u << 30) + 1) * (below(2) ? 0x1p-30 : 0x1.8p-24);
		long double half = ((long double)d + nextafter(d, 100)) / 2;

		snprintf(number, sizeof(number), "-%.*Lf", (int)(16 + below(9)), half);
		buf_add_str(out, number);
		return;
	}
	snprintf(number, sizeof(number), "-%u.%u%09u%09u%09u",
		below(3) ? below(10) : below(100), below(10), below(1000000000),
		below(1000000000), below(1000000000));
	number[2 + below(24) + (number[2] != '.')] = '\0';
	buf_add_str(out, number);
	if (number[strlen(number) - 1] == '.')
		buf_add_str(out, "5");
}

/* The members of entries, in the orders of servers and in others: token, logprob, bytes,
 * id, and what only rows should have: as a list (x) or as something else (y). */
static const char *const orders[] = {"tlb", "itbl", "tl", "tbl", "tlbi", "ltb", "btl",
	"iltb", "tblx", "xtlb", "tlbix", "tylb", "tyl", "tb", "l"};
#define N_ORDERS (sizeof(orders) / sizeof(orders[0]))

static void put_list(struct buf *out, const char *text)
{
	char list[200] = "[", one[8];

	/* Not unescaped: sometimes it is not the text's, which is allowed. */
	for (const char *p = text; *p && strlen(list) < 150; p++) {
		snprintf(one, sizeof(one), "%s%u", p == text ? "" : ",",
			(unsigned char)*p);
		strcat(list, one);
	}
	strcat(list, "]");
	buf_add_str(out, below(30) ? list : "null");
}

static void put_entry(struct buf *out, const char *order, const char *text, bool is_row)
{
	char id[32];

	snprintf(id, sizeof(id), "%u", below(200000));
	buf_add_str(out, "{");
	for (const char *key = order; *key; key++) {
		if (*key >= 'x' && is_row)
			continue;
		buf_add_str(out, out->data[out->len - 1] == '{' ? "" : ",");
		switch (*key) {
		case 't':
			buf_add_str(out, "\"token\":\"");
			buf_add_str(out, text);
			buf_add_str(out, "\"");
			break;
		case 'l':
			buf_add_str(out, "\"logprob\":");
			put_number(out);
			break;
		case 'b':
			buf_add_str(out, "\"bytes\":");
			put_list(out, text);
			break;
		case 'i':
			buf_add_str(out, "\"id\":");
			buf_add_str(out, id);
			break;
		default:
			buf_add_str(out, *key == 'x' ? "\"top_logprobs\":[]"
						     : "\"top_logprobs\":\"a\"");
		}
	}
}

static void make(struct buf *out, unsigned style)
{
	const char *between = style % 2 ? ", " : ",", *order = orders[style % N_ORDERS];

	buf_clear(out);
	for (int i = 0; i < TOKENS; i++) {
		buf_add_str(out, i ? between : "");
		put_entry(out, order, texts[below(N_TEXTS)], true);
		buf_add_str(out, ",\"top_logprobs\":[");
		for (uint32_t j = 0, n = below(MOST); j < n; j++) {
			buf_add_str(out, j ? between : "");
			/* Mostly what runs are for. */
			put_entry(out, order, texts[below(below(4) ? 3 : N_TEXTS)],
				false);
			buf_add_str(out, "}");
		}
		buf_add_str(out, "]}");
	}
}

/* From behind the first '{', in pieces of that size, each where nothing else is. */
static enum jt read_rows_of(
	const struct buf *text, size_t piece, uint32_t most, struct rows *rows)
{
	static struct openai_lane lane;
	size_t at = 1, have = piece;
	enum jt got;

	rows_clear(rows);
	openai_lane_begin(&lane, rows, most);
	openai_lane_begin_row(&lane);
	do {
		unsigned char *copy;
		const unsigned char *next;

		have = at + piece < text->len ? piece : text->len - at;
		copy = malloc(have);
		assert_non_null(copy);
		memcpy(copy, text->data + at, have);
		got = openai_lane_read(&lane, copy, copy + have, &next);
		at += (size_t)(next - copy);
		piece += next == copy ? piece : 0;
		free(copy);
		if (got == JT_OK && at < text->len) {
			/* The comma and the brace were not seen together. */
			at += strspn((const char *)text->data + at, ", ") + 1;
			openai_lane_begin_row(&lane);
		}
	} while (got != JT_BAD && at < text->len);
	return got;
}

static enum jt read_rows(const struct buf *text, size_t piece, struct rows *rows)
{
	return read_rows_of(text, piece, MOST, rows);
}

static void same(const struct rows *a, const struct rows *b)
{
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->m, b->m);
	assert_memory_equal(a->first, b->first, (a->n + 1) * sizeof(*a->first));
	for (uint32_t j = 0; j < a->m; j++) {
		assert_int_equal(a->cand_id[j], b->cand_id[j]);
		assert_int_equal(a->cand_len[j], b->cand_len[j]);
		if (a->cand_len[j] != TOKEN_BYTES_UNKNOWN)
			assert_memory_equal(a->pool.data + a->cand_at[j],
				b->pool.data + b->cand_at[j], a->cand_len[j]);
		assert_memory_equal(&a->cand_logprob[j], &b->cand_logprob[j], 8);
	}
}

static void all_ways_read_the_same(void **unused)
{
	struct rows plain = {0}, known = {0};
	struct buf text;

	(void)unused;
	buf_init(&text, 1 << 22);
	for (unsigned round = 0; round < 4 * 2 * N_ORDERS; round++) {
		enum jt got;

		make(&text, round);
		buf_add(&text, "", 1); /* for strspn */
		text.len--;
		jrun_force(JRUN_PORTABLE);
		got = read_rows(&text, text.len, &plain);
		for (enum jrun_form form = JRUN_PORTABLE; form <= jrun_best(); form++) {
			jrun_force(form);
			known.words = words_new(round % 3 ? 10 : 4);
			for (int i = 0; i < 4; i++) {
				size_t piece = i < 2 ? text.len : 300 + below(5000);

				assert_int_equal(got, read_rows(&text, piece, &known));
				same(&plain, &known);
			}
			words_free(known.words);
		}
	}
	jrun_force(jrun_best());
	rows_release(&plain);
	rows_release(&known);
	buf_release(&text);
}

/* The end of a candidate is held against the last one's, also where it is longer than a
 * brace. */
static void what_stands_before_the_brace_counts(void **unused)
{
	static const char begin[] = "{\"token\":\" all the same\",\"logprob\":-1.5";
	struct rows rows = {0};
	struct buf text;

	(void)unused;
	buf_init(&text, 1 << 20);
	rows.words = words_new(4);
	for (int odd = -1; odd < MOST; odd++) {
		buf_clear(&text);
		buf_add_str(&text, begin);
		buf_add_str(&text, ",\"top_logprobs\":[");
		for (int j = 0; j < MOST; j++) {
			buf_add_str(&text, j ? "," : "");
			buf_add_str(&text, begin);
			buf_add_str(&text, j == odd ? "x}" : " }");
		}
		buf_add_str(&text, "]}");
		for (enum jrun_form form = JRUN_PORTABLE; form <= jrun_best(); form++) {
			jrun_force(form);
			assert_int_equal(
				read_rows(&text, text.len, &rows) == JT_BAD, odd >= 0);
		}
	}
	jrun_force(jrun_best());
	words_free(rows.words);
	rows_release(&rows);
	buf_release(&text);
}

/* Where only one word can be known, the others come to its place. */
static void a_word_is_all_of_its_text(void **unused)
{
	struct rows plain = {0}, known = {0};
	struct buf text;

	(void)unused;
	buf_init(&text, 1 << 20);
	known.words = words_new(1);
	for (int round = 0; round < 20; round++) {
		buf_clear(&text);
		buf_add_str(&text,
			"{\"token\":\" the same\",\"logprob\":-1,\"top_logprobs\":[");
		for (int j = 0; j < MOST; j++)
			buf_printf(&text,
				"%s{\"token\":\"%cthe sam%c\",\"logprob\":-1.5}",
				j ? "," : "", below(8) ? ' ' : 'a' + (int)below(26),
				below(8) ? 'e' : 'a' + (int)below(26));
		buf_add_str(&text, "]}");
		assert_int_equal(read_rows(&text, text.len, &plain), JT_OK);
		for (enum jrun_form form = JRUN_PORTABLE; form <= jrun_best(); form++) {
			jrun_force(form);
			assert_int_equal(read_rows(&text, text.len, &known), JT_OK);
			same(&plain, &known);
		}
	}
	jrun_force(jrun_best());
	words_free(known.words);
	rows_release(&plain);
	rows_release(&known);
	buf_release(&text);
}

static void numbers_are_those_of_strtod(void **unused)
{
	struct rows rows = {0};
	struct buf text, number;
	int n_read;

	(void)unused;
	buf_init(&text, 1 << 20);
	buf_init(&number, 1 << 10);
	rows.words = words_new(4);
	n_read = 0;
	for (int round = 0; round < 3000; round++) {
		double want[MOST];

		buf_clear(&text);
		buf_add_str(
			&text, "{\"token\":\"a\",\"logprob\":-1.5,\"top_logprobs\":[");
		for (int j = 0; j < MOST; j++) {
			do {
				buf_clear(&number);
				put_number(&number);
				buf_add(&number, "", 1);
			} while (number.data[0] == 'n');
			want[j] = strtod((const char *)number.data, NULL);
			buf_add_str(&text, j ? "," : "");
			buf_add_str(&text, "{\"token\":\"a\",\"logprob\":");
			buf_add(&text, number.data, number.len - 1);
			buf_add_str(&text, "}");
		}
		buf_add_str(&text, "]}");
		for (enum jrun_form form = JRUN_PORTABLE; form <= jrun_best(); form++) {
			jrun_force(form);
			if (read_rows(&text, text.len, &rows) == JT_BAD)
				continue; /* "-00.5", "-12." */
			n_read++;
			assert_int_equal(rows.m, MOST);
			assert_memory_equal(rows.cand_logprob, want, sizeof(want));
		}
	}
	assert_true(n_read > 500);
	jrun_force(jrun_best());
	words_free(rows.words);
	rows_release(&rows);
	buf_release(&text);
	buf_release(&number);
}

/* Four are written at once, of which there may be fewer: not behind the last place. */
static void numbers_stay_in_their_array(void **unused)
{
	struct rows rows = {0};
	struct buf text;

	(void)unused;
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buf_add_str(&text,
			i ? ",{\"token\":\"a\",\"logprob\":-1.5,\"top_logprobs\":["
			    "{\"token\":\"a\",\"logprob\":-1.5},"
			    "{\"token\":\"a\",\"logprob\":-2.25}]}"
			  : "{\"token\":\"a\",\"logprob\":-1.5,\"top_logprobs\":[]}");
	rows.words = words_new(4);
	assert_int_equal(read_rows_of(&text, text.len, 1, &rows), JT_OK);
	assert_int_equal(rows.m, 2 * 999);
	for (uint32_t i = 0; i < rows.m; i++)
		assert_true(rows.cand_logprob[i] == (i % 2 ? -2.25 : -1.5));
	words_free(rows.words);
	rows_release(&rows);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_ways_read_the_same),
		cmocka_unit_test(what_stands_before_the_brace_counts),
		cmocka_unit_test(a_word_is_all_of_its_text),
		cmocka_unit_test(numbers_are_those_of_strtod),
		cmocka_unit_test(numbers_stay_in_their_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
