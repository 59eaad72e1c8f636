/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <jansson.h>
#include <math.h>

#include "common/bytes.h"
#include "common/mem.h"
#include "store/logits.h"
#include "store/logits_code.h"

/* A capture whose arrays are on the heap. */
static void make_room(struct logits *l, uint32_t n, size_t m)
{
	l->n = n;
	l->id = mem_zalloc(n + 1, 4);
	l->logprob = mem_zalloc(n + 1, 4);
	l->tail = mem_zalloc(n + 1, 4);
	l->n_bytes = mem_zalloc(n + 1, 2);
	l->listed = mem_zalloc(n + 1, 2);
	l->ids = mem_zalloc(m + 1, 4);
	l->logprobs = mem_zalloc(m + 1, 4);
}

static void free_room(struct logits *l)
{
	free(l->id);
	free(l->logprob);
	free(l->tail);
	free(l->n_bytes);
	free(l->listed);
	free(l->ids);
	free(l->logprobs);
}

static double uniform(struct chance *c)
{
	return (double)(chance_next(c) >> 11) * 0x1p-53;
}

enum shape { EVEN, UNEVEN, WIDE_IDS, SHAPES };

/* Rows as a teacher gives them: falling logprobs, whose probabilities have a sum
 * below 1. Everything that may be absent is, here and there. */
static void random_logits(
	struct chance *c, uint32_t n, uint32_t k, enum shape shape, struct logits *l)
{
	*l = (struct logits){.k_asked = (uint16_t)k, .temperature = 0.7f};
	make_room(l, n, (size_t)n * k);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t listed = shape == EVEN ? k : (uint32_t)chance_below(c, k + 1);
		double logprob = 0, sum = 0;

		for (uint32_t j = 0; j < listed; j++) {
			uint32_t below = chance_below(c, 3)  ? 200
					 : shape == WIDE_IDS ? UINT32_MAX
							     : 150000;

			logprob -= j == 0 ? uniform(c) * 3 + 0.01
					  : (chance_below(c, 4) ? uniform(c) * 2 : 0);
			if (j == 1)
				logprob -= 1;
			l->ids[l->m] = (uint32_t)chance_below(c, below);
			l->logprobs[l->m++] = (float)logprob;
			sum += exp(logprob);
		}
		l->listed[i] = (uint16_t)listed;
		l->tail[i] = listed ? sum < 1 ? (float)(1 - sum) : 0 : NAN;
		l->id[i] = (uint32_t)chance_below(c, 150000);
		l->logprob[i] = -(float)uniform(c) * 20;
		if (listed && chance_below(c, 8)) {
			uint32_t at = (uint32_t)(uniform(c) * uniform(c) * listed);

			l->id[i] = l->ids[l->m - listed + at];
			if (chance_below(c, 8))
				l->logprob[i] = l->logprobs[l->m - listed + at];
		}
		if (chance_below(c, 20) == 0)
			l->id[i] = TOKEN_ID_UNKNOWN;
		if (chance_below(c, 20) == 0)
			l->logprob[i] = NAN;
		l->n_bytes[i] = chance_below(c, 9) ? (uint16_t)chance_below(c, 12)
						   : TOKEN_BYTES_UNKNOWN;
	}
}

static void assert_near(float got, float want, double error)
{
	if (isnan(want))
		assert_true(isnan(got));
	else
		assert_true(fabs((double)got - (double)want) <= error);
}

/* What came back is what was given: ids and counts equal, numbers within the
 * profile's error. */
static void assert_same(const struct logits *got, const struct logits *want)
{
	double error = logits_error(want->profile);

	assert_int_equal(got->n, want->n);
	assert_int_equal(got->m, want->m);
	assert_memory_equal(got->listed, want->listed, 2 * want->n);
	assert_memory_equal(got->n_bytes, want->n_bytes, 2 * want->n);
	assert_memory_equal(got->id, want->id, 4 * want->n);
	assert_memory_equal(got->ids, want->ids, 4 * (size_t)want->m);
	for (uint32_t i = 0; i < want->m; i++)
		assert_near(got->logprobs[i], want->logprobs[i], error);
	for (uint32_t i = 0; i < want->n; i++) {
		assert_near(got->logprob[i], want->logprob[i], error);
		if (want->tail[i] > 0)
			/* And what exp and its rounding to float32 add. */
			assert_true(fabs(log((double)got->tail[i]) -
					    log((double)want->tail[i])) <=
				    error + (error > 0 ? 1e-6 : 0));
		else
			assert_near(got->tail[i], want->tail[i], 0);
	}
}

