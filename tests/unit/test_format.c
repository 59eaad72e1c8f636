/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as FORMAT.md has them: what is written here once must stay readable. */
#include "unit/unit.h"

#include <math.h>

#include "common/mem.h"
#include "common/text.h"
#include "store/dataset.h"
#include "store/offer.h"
#include "store/seal.h"

/* Hex with spaces, as it stands in a test. */
static size_t unhex(const char *hex, unsigned char *out)
{
	size_t n = 0;

	for (const char *p = hex; *p; p++) {
		if (*p == ' ')
			continue;
		assert_true(text_unhex(p, 2, &out[n++], 1));
		p++;
	}
	return n;
}

static void assert_hex(struct bytes got, const char *want)
{
	unsigned char bytes[1024];
	size_t n = unhex(want, bytes);

	assert_int_equal(got.len, n);
	assert_memory_equal(got.data, bytes, n);
}

static struct record a_record(void)
{
	struct record r = {.key = {0x0102030405060708, 9, 10, 0},
		.finish = FINISH_LENGTH,
		.flags = FLAG_TRUNCATED | FLAG_NO_USAGE,
		.shard = 0x11,
		.epoch = 0x12,
		.fingerprint = 0x1122334455667788,
		.settings = 3,
		.teacher = 4,
		.endpoint = 5,
		.created_at_ms = 1767225600123,
		.latency_ms = 250,
		.attempts = 2,
		.captures = 1,
		.seed = SEED_NONE,
		.prompt_tokens = 20,
		.cached_prompt_tokens = COUNT_UNKNOWN,
		.completion_tokens = 100,
		.reasoning_tokens = 60,
		.cost_nusd = 1500000,
		.wasted_nusd = -1,
		.wasted_prompt_tokens = 7,
		.wasted_completion_tokens = 8,
		.reasoning_len = 300,
		.content_len = 40,
		.n_tokens = 100,
		.reasoning = {1, 61},
		.content = {SPAN_UNKNOWN, SPAN_UNKNOWN},
		.eos_row = EOS_ROW_UNKNOWN,
		.logprobs_mode = LOGPROBS_RAW};

	for (int i = 0; i < SCORE_SLOTS; i++)
		r.score[i] = NAN;
	r.score[SCORE_LENGTH] = 1.0f;
	r.score[SCORE_ANSWER] = 0.5f;
	return r;
}

static const char record_hex[] =
	"01 03 0000 81000000"                                   /* 0 */
	"0807060504030201 09000000 0a000000"                    /* 8 */
	"1100000000000000 1200000000000000 8877665544332211"    /* 24 */
	"03000000 0400 0500 7ba8da769b010000"                   /* 48 */
	"fa000000 0200 0100 ffffffffffffffff"                   /* 64 */
	"14000000 ffffffff 64000000 3c000000"                   /* 80 */
	"60e3160000000000 ffffffffffffffff 07000000 08000000"   /* 96 */
	"2c010000 28000000 64000000 01000000 3d000000"          /* 120 */
	"ffffffff ffffffff 02 01 0000"                          /* 140 */
	"0000803f 0000c07f 0000c07f 0000c07f 0000c07f 0000c07f" /* 152 */
	"0000c07f 0000003f 0000c07f 0000c07f 0000c07f 0000c07f";

static void record__has_the_bytes_of_the_page(void **state)
{
	struct record r = a_record(), back;
	unsigned char out[RECORD_SIZE];
	struct err err;

	(void)state;
	record_encode(&r, out);
	assert_hex(bytes_of(out, sizeof(out)), record_hex);
	assert_int_equal(
		record_decode(bytes_of(out, sizeof(out)), &back, &err), ERR_NONE);
	assert_int_equal(back.key.prompt, r.key.prompt);
	assert_int_equal(back.key.revision, 10);
	assert_int_equal(back.created_at_ms, 1767225600123);
	assert_int_equal(back.reasoning.behind, 61);
	assert_true(isnan(back.score[SCORE_ENTROPY]));
	assert_true(back.score[SCORE_ANSWER] == 0.5f);
}

