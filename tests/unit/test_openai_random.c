/* SPDX-License-Identifier: Apache-2.0 */
/* Random answers, honest and with broken bytes, against jansson: the same verdict
 * on what is JSON, the same texts and numbers. */
#include "unit/unit.h"

#include <jansson.h>
#include <math.h>

#include "common/limits.h"
#include "worker/openai_shape.h"
#include "worker/reader.h"

#define K 5

/* Writing answers */

static struct chance chance;

static unsigned below(unsigned n)
{
	return (unsigned)chance_below(&chance, n);
}

/* White space where JSON allows some; mostly none. */
static void gap(struct buf *b)
{
	static const char *const gaps[] = {" ", "\n", "\t ", "\r\n  ", "  "};

	if (below(12) == 0)
		buf_add_str(b, gaps[below(5)]);
}

static void punctuation(struct buf *b, const char *c)
{
	gap(b);
	buf_add_str(b, c);
	gap(b);
}

/* A character of a JSON string, and what it means. */
static void put_character(struct buf *json, struct buf *means)
{
	static const char *const forms[][2] = {{"\\n", "\n"}, {"\\\"", "\""},
		{"\\\\", "\\"}, {"\\/", "/"}, {"\\t", "\t"}, {"\\u00e9", "\xc3\xa9"},
		{"\\u20AC", "\xe2\x82\xac"}, {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
		{"\xc3\xa9", "\xc3\xa9"}, {"\xe2\x82\xac", "\xe2\x82\xac"},
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"\xef\xbf\xbd", "\xef\xbf\xbd"}};
	unsigned which = below(60);

	if (which < sizeof(forms) / sizeof(forms[0])) {
		buf_add_str(json, forms[which][0]);
		buf_add_str(means, forms[which][1]);
	} else {
		unsigned char c =
			(unsigned char)("abcdefghijk LMNOP,:{}[]0123456789"[below(33)]);

		buf_add_byte(json, c);
		buf_add_byte(means, c);
	}
}

static void put_string(struct buf *json, struct buf *means, unsigned n)
{
	buf_clear(means);
	buf_add_byte(json, '"');
	for (unsigned i = 0; i < n; i++)
		put_character(json, means);
	buf_add_byte(json, '"');
}

static void put_value(struct buf *b, int depth)
{
	static const char *const simple[] = {
		"null", "true", "false", "0", "-1.5e3", "\"x\\u0041\"", "[]", "{}"};

	if (depth == 0 || below(3)) {
		buf_add_str(b, simple[below(8)]);
		return;
	}
	buf_add_str(b, below(2) ? "[" : "[[],");
	put_value(b, depth - 1);
	buf_add_str(b, ",{\"a\":");
	put_value(b, depth - 1);
	buf_add_str(b, "}]");
}

static void put_number(struct buf *b, double v)
{
	static const char *const forms[] = {
		"%.17g", "%.15g", "%.6g", "%.8e", "%.3f", "%.12f"};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	buf_printf(b, forms[below(6)], v);
#pragma GCC diagnostic pop
}

static void put_bytes(struct buf *b, struct bytes bytes)
{
	punctuation(b, "[");
	for (size_t i = 0; i < bytes.len; i++) {
		if (i > 0)
			punctuation(b, ",");
		buf_printf(b, "%u", bytes.data[i]);
	}
	gap(b);
	buf_add_str(b, "]");
}