static void logits__come_back_in_every_profile(void **state)
{
	static const uint32_t ks[] = {0, 1, 2, 5, 20, 64, 300};
	struct logits_encoder *e = logits_encoder_new();
	struct logits back = {0};
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 24);
	for (uint64_t round = 0; round < 240; round++) {
		struct chance chance = {round};
		struct logits l;
		struct err err;
		uint32_t k = ks[chance_below(&chance, 7)];
		uint32_t n = (uint32_t)chance_below(&chance, k > 64 ? 150 : 1200);

		random_logits(&chance, n, k, (enum shape)(round / 3 % SHAPES), &l);
		l.profile = (uint8_t)(round % 3);
		buf_clear(&out);
		logits_encode(e, &l, &out);
		if (logits_decode(buf_bytes(&out), &back, &err) != ERR_NONE)
			fail_msg("round %llu: %s", (unsigned long long)round, err.msg);
		assert_int_equal(back.profile, l.profile);
		assert_int_equal(back.k_asked, k);
		assert_same(&back, &l);
		if (l.profile == LOGITS_EXACT)
			assert_memory_equal(back.logprobs, l.logprobs, 4 * (size_t)l.m);
		free_room(&l);
	}
	logits_release(&back);
	logits_encoder_free(e);
	buf_release(&out);
}

/* Whatever bits a float32 has. */
static void exact__gives_any_float_back(void **state)
{
	float odd[] = {0.0f, -0.0f, 1e-45f, -1e-45f, -3.4e38f, -INFINITY, INFINITY,
		7.5f, -0.25f, -9999.0f};
	uint32_t ids[10] = {0};
	uint16_t n_bytes[10] = {0}, listed[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	float tail[10] = {0.0f, 1e-38f, 1.0f};
	struct logits l = {.n = 10,
		.m = 10,
		.id = ids,
		.logprob = odd,
		.tail = tail,
		.n_bytes = n_bytes,
		.listed = listed,
		.ids = ids,
		.logprobs = odd};
	struct logits back = {0};
	struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 4096);
	logits_encode(NULL, &l, &out);
	assert_int_equal(logits_decode(buf_bytes(&out), &back, &err), ERR_NONE);
	assert_memory_equal(back.logprobs, odd, sizeof(odd));
	assert_memory_equal(back.logprob, odd, sizeof(odd));
	assert_memory_equal(back.tail, tail, sizeof(tail));
	logits_release(&back);
	buf_release(&out);
}

static void number__has_a_symbol_and_comes_back(void **state)
{
	struct chance chance = {11};

	(void)state;
	for (unsigned s = 0; s < SYMBOLS; s++)
		assert_int_equal(number_code(symbol_base(s)).symbol, s);
	for (int i = 0; i < 100000; i++) {
		uint32_t x =
			(uint32_t)chance_next(&chance) >> chance_below(&chance, 32);
		struct number_code code;

		if (i < 64)
			x = i < 32 ? (uint32_t)i : UINT32_MAX - (uint32_t)(i - 32);
		code = number_code(x);
		assert_true(code.symbol < SYMBOLS);
		assert_int_equal(code.n_extra, symbol_extra(code.symbol));
		assert_true((uint64_t)code.extra >> code.n_extra == 0);
		assert_int_equal(symbol_base(code.symbol) + code.extra, x);
		assert_int_equal(unzigzag(zigzag(x)), x);
	}
}

