/* SPDX-License-Identifier: Apache-2.0 */
/* A sampled answer on its way past a teacher that scores it. */
#include "unit/unit.h"

#include <math.h>
#include <stdlib.h>

#include "store/sections.h"
#include "worker/scored.h"

/* An answer of the tokens of `text`, each a byte; ids from 100 on; no candidates. */
static void set_answer(struct answer *a, const char *text)
{
	static uint32_t prompt[] = {1, 2, 3};

	answer_clear(a);
	a->has_rows = true;
	for (size_t i = 0; text[i]; i++) {
		struct rows *r = &a->rows;

		rows_grow(r);
		r->id[r->n] = (uint32_t)(100 + i);
		r->logprob[r->n] = -1;
		r->token_at[r->n] = (uint32_t)r->pool.len;
		r->token_len[r->n] = 1;
		r->first[r->n] = r->first[r->n + 1] = 0;
		buf_add_byte(&r->pool, (unsigned char)text[i]);
		r->n++;
	}
	free(a->prompt_token_ids.at);
	a->prompt_token_ids = (struct answer_ids){
		.at = malloc(sizeof(prompt)), .n = 3, .cap = 3, .present = true};
	memcpy(a->prompt_token_ids.at, prompt, sizeof(prompt));
}

static void check_taken(
	const struct answer *a, bool misaligned, const char *why, const char *messages)
{
	struct scored_tokens t = {0};
	const char *got = scored_take(a, misaligned, &t);

	if (why) {
		assert_non_null(got);
		assert_string_equal(got, why);
	} else {
		assert_null(got);
		assert_string_equal(buf_text(&t.messages), messages);
	}
	scored_release(&t);
}

static void scored__takes_the_tokens_of_capture_0(void **state)
{
	uint32_t ids[] = {7, 8};
	struct answer a = {0};

	(void)state;
	set_answer(&a, "ab");
	check_taken(
		&a, false, NULL, "{\"input_ids\":[1,2,3,100,101],\"prompt_len\":3}");
	check_taken(&a, true, "misaligned", NULL);
	/* The end has an id and no row: capture 0 has the rows. */
	a.token_ids = (struct answer_ids){
		.at = malloc(sizeof(ids)), .n = 2, .cap = 2, .present = true};
	memcpy(a.token_ids.at, ids, sizeof(ids));
	check_taken(
		&a, false, NULL, "{\"input_ids\":[1,2,3,100,101],\"prompt_len\":3}");
	a.has_rows = false;
	check_taken(&a, false, NULL, "{\"input_ids\":[1,2,3,7,8],\"prompt_len\":3}");
	a.token_ids.present = false;
	check_taken(&a, false, "no_tokens", NULL);
	a.has_rows = true;
	a.rows.id[1] = TOKEN_ID_UNKNOWN;
	check_taken(&a, false, "no_token_ids", NULL);
	a.rows.id[1] = 5;
	a.prompt_token_ids.present = false;
	check_taken(&a, false, "no_prompt_token_ids", NULL);
	answer_release(&a);
}

