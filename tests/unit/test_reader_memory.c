/* SPDX-License-Identifier: Apache-2.0 */
/* What reading a large answer takes beyond what it yields. Linked so that all that
 * is allocated here and in our libraries passes through the functions below. */
#include "unit/unit.h"

#include <malloc.h>

#include "bench/answer_bodies.h"
#include "common/bytes.h"
#include "common/limits.h"
#include "common/mem.h"
#include "unit/base64_text.h"
#include "worker/openai_shape.h"
#include "worker/raw_shapes.h"
#include "worker/reader.h"

#define FEED KIB(16)
#define BEYOND_MAX MIB(1)
#define LARGE ((size_t)15000000)

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);

static size_t held, most;

/* More is held now; what has grown was never there twice. */
static void *count(void *memory)
{
	held += malloc_usable_size(memory);
	if (held > most)
		most = held;
	return memory;
}

void *__wrap_malloc(size_t size)
{
	return count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return count(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	held -= malloc_usable_size(old);
	return count(__real_realloc(old, size));
}

void __wrap_free(void *memory)
{
	held -= malloc_usable_size(memory);
	__real_free(memory);
}

/* The bytes of the answer's arrays and texts that are in use. */
static size_t used_by(const struct answer *a)
{
	const struct rows *r = &a->rows;
	size_t row = 4 * sizeof(uint32_t) + 2 * sizeof(uint16_t) + 3 * sizeof(double);
	size_t candidate = 3 * sizeof(uint32_t) + sizeof(double) + sizeof(uint16_t);

	return r->n * row + r->m * candidate + r->pool.len + a->content.text.len +
	       a->reasoning.text.len +
	       (a->token_ids.n + a->prompt_token_ids.n) * sizeof(uint32_t);
}

static void check_with(const char *name, const struct shape *shape,
	const struct answer_rules *rules, struct bytes body, uint32_t rows)
{
	struct answer a = {0};
	size_t before = held, kept, beyond;
	struct reader *reader;
	enum reason reason;

	most = held;
	reader = reader_new();
	reader_begin(reader, shape, rules, &a);
	for (size_t at = 0; at < body.len; at += FEED)
		if (!reader_feed(reader, body.data + at,
			    body.len - at < FEED ? body.len - at : FEED))
			break;
	reason = reader_end(reader);
	reader_free(reader);
	kept = held - before;
	beyond = most - before - kept;
	print_message("%s: %zu bytes, %zu kept, of which %zu are used, %zu beyond\n",
		name, body.len, kept, used_by(&a), beyond);
	assert_int_equal(reason, REASON_NONE);
	assert_int_equal(a.rows.n, rows);
	assert_true(beyond < BEYOND_MAX);
	/* Arrays grow to the double, the pool to the half more. */
	assert_true(kept < 2 * used_by(&a) + KIB(64));
	answer_release(&a);
	assert_int_equal(held, before);
}

static void check(const char *name, struct bytes body, uint32_t k, uint32_t rows)
{
	const struct answer_rules rules = {.top_logprobs = k, .body_max = LIMIT_BODY};

	check_with(name, &openai_shape, &rules, body, rows);
}

static void reader__takes_little_beyond_what_it_yields(void **state)
{
	static const struct {
		const char *name;
		struct body_shape shape;
	} answers[] = {
		{"OpenAI", {BODY_OPENAI, true, false, 1000, 256}},
		{"vLLM", {BODY_VLLM, true, false, 520, 256}},
		{"llama.cpp", {BODY_LLAMACPP, true, false, 760, 256}},
		{"vLLM, spaced", {BODY_VLLM, true, true, 512, 256}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct buf body;

		buf_init(&body, LIMIT_BODY);
		answer_body(&body, &answers[i].shape);
		assert_true(body.len > LARGE);
		check(answers[i].name, buf_bytes(&body), 256,
			(uint32_t)answers[i].shape.tokens);
		buf_release(&body);
	}
}

/* Arrays in base64, of TRL's server, go into the rows as they come. */
static void reader__holds_no_array_of_numbers(void **state)
{
	enum { ROWS = 5400, K = 256 };
	static const char *const names[] = {"logprobs_b64", "token_ids_b64",
		"actual_logprobs_b64", "actual_token_ids_b64"};
	unsigned char *bytes = mem_alloc((size_t)ROWS * K * 4);
	struct buf body, given;
	struct answer_rules rules = {.top_logprobs = K,
		.body_max = LIMIT_BODY,
		.scored = true,
		.prompt_len = 1};

	(void)state;
	buf_init(&body, LIMIT_BODY);
	buf_init(&given, MIB(1));
	buf_add_str(&given, "[7");
	for (unsigned i = 0; i < ROWS; i++)
		buf_printf(&given, ",%u", i);
	buf_add_byte(&given, ']');
	rules.given = buf_bytes(&given);
	buf_add_byte(&body, '{');
	for (unsigned array = 0; array < 4; array++) {
		unsigned columns = array < 2 ? K : 1;

		for (unsigned i = 0; i < ROWS * columns; i++)
			if (array % 2 == 0)
				put_f32(bytes + 4 * (size_t)i,
					-1 - (float)(i % columns) / 8);
			else
				put_u32(bytes + 4 * (size_t)i,
					i / columns + i % columns);
		buf_printf(&body, "\"%s\":\"", names[array]);
		base64_text(&body, bytes, (size_t)ROWS * columns * 4);
		buf_add_str(&body, "\",");
	}
	buf_printf(&body, "\"shape\":[1,%d,%d],\"completion_lengths\":[%d]}", ROWS, K,
		ROWS);
	free(bytes);
	assert_true(body.len > LARGE - MIB(1));
	check_with("TRL", &trl_shape, &rules, buf_bytes(&body), ROWS);
	buf_release(&body);
	buf_release(&given);
}

/* However it arrives: all at once. */
static void reader__takes_arrays_whole_too(void **state)
{
	static const unsigned char zeros[3000];
	struct answer_rules rules = {.top_logprobs = 200,
		.body_max = LIMIT_BODY,
		.scored = true,
		.prompt_len = 1,
		.given = bytes_of("[7,9,9,9]", 9)};
	struct reader *reader = reader_new();
	struct answer a = {0};
	struct buf body;

	(void)state;
	buf_init(&body, MIB(4));
	buf_add_str(&body, "{\"logprobs_b64\":\"");
	for (int i = 0; i < 1000; i++)
		base64_text(&body, zeros, sizeof(zeros));
	buf_add_str(&body, "\"}");
	assert_int_equal(body.len > MIB(2), true);
	reader_begin(reader, &trl_shape, &rules, &a);
	reader_feed(reader, body.data, body.len);
	assert_int_equal(reader_end(reader), REASON_BAD_LOGPROBS);
	/* So many were asked for, and no more are kept. */
	assert_int_equal(a.rows.m, 3 * 201);
	reader_free(reader);
	answer_release(&a);
	buf_release(&body);
}

/* What nobody wants is not held either: nested, and one long string. */
static void reader__holds_nothing_of_what_it_skips(void **state)
{
	static const char *const members[][2] = {
		{"[", "{\"Ka\":[1,-2.5e3,null,\"x\\n\"]},"}, {"\"", "text \\u00e9 "}};
	static const char *const ends[] = {"0]", "\""};
	static const char answer[] =
		",\"choices\":[{\"index\":0,\"message\":{\"content\":\"a\"},"
		"\"finish_reason\":\"stop\"}]}";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct buf body;

		buf_init(&body, LIMIT_BODY);
		buf_add_str(&body, "{\"unknown\":");
		buf_add_str(&body, members[i][0]);
		while (body.len < LARGE)
			buf_add_str(&body, members[i][1]);
		buf_add_str(&body, ends[i]);
		buf_add_str(&body, answer);
		check(i ? "a skipped text" : "a skipped list", buf_bytes(&body), 1, 0);
		buf_release(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader__takes_little_beyond_what_it_yields),
		cmocka_unit_test(reader__holds_no_array_of_numbers),
		cmocka_unit_test(reader__takes_arrays_whole_too),
		cmocka_unit_test(reader__holds_nothing_of_what_it_skips),
	};

	return cmocka_run_group_tests_name("reader_memory", tests, NULL, NULL);
}