/* The members of a token or candidate, in random order, some left out. */
static void put_members(struct buf *b, uint32_t id, double logprob, bool ids)
{
	struct buf means;
	unsigned order[4] = {0, 1, 2, 3}, n = 0;

	buf_init(&means, 4096);
	for (unsigned i = 3; i > 0 && below(3) == 0; i--) {
		unsigned j = below(i + 1), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	buf_add_str(&means, "?");
	for (unsigned i = 0; i < 4; i++) {
		unsigned which = order[i];

		if ((which == 2 && below(8) == 0) || (which == 3 && below(3)))
			continue;
		if (n++ > 0)
			punctuation(b, ",");
		if (which == 0) {
			buf_add_str(b, "\"token\"");
			punctuation(b, ":");
			if (ids)
				buf_printf(b, "\"token_id:%u\"", id);
			else
				put_string(b, &means, 1 + below(12));
		} else if (which == 1) {
			buf_add_str(b, "\"logprob\"");
			punctuation(b, ":");
			put_number(b, logprob);
		} else if (which == 2) {
			buf_add_str(b, "\"bytes\"");
			punctuation(b, ":");
			if (below(6) == 0)
				buf_add_str(b, "null");
			else
				put_bytes(b, buf_bytes(&means));
		} else {
			buf_add_str(b, "\"unknown\"");
			punctuation(b, ":");
			put_value(b, 2);
		}
	}
	buf_release(&means);
}

static void put_row(struct buf *b, bool ids)
{
	uint32_t id = below(200000);
	double logprob = -0.2 - below(1000) / 500.0, next = -4;

	buf_add_str(b, "{");
	put_members(b, id, logprob, ids);
	buf_add_str(b, ",\"top_logprobs\"");
	punctuation(b, ":");
	buf_add_str(b, "[");
	for (int j = 0; j < K; j++) {
		punctuation(b, j ? ",{" : "{");
		put_members(b, id + (uint32_t)j * 7 + 1, next, ids);
		gap(b);
		buf_add_str(b, "}");
		next -= 0.001 + below(1000) / 400.0;
	}
	buf_add_str(b, "]}");
}

static void put_answer(struct buf *b)
{
	struct buf means;
	bool ids = below(2);
	unsigned rows = below(6);

	buf_init(&means, MIB(1));
	buf_add_str(b, "{\"id\":\"c\",\"created\":");
	put_value(b, 3);
	buf_add_str(b, ",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
		       "\"content\":");
	put_string(b, &means, 1 + below(200));
	buf_add_str(b, "},\"logprobs\":{\"content\":[");
	for (unsigned i = 0; i < rows; i++) {
		punctuation(b, i ? "," : "");
		put_row(b, ids);
	}
	buf_printf(b,
		"]},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%u,"
		"\"completion_tokens\":%u}}",
		below(1000), rows);
	buf_release(&means);
}

/* Breaking them */

static void break_bytes(struct buf *b)
{
	for (unsigned n = 1 + below(3); n > 0 && b->len > 1; n--) {
		size_t at = below((unsigned)b->len), len = 1 + below(6);

		if (len > b->len - at)
			len = b->len - at;
		switch (below(6)) {
		case 0:
			b->data[at] = (unsigned char)below(256);
			break;
		case 1:
			b->data[at] ^= (unsigned char)(1u << below(8));
			break;
		case 2:
			memmove(b->data + at, b->data + at + len, b->len - at - len);
			b->len -= len;
			break;
		case 3:
			b->data[at] = (unsigned char)("\"{}[],:\\u0"[below(10)]);
			break;
		case 4:
			b->len = at + 1;
			break;
		default:
			buf_add_byte(b, b->data[at]);
			memmove(b->data + at + 1, b->data + at, b->len - at - 1);
			break;
		}
	}
}

/* Comparing */

struct candidate {
	double logprob;
	uint32_t id;
	size_t order;
};

static int by_rank(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->logprob != y->logprob)
		return x->logprob > y->logprob ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static uint32_t id_of(const json_t *entry)
{
	const char *token = json_string_value(json_object_get(entry, "token"));
	const json_t *id = json_object_get(entry, "id");
	unsigned n;
	int end = 0;

	if (json_is_integer(id))
		return (uint32_t)json_integer_value(id);
	/* Only as vLLM writes it. */
	if (token && sscanf(token, "token_id:%10u%n", &n, &end) == 1 && !token[end]) {
		char again[32];

		snprintf(again, sizeof(again), "token_id:%u", n);
		if (strcmp(again, token) == 0)
			return n;
	}
	return TOKEN_ID_UNKNOWN;
}

static double logprob_of(const json_t *entry)
{
	const json_t *v = json_object_get(entry, "logprob");
	double d = json_is_number(v) ? json_number_value(v) : (double)NAN;

	return d > -9999 ? d > 0 ? 0 : d : (double)NAN;
}

static void check_row(const struct rows *r, uint32_t i, const json_t *row)
{
	struct candidate want[4 * K];
	const json_t *list = json_object_get(row, "top_logprobs");
	size_t n = 0, index;
	json_t *entry;
	double own = logprob_of(row);

	assert_int_equal(r->id[i], id_of(row));
	if (!(json_array_size(list) == 0 && own == 0))
		assert_true(
			r->logprob[i] == own || (isnan(own) && isnan(r->logprob[i])));
	json_array_foreach(list, index, entry) {
		double logprob = logprob_of(entry);

		assert_true(n < sizeof(want) / sizeof(want[0]));
		if (!isnan(logprob))
			want[n++] = (struct candidate){logprob, id_of(entry), index};
	}
	qsort(want, n, sizeof(want[0]), by_rank);
	assert_int_equal(r->first[i + 1] - r->first[i], n);
	for (size_t j = 0; j < n; j++) {
		assert_true(r->cand_logprob[r->first[i] + j] == want[j].logprob);
		assert_int_equal(r->cand_id[r->first[i] + j], want[j].id);
	}
}

static void check_same(const struct answer *a, const json_t *root)
{
	const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
	const json_t *message = json_object_get(choice, "message");
	const json_t *content = json_object_get(message, "content");
	const json_t *usage = json_object_get(root, "usage");
	const json_t *count = json_object_get(usage, "completion_tokens"), *row;
	const json_t *list =
		json_object_get(json_object_get(choice, "logprobs"), "content");
	size_t i;

	assert_int_equal(a->content.present, json_is_string(content));
	if (json_is_string(content)) {
		assert_int_equal(a->content.text.len, json_string_length(content));
		assert_memory_equal(a->content.text.data, json_string_value(content),
			a->content.text.len);
	}
	assert_int_equal(a->usage.completion_tokens, count && !json_is_null(count)
							     ? json_integer_value(count)
							     : COUNT_UNKNOWN);
	assert_int_equal(a->rows.n, json_array_size(list));
	json_array_foreach(list, i, row)
		check_row(&a->rows, (uint32_t)i, row);
}

/* What jansson refuses and RFC 8259 does not, or what is refused here only in
 * objects that are known. */
static bool is_a_matter_of_taste(
	const char *text, size_t len, const json_error_t *error)
{
	json_error_t twice;
	json_t *root;

	/* jansson 2.14 reads over a NUL byte behind a number. */
	if (memchr(text, '\0', len) || strstr(error->text, "too big") ||
		strstr(error->text, "overflow") ||
		strstr(error->text, "NUL byte in object key"))
		return true;
	root = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	if (!root)
		return false;
	json_decref(root);
	root = json_loadb(text, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &twice);
	json_decref(root);
	return root == NULL;
}

static void check_body(
	struct reader *reader, const struct buf *body, size_t piece, struct answer *a)
{
	static const struct answer_rules rules = {
		.top_logprobs = K, .body_max = MIB(1)};
	json_error_t error = {.text = ""};
	json_t *root =
		json_loadb((const char *)body->data, body->len, JSON_ALLOW_NUL, &error);
	enum reason reason;
	bool is_json;

	reader_begin(reader, &openai_shape, &rules, a);
	for (size_t at = 0; at < body->len; at += piece)
		if (!reader_feed(reader, body->data + at,
			    body->len - at < piece ? body->len - at : piece))
			break;
	reason = reader_end(reader);
	is_json = reason != REASON_BODY_CUT && reason != REASON_BAD_JSON &&
		  reason != REASON_BODY_TOO_LONG;
	/* A document that is no object or list is none for jansson here. */
	if (is_json != (root != NULL) && reason != REASON_WRONG_SHAPE &&
		!is_a_matter_of_taste((const char *)body->data, body->len, &error)) {
		print_error("%s (%s), jansson: %s\n%.*s\n", reason_name(reason),
			a->why ? a->why : "", error.text, (int)body->len,
			(const char *)body->data);
		fail();
	}
	if (reason == REASON_NONE && root)
		check_same(a, root);
	json_decref(root);
}

static void run(uint64_t seed, int n, bool broken)
{
	struct reader *reader = reader_new();
	struct answer a = {0};
	struct buf body;
	int readable = 0;

	buf_init(&body, MIB(1));
	for (int i = 0; i < n; i++) {
		chance.state = seed + (uint64_t)i;
		buf_clear(&body);
		put_answer(&body);
		if (broken)
			break_bytes(&body);
		check_body(reader, &body, below(2) ? body.len : 1 + below(200), &a);
		readable += a.why == NULL;
	}
	/* The test means little if hardly anything is read. */
	assert_true(readable > (broken ? n / 50 : n * 9 / 10));
	buf_release(&body);
	answer_release(&a);
	reader_free(reader);
}

static void openai_answer__has_the_values_that_jansson_sees(void **state)
{
	(void)state;
	run(1, 1000, false);
}

static void openai_answer__is_json_when_jansson_says_so(void **state)
{
	(void)state;
	run(1000000, 6000, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openai_answer__has_the_values_that_jansson_sees),
		cmocka_unit_test(openai_answer__is_json_when_jansson_says_so),
	};

	return cmocka_run_group_tests_name("openai_random", tests, NULL, NULL);
}