static void logits_range__is_a_part_of_the_whole(void **state)
{
	struct chance chance = {5};
	struct logits l, all = {0}, part = {0}, head;
	struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 1 << 24);
	random_logits(&chance, 2000, 10, UNEVEN, &l);
	l.profile = LOGITS_FINE;
	logits_encode(NULL, &l, &out);
	assert_int_equal(logits_decode(buf_bytes(&out), &all, &err), ERR_NONE);
	assert_int_equal(logits_read_head(buf_bytes(&out), &head, &err), ERR_NONE);
	assert_int_equal(head.n, 2000);
	assert_int_equal(head.m, l.m);
	for (int i = 0; i < 60; i++) {
		uint32_t first = (uint32_t)chance_below(&chance, 2100);
		uint32_t n = (uint32_t)chance_below(&chance, i % 2 ? 2100 : 40);
		uint32_t want = first > 2000 ? 0 : n < 2000 - first ? n : 2000 - first;
		size_t at = 0;

		assert_int_equal(
			logits_decode_range(buf_bytes(&out), first, n, &part, &err),
			ERR_NONE);
		assert_int_equal(part.n, want);
		if (want == 0)
			continue;
		for (uint32_t r = 0; r < first; r++)
			at += all.listed[r];
		assert_memory_equal(part.id, all.id + first, 4 * want);
		assert_memory_equal(part.listed, all.listed + first, 2 * want);
		assert_memory_equal(part.n_bytes, all.n_bytes + first, 2 * want);
		assert_memory_equal(part.tail, all.tail + first, 4 * want);
		assert_memory_equal(part.ids, all.ids + at, 4 * (size_t)part.m);
		assert_memory_equal(
			part.logprobs, all.logprobs + at, 4 * (size_t)part.m);
	}
	logits_release(&all);
	logits_release(&part);
	free_room(&l);
	buf_release(&out);
}

/* Thinned, each row has the fewest candidates that reach the mass, or keep_k; the
 * tail has what was dropped; the sampled token is there still. */
static void check_thinned(const struct logits *l, const struct logits *back)
{
	size_t from = 0, to = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		double before = 0, sum = 0, tail;
		uint32_t kept = back->listed[i];

		for (uint32_t k = 0; k < kept; k++) {
			before = sum;
			sum += exp((double)l->logprobs[from + k]);
			assert_int_equal(back->ids[to + k], l->ids[from + k]);
			assert_true(back->logprobs[to + k] == l->logprobs[from + k]);
		}
		assert_int_equal(kept > 0, l->listed[i] > 0);
		assert_true(l->keep_k == 0 || kept <= l->keep_k);
		if (l->keep_mass > 0 && kept > 1)
			assert_true(before < (double)l->keep_mass);
		if (kept < l->listed[i] && kept != l->keep_k)
			assert_true(sum >= (double)l->keep_mass);
		tail = kept < l->listed[i] ? 1 - sum : (double)l->tail[i];
		if (kept > 0)
			assert_true(fabs((double)back->tail[i] - fmax(tail, 0)) < 1e-6);
		assert_int_equal(back->id[i], l->id[i]);
		assert_near(back->logprob[i], l->logprob[i], 0);
		from += l->listed[i];
		to += kept;
	}
	assert_int_equal(back->m, to);
}

static void logits__keep_what_is_asked_for(void **state)
{
	static const struct {
		uint16_t k;
		float mass;
	} cases[] = {{8, 0}, {1, 0}, {0, 0.9f}, {0, 0.999f}, {3, 0.5f}, {1000, 1.0f}};
	struct logits back = {0};
	struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 1 << 24);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct chance chance = {i};
		struct logits l;

		random_logits(&chance, 400, 20, UNEVEN, &l);
		l.keep_k = cases[i].k;
		l.keep_mass = cases[i].mass;
		buf_clear(&out);
		logits_encode(NULL, &l, &out);
		assert_int_equal(logits_decode(buf_bytes(&out), &back, &err), ERR_NONE);
		assert_int_equal(back.keep_k, cases[i].k);
		assert_true(back.keep_mass == cases[i].mass);
		check_thinned(&l, &back);
		if (i == 0 || i == 3)
			assert_true(back.m < l.m && back.m > 0);
		free_room(&l);
	}
	logits_release(&back);
	buf_release(&out);
}

/* Cut anywhere, or with a byte changed: refused, or other rows, never more. */
static void logits__refuse_what_does_not_add_up(void **state)
{
	struct chance chance = {5};
	struct logits l, back = {0};
	struct buf out;
	struct err err;
	int refused = 0;

	(void)state;
	buf_init(&out, 1 << 20);
	random_logits(&chance, 700, 10, UNEVEN, &l);
	logits_encode(NULL, &l, &out);
	for (size_t cut = 0; cut < out.len; cut += 7)
		assert_int_equal(logits_decode(bytes_of(out.data, cut), &back, &err),
			ERR_CORRUPT);
	for (int i = 0; i < 2000; i++) {
		size_t at = chance_below(&chance, i % 2 ? 80 : out.len);
		unsigned char was = out.data[at];

		out.data[at] ^= (unsigned char)(1 + chance_below(&chance, 255));
		/* Not a gigabyte of rows. */
		if (out.data[22] == 0 && out.data[23] == 0 && out.data[26] == 0 &&
			out.data[27] == 0)
			refused +=
				logits_decode(buf_bytes(&out), &back, &err) != ERR_NONE;
		out.data[at] = was;
	}
	assert_true(refused > 500);
	out.data[20] ^= 1; /* n */
	assert_int_equal(logits_decode(buf_bytes(&out), &back, &err), ERR_CORRUPT);
	out.data[23] = 0xff; /* more than anybody can ask for */
	assert_int_equal(logits_decode(buf_bytes(&out), &back, &err), ERR_CORRUPT);
	out.data[0] = 2; /* a version of before */
	assert_int_equal(logits_decode(buf_bytes(&out), &back, &err), ERR_CORRUPT);
	logits_release(&back);
	free_room(&l);
	buf_release(&out);
}