static void record__refuses_what_it_does_not_know(void **state)
{
	static const size_t at[] = {0, 1, 148, 149};
	struct record r = a_record();
	unsigned char out[RECORD_SIZE];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		record_encode(&r, out);
		out[at[i]] = 0x7f;
		assert_int_equal(record_decode(bytes_of(out, sizeof(out)), &r, &err),
			ERR_CORRUPT);
		r = a_record();
	}
	assert_int_equal(record_decode(bytes_of(out, 199), &r, &err), ERR_CORRUPT);
}

static void record__comes_back_whatever_it_holds(void **state)
{
	struct chance chance = {3};
	unsigned char in[RECORD_SIZE], out[RECORD_SIZE];
	struct record r;
	struct err err;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		for (size_t k = 0; k < sizeof(in); k++)
			in[k] = (unsigned char)chance_next(&chance);
		in[0] = 1;
		in[1] %= FINISH_N;
		in[7] &= 0x7f; /* the flag that is never stored */
		in[148] %= 3;
		in[149] %= 3;
		in[151] = 0;
		assert_int_equal(
			record_decode(bytes_of(in, sizeof(in)), &r, &err), ERR_NONE);
		record_encode(&r, out);
		/* Scores may be NaNs of any kind, and stay so. */
		assert_memory_equal(in, out, sizeof(in));
	}
}

static void fingerprint__is_of_normalised_texts(void **state)
{
	struct bytes none = bytes_of(NULL, 0), a = bytes_of("  Add\n\tBOTH ", 12),
		     b = bytes_of("add both", 8), c = bytes_of("addboth", 7);

	(void)state;
	assert_int_equal(record_fingerprint(none, none), 0);
	assert_int_equal(record_fingerprint(none, bytes_of(" \n", 2)), 0);
	assert_int_equal(record_fingerprint(none, a), record_fingerprint(none, b));
	assert_int_not_equal(record_fingerprint(none, b), record_fingerprint(b, none));
	assert_int_not_equal(record_fingerprint(none, b), record_fingerprint(none, c));
	/* XXH3-64 of: a zero byte, "add both". */
	assert_int_equal(record_fingerprint(none, b), 0xa636179e88f25b06u);
}

static void seal__has_the_bytes_of_the_page(void **state)
{
	unsigned char seal[SEAL_SIZE + 5] = "........value";
	struct bytes payload;
	struct err err;

	(void)state;
	seal_write(seal, "key", 3, "value", 5);
	assert_hex(bytes_of(seal, SEAL_SIZE), "05000000 8e11112e");
	assert_int_equal(
		seal_open("key", 3, bytes_of(seal, 13), &payload, &err), ERR_NONE);
	assert_bytes_equal(payload, "value");
	assert_int_equal(
		seal_open("kez", 3, bytes_of(seal, 13), &payload, &err), ERR_CORRUPT);
	assert_int_equal(
		seal_open("key", 3, bytes_of(seal, 12), &payload, &err), ERR_CORRUPT);
}

static void keys__sort_as_the_numbers_do(void **state)
{
	struct sample_key k = {0x0102, 3, 4, 5}, back;
	unsigned char out[SAMPLE_KEY_SIZE], pk[PROMPT_KEY_SIZE], vk[VOCAB_KEY_SIZE];

	(void)state;
	sample_key_write(out, &k);
	assert_hex(
		bytes_of(out, sizeof(out)), "0000000000000102 00000003 00000004 0005");
	back = sample_key_read(out);
	assert_int_equal(back.prompt, 0x0102);
	assert_int_equal(back.store, 5);
	prompt_key_write(pk, 7, 8, PROMPT_TOKEN_IDS);
	assert_hex(bytes_of(pk, sizeof(pk)), "0000000000000007 00000008 01");
	vocab_key_write(vk, vocabulary_number(2, 3, true), 9);
	assert_hex(bytes_of(vk, sizeof(vk)), "00020007 00000009");
}