static void scored__finds_other_tokens(void **state)
{
	static const struct {
		const char *sampled, *scored;
		bool fits, agrees;
	} cases[] = {
		{"abcd", "abcd", true, true},
		{"abcd", "abc", false, false},
		{"abcd", "abxy", true, false}, /* half of them */
		{"abcd", "axyz", false, false},
		/* Halves of characters have no text to compare. */
		{"\xc3\xa9", "xy", true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = {0}, b = {0};
		struct scored_tokens t = {0};

		set_answer(&a, cases[i].sampled);
		set_answer(&b, cases[i].scored);
		assert_null(scored_take(&a, false, &t));
		assert_int_equal(scored_contradicts(&t, &b) == NULL, cases[i].fits);
		if (cases[i].fits)
			assert_int_equal(scored_agrees(&t, &b), cases[i].agrees);
		/* What is not told contradicts nothing. */
		for (uint32_t k = 0; k < b.rows.n; k++)
			b.rows.token_len[k] = TOKEN_BYTES_UNKNOWN;
		assert_int_equal(
			scored_contradicts(&t, &b) == NULL, a.rows.n == b.rows.n);
		scored_release(&t);
		answer_release(&a);
		answer_release(&b);
	}
}

static void pack_text(struct packer *packer, struct buf *out)
{
	struct sections s = {0};
	struct buf raw;

	buf_init(&raw, 4096);
	sections_set(&s, TEXT_STREAM, bytes_of("the stream of this answer", 25));
	sections_set(&s, TEXT_CONTENT, bytes_of("stream of this answer", 21));
	sections_encode(&s, true, &raw);
	pack(packer, buf_bytes(&raw), out);
	buf_release(&raw);
}

static void scored__adds_to_an_offer(void **state)
{
	struct packer *packer = packer_new();
	struct offer o = {.head = {.captures = 1,
				  .wasted_nusd = 5,
				  .wasted_prompt_tokens = 6,
				  .wasted_completion_tokens = UINT32_MAX - 3}},
		     back;
	struct scored_addition add = {.logits[2] = bytes_of("capture", 7),
		.told = bytes_of("[1]", 3),
		.vocabulary = bytes_of("more", 4),
		.flags = FLAG_LOGITS_MISSING,
		.nusd = 10,
		.prompt_tokens = 20,
		.completion_tokens = 30};
	struct buf text, offer, whole, room;
	struct sections s;
	struct bytes raw;
	struct err err;

	(void)state;
	buf_init(&text, 4096);
	buf_init(&offer, 4096);
	buf_init(&whole, LIMIT_RECORD);
	buf_init(&room, 4096);
	pack_text(packer, &text);
	o.text = buf_bytes(&text);
	o.prompt = bytes_of("prompt", 6);
	o.logits[0] = bytes_of("own", 3);
	o.vocabulary = bytes_of("some", 4);
	offer_encode(&o, &offer);
	assert_true(scored_offer(packer, buf_bytes(&offer), &add, &whole));
	assert_int_equal(offer_decode(buf_bytes(&whole), &back, &err), ERR_NONE);
	assert_int_equal(back.head.captures, 1 | 4);
	assert_int_equal(back.head.flags, FLAG_LOGITS_MISSING);
	assert_int_equal(back.head.wasted_nusd, 15);
	assert_int_equal(back.head.wasted_prompt_tokens, 26);
	assert_int_equal(back.head.wasted_completion_tokens, COUNT_UNKNOWN - 1);
	assert_memory_equal(back.logits[0].data, "own", 3);
	assert_memory_equal(back.logits[2].data, "capture", 7);
	assert_null(back.logits[1].data);
	assert_int_equal(back.vocabulary.len, 8);
	assert_memory_equal(back.vocabulary.data, "somemore", 8);
	assert_int_equal(back.prompt.len, 6);
	assert_int_equal(unpack(packer, back.text, &room, &raw, &err), ERR_NONE);
	assert_int_equal(sections_decode(raw, &s, &err), ERR_NONE);
	assert_int_equal(s.at[TEXT_CONTENT].len, 21);
	assert_memory_equal(s.at[TEXT_SCORED].data, "[1]", 3);
	buf_release(&text);
	buf_release(&offer);
	buf_release(&whole);
	buf_release(&room);
	packer_free(packer);
}

/* A sample stays one message: the caller stores it without the captures. */
static void scored__says_when_it_is_too_large(void **state)
{
	struct packer *packer = packer_new();
	size_t len = LIMIT_RECORD - KIB(1);
	unsigned char *big = calloc(1, len);
	struct scored_addition add = {
		.logits[1] = bytes_of(big, len), .told = bytes_of("[]", 2)};
	struct offer o = {.head = {.captures = 1}};
	struct buf text, offer, whole;

	(void)state;
	buf_init(&text, 4096);
	buf_init(&offer, 2 * LIMIT_RECORD);
	buf_init(&whole, 2 * LIMIT_RECORD);
	pack_text(packer, &text);
	o.text = buf_bytes(&text);
	o.logits[0] = bytes_of(big, KIB(2));
	offer_encode(&o, &offer);
	buf_add_str(&whole, "kept");
	assert_false(scored_offer(packer, buf_bytes(&offer), &add, &whole));
	assert_string_equal(buf_text(&whole), "kept");
	assert_false(whole.over);
	buf_release(&text);
	buf_release(&offer);
	buf_release(&whole);
	free(big);
	packer_free(packer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scored__takes_the_tokens_of_capture_0),
		cmocka_unit_test(scored__finds_other_tokens),
		cmocka_unit_test(scored__adds_to_an_offer),
		cmocka_unit_test(scored__says_when_it_is_too_large),
	};

	return cmocka_run_group_tests_name("scored", tests, NULL, NULL);
}