/* Symbols of places begin with one that there is, or behind them. */
static void logits__have_no_place_from_nowhere(void **state)
{
	static const uint32_t firsts[] = {
		257, 1u << 30, 1u << 31, UINT32_MAX - 7, UINT32_MAX};
	struct chance chance = {9};
	struct logits l, back = {0};
	struct buf out, other;
	struct err err;
	size_t at = LOGITS_HEAD + 4, behind;

	(void)state;
	buf_init(&out, 1 << 20);
	buf_init(&other, 1 << 20);
	random_logits(&chance, 60, 10, EVEN, &l);
	logits_encode(NULL, &l, &out);
	/* Candidates, those of the first row, places; then the first one's symbol. */
	for (int i = 0; i < 3; i++)
		while (out.data[at++] & 0x80)
			;
	for (behind = at; out.data[behind++] & 0x80;)
		;
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		uint32_t left = firsts[i];

		buf_clear(&other);
		buf_add(&other, out.data, at);
		for (; left >= 0x80; left >>= 7)
			buf_add_byte(&other, (unsigned char)(left | 0x80));
		buf_add_byte(&other, (unsigned char)left);
		buf_add(&other, out.data + behind, out.len - behind);
		put_u32(other.data + LOGITS_HEAD,
			(uint32_t)(other.len - LOGITS_HEAD - 4));
		assert_int_equal(
			logits_decode(buf_bytes(&other), &back, &err), ERR_CORRUPT);
	}
	assert_int_equal(logits_decode(buf_bytes(&out), &back, &err), ERR_NONE);
	logits_release(&back);
	free_room(&l);
	buf_release(&out);
	buf_release(&other);
}

static unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void read_hex(json_t *lines, struct buf *out)
{
	json_t *line;
	size_t i;

	buf_clear(out);
	json_array_foreach(lines, i, line)
		for (const char *p = json_string_value(line); *p; p += 2)
			buf_add_byte(out, (unsigned char)(hex_digit(p[0]) << 4 |
							  hex_digit(p[1])));
}

static void assert_floats(json_t *want, const float *got)
{
	json_t *one;
	size_t i;

	json_array_foreach(want, i, one) {
		if (json_is_null(one))
			assert_true(isnan(got[i]));
		else
			assert_true(got[i] == (float)json_number_value(one));
	}
}

/* `unknown` stands for null. */
static void assert_number(json_t *want, uint32_t got, uint32_t unknown)
{
	assert_int_equal(
		got, json_is_null(want) ? unknown : (uint32_t)json_integer_value(want));
}

static void check_vector(json_t *v, const struct logits *l)
{
	json_t *ids = json_object_get(v, "token_ids");
	size_t candidate = 0, i, k;
	json_t *one, *id;

	assert_int_equal(l->n, json_array_size(ids));
	assert_int_equal(l->profile, json_integer_value(json_object_get(v, "profile")));
	assert_int_equal(l->keep_k, json_integer_value(json_object_get(v, "keep_k")));
	assert_int_equal(
		l->vocabulary, json_integer_value(json_object_get(v, "vocabulary")));
	json_array_foreach(ids, i, one)
		assert_number(one, l->id[i], TOKEN_ID_UNKNOWN);
	json_array_foreach(json_object_get(v, "n_bytes"), i, one)
		assert_number(one, l->n_bytes[i], TOKEN_BYTES_UNKNOWN);
	assert_floats(json_object_get(v, "logprobs"), l->logprob);
	assert_floats(json_object_get(v, "tail_mass"), l->tail);
	json_array_foreach(json_object_get(v, "top_ids"), i, one) {
		assert_int_equal(l->listed[i], json_array_size(one));
		assert_floats(json_array_get(json_object_get(v, "top_logprobs"), i),
			l->logprobs + candidate);
		json_array_foreach(one, k, id)
			assert_number(id, l->ids[candidate++], TOKEN_ID_UNKNOWN);
	}
	assert_int_equal(candidate, l->m);
}