static void sections__have_the_bytes_of_the_page(void **state)
{
	struct sections s = {0}, back;
	struct buf out;
	struct err err;

	(void)state;
	s.at[TEXT_STREAM] = bytes_of("0123456789abcdefXYZ", 19);
	s.at[TEXT_REASONING] = bytes_of("", 0);
	s.at[TEXT_CONTENT] = bytes_of("0123456789abcdef", 16);
	s.at[TEXT_MODEL] = bytes_of("m", 1);
	buf_init(&out, 4096);
	sections_encode(&s, true, &out);
	assert_hex(buf_bytes(&out), "01 00 13 30313233343536373839616263646566 58595a"
				    "02 00 00"
				    "03 01 00 10"
				    "08 00 01 6d");
	assert_int_equal(sections_decode(buf_bytes(&out), &back, &err), ERR_NONE);
	assert_bytes_equal(back.at[TEXT_CONTENT], "0123456789abcdef");
	assert_true(sections_has(&back, TEXT_REASONING));
	assert_int_equal(back.at[TEXT_REASONING].len, 0);
	assert_false(sections_has(&back, TEXT_REFUSAL));
	buf_release(&out);
}

static void sections__skip_kinds_of_later_writers(void **state)
{
	unsigned char in[64];
	size_t n = unhex("03 00 01 61  63 00 02 7878  10 00 00  05 00 00", in);
	struct sections s;
	struct err err;

	(void)state;
	assert_int_equal(sections_decode(bytes_of(in, n), &s, &err), ERR_NONE);
	assert_bytes_equal(s.at[TEXT_CONTENT], "a");
	assert_true(sections_has(&s, TEXT_REFUSAL));
}

static void sections__refuse_what_does_not_fit(void **state)
{
	static const char *const cases[] = {
		"03",                           /* no form */
		"03 02 00",                     /* an unknown form */
		"03 00",                        /* no length */
		"03 00 05 61",                  /* longer than what is left */
		"03 01 00 01",                  /* a span without a stream */
		"03 01 00 00",                  /* of nothing, likewise */
		"01 00 02 6161 03 01 01 02",    /* past the stream */
		"01 00 02 6161 03 01 03 00",    /* begins behind it */
		"03 00 00 03 00 00",            /* twice */
		"03 00 ffffffffffffffffffff01", /* a length of 70 bits */
		"03 00 80",                     /* a length that ends early */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned char in[64];
		size_t n = unhex(cases[i], in);
		struct sections s;
		struct err err;

		if (sections_decode(bytes_of(in, n), &s, &err) != ERR_CORRUPT)
			fail_msg("%s: decodes", cases[i]);
	}
}

static void sections__come_back(void **state)
{
	struct chance chance = {8};
	char text[SECTIONS_MAX][200];
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	for (int i = 0; i < 3000; i++) {
		struct sections s = {0}, back;
		struct err err;

		for (int kind = 1; kind < SECTIONS_MAX; kind++) {
			size_t len = chance_below(&chance, sizeof(text[0]));

			for (size_t k = 0; k < len; k++)
				text[kind][k] = (char)('a' + chance_below(&chance, 2));
			if (chance_below(&chance, 3))
				sections_set(&s, kind, bytes_of(text[kind], len));
		}
		/* Often a part of the stream, at its edges too. */
		if (sections_has(&s, TEXT_STREAM) && s.at[TEXT_STREAM].len > 20)
			sections_set(&s, TEXT_CONTENT,
				bytes_of(s.at[TEXT_STREAM].data +
						 chance_below(&chance, 3),
					s.at[TEXT_STREAM].len - 2));
		buf_clear(&out);
		sections_encode(&s, chance_below(&chance, 2), &out);
		assert_int_equal(
			sections_decode(buf_bytes(&out), &back, &err), ERR_NONE);
		for (int kind = 1; kind < SECTIONS_MAX; kind++) {
			assert_int_equal(
				sections_has(&s, kind), sections_has(&back, kind));
			assert_int_equal(s.at[kind].len, back.at[kind].len);
			if (s.at[kind].len)
				assert_memory_equal(s.at[kind].data, back.at[kind].data,
					s.at[kind].len);
		}
	}
	buf_release(&out);
}

static void varints__are_leb128(void **state)
{
	static const struct {
		uint64_t v;
		const char *hex;
	} cases[] = {{0, "00"}, {127, "7f"}, {128, "8001"}, {300, "ac02"},
		{INT64_MAX, "ffffffffffffffff7f"}};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes in;
		uint64_t v;

		buf_clear(&out);
		varint_add(&out, cases[i].v);
		assert_hex(buf_bytes(&out), cases[i].hex);
		in = buf_bytes(&out);
		assert_true(varint_take(&in, &v));
		assert_int_equal(v, cases[i].v);
		assert_int_equal(in.len, 0);
	}
	buf_release(&out);
}

static void offer__comes_back(void **state)
{
	struct offer o = {.head = a_record()}, back;
	struct bytes entries;
	struct vocab_entry entry;
	struct buf vocabulary, out;
	struct err err;
	bool bad;

	(void)state;
	buf_init(&vocabulary, 4096);
	buf_init(&out, 65536);
	vocab_entry_add(&vocabulary, 6, 7, bytes_of("tok", 3));
	vocab_entry_add(&vocabulary, 6, 8, bytes_of("", 0));
	o.head.captures = 1 | 4;
	o.text = bytes_of("text", 4);
	o.prompt = bytes_of("prompt", 6);
	o.logits[0] = bytes_of("l0", 2);
	o.logits[2] = bytes_of("l2", 2);
	o.vocabulary = buf_bytes(&vocabulary);
	offer_encode(&o, &out);
	assert_int_equal(offer_decode(buf_bytes(&out), &back, &err), ERR_NONE);
	assert_bytes_equal(back.text, "text");
	assert_bytes_equal(back.prompt, "prompt");
	assert_null(back.prompt_ids.data);
	assert_bytes_equal(back.logits[2], "l2");
	assert_null(back.logits[1].data);
	entries = back.vocabulary;
	assert_true(vocab_entry_take(&entries, &entry, &bad));
	assert_int_equal(entry.id, 7);
	assert_bytes_equal(entry.token, "tok");
	assert_true(vocab_entry_take(&entries, &entry, &bad));
	assert_int_equal(entry.token.len, 0);
	assert_false(vocab_entry_take(&entries, &entry, &bad));
	assert_false(bad);
	/* Every cut is an error: nothing is taken for a shorter offer. */
	for (size_t cut = 0; cut < out.len; cut++)
		assert_int_equal(offer_decode(bytes_of(out.data, cut), &back, &err),
			ERR_INVALID);
	buf_release(&vocabulary);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record__has_the_bytes_of_the_page),
		cmocka_unit_test(record__refuses_what_it_does_not_know),
		cmocka_unit_test(record__comes_back_whatever_it_holds),
		cmocka_unit_test(fingerprint__is_of_normalised_texts),
		cmocka_unit_test(seal__has_the_bytes_of_the_page),
		cmocka_unit_test(keys__sort_as_the_numbers_do),
		cmocka_unit_test(sections__have_the_bytes_of_the_page),
		cmocka_unit_test(sections__skip_kinds_of_later_writers),
		cmocka_unit_test(sections__refuse_what_does_not_fit),
		cmocka_unit_test(sections__come_back),
		cmocka_unit_test(varints__are_leb128),
		cmocka_unit_test(offer__comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