/* The same file is read by tests/system/test_format_reader.py. */
static void logits__have_the_bytes_of_the_page(void **state)
{
	json_t *all = json_load_file(FORMAT_VECTORS, 0, NULL), *v;
	struct logits l = {0};
	struct buf hex, again;
	struct err err;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(all), 3);
	buf_init(&hex, 65536);
	buf_init(&again, 65536);
	json_array_foreach(all, i, v) {
		read_hex(json_object_get(v, "hex"), &hex);
		assert_int_equal(logits_decode(buf_bytes(&hex), &l, &err), ERR_NONE);
		check_vector(v, &l);
		/* Nothing is lost a second time. */
		buf_clear(&again);
		l.keep_k = 0;
		l.keep_mass = 0;
		logits_encode(NULL, &l, &again);
		assert_int_equal(logits_decode(buf_bytes(&again), &l, &err), ERR_NONE);
		l.keep_k = (uint16_t)json_integer_value(json_object_get(v, "keep_k"));
		check_vector(v, &l);
	}
	logits_release(&l);
	buf_release(&hex);
	buf_release(&again);
	json_decref(all);
}

/* Of the page's example, whose strings leave these bits of their last bytes. */
static void logits__fill_their_strings_with_zeros(void **state)
{
	static const struct {
		size_t from_end;
		unsigned used;                          /* bits of the byte */
	} last[] = {{1, 2}, {20, 4}, {21, 6}, {23, 7}}; /* extra, streams, codes */
	json_t *all = json_load_file(FORMAT_VECTORS, 0, NULL);
	struct logits l = {0};
	struct buf hex;
	struct err err;

	(void)state;
	buf_init(&hex, 65536);
	read_hex(json_object_get(json_array_get(all, 0), "hex"), &hex);
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		for (unsigned bit = last[i].used; bit < 8; bit++) {
			unsigned char *at = hex.data + hex.len - last[i].from_end;

			*at ^= (unsigned char)(1u << bit);
			assert_int_equal(
				logits_decode(buf_bytes(&hex), &l, &err), ERR_CORRUPT);
			*at ^= (unsigned char)(1u << bit);
			assert_int_equal(
				logits_decode(buf_bytes(&hex), &l, &err), ERR_NONE);
		}
	logits_release(&l);
	buf_release(&hex);
	json_decref(all);
}

static void logits__may_be_none_at_all(void **state)
{
	struct logits l = {.temperature = NAN, .profile = LOGITS_COMPACT}, back = {0};
	struct buf out, tight;
	struct err err;

	(void)state;
	buf_init(&out, 4096);
	logits_encode(NULL, &l, &out);
	assert_int_equal(out.len, LOGITS_HEAD);
	assert_int_equal(logits_decode(buf_bytes(&out), &back, &err), ERR_NONE);
	assert_int_equal(back.n, 0);
	assert_int_equal(back.m, 0);
	assert_true(isnan(back.temperature));
	assert_string_equal(logits_profile_name(back.profile), "compact");
	assert_string_equal(logits_profile_name(9), "unknown");
	logits_release(&back);
	buf_release(&out);
	/* A value that is larger than its buffer may get. */
	buf_init(&tight, 20);
	logits_encode(NULL, &l, &tight);
	assert_true(tight.over);
	buf_release(&tight);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number__has_a_symbol_and_comes_back),
		cmocka_unit_test(logits__have_the_bytes_of_the_page),
		cmocka_unit_test(logits__fill_their_strings_with_zeros),
		cmocka_unit_test(logits__come_back_in_every_profile),
		cmocka_unit_test(exact__gives_any_float_back),
		cmocka_unit_test(logits_range__is_a_part_of_the_whole),
		cmocka_unit_test(logits__keep_what_is_asked_for),
		cmocka_unit_test(logits__may_be_none_at_all),
		cmocka_unit_test(logits__refuse_what_does_not_add_up),
		cmocka_unit_test(logits__have_no_place_from_nowhere),
	};

	return cmocka_run_group_tests_name("logits", tests, NULL, NULL);
}
