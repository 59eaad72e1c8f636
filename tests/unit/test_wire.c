/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/limits.h"
#include "common/wire.h"

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

/* One message of each type that has lists, and a few of the others. */
static size_t examples(struct wire out[32])
{
	static struct wire_lease lease[2] = {{1, 2, 3}, {4, 5, 6}};
	static struct wire_wanted wanted = {3, 1};
	static struct wire_prompt prompt[2];
	static struct wire_endpoint_beat beat = {.teacher = 1,
		.endpoint = 2,
		.state = 1,
		.in_flight = 7,
		.asked = 9,
		.cost_nusd = -4,
		.misaligned = {[MISALIGNED_ROWS] = 3, [MISALIGNED_SPANS] = 70000},
		.calibration_use = CALIBRATION_APPLIES,
		.calibration = {5, 6, {7, 8, 9, 10}, {11, 12, 13, UINT64_MAX}}};
	static struct wire_endpoint_order order = {
		1, 2, 3, 4, 5, true, true, PROBE_ASK, 6, true};
	static struct wire_shard_totals totals = {.shard = 9,
		.accepted = 3,
		.n_lines = 3,
		.committed = {1, 2, 3},
		.cost_nusd = 12345678901234};
	static struct wire_key key = {7, 8, 9};
	static struct wire_open_prompt open_prompt = {77, 5};
	static struct wire_dictionary dictionary = {
		1, {(const unsigned char *)"dict", 4}};
	static struct wire_put_item put = {
		1, 2, 3, 4, {(const unsigned char *)"offer", 5}};
	static struct wire_result_item result = {1, PUT_SAME};
	static struct wire_token token = {1, {(const unsigned char *)"\xf0\x9f", 2}};
	static uint32_t id = 42;
	static struct wire_table_token entry[2] = {
		{4, 0, {(const unsigned char *)" so", 3}},
		{8, 1, {(const unsigned char *)"", 0}}};
	static struct wire_table_fault fault = {3, 9};
	size_t n = 0;

	prompt[0] = (struct wire_prompt){.number = 12,
		.line = 3,
		.id = text("a"),
		.messages = text("[]"),
		.has_reference = true,
		.reference = text("r"),
		.n_wanted = 1,
		.wanted = &wanted};
	prompt[1] = (struct wire_prompt){.number = 13,
		.line = 4,
		.id = text("b"),
		.messages = text("[1]"),
		.has_extra = true,
		.extra = text("{}")};
	out[n++] = (struct wire){
		.type = WIRE_HELLO, .hello = {77, text("0.1"), text("w"), {2, lease}}};
	out[n++] = (struct wire){.type = WIRE_WHO};
	out[n++] = (struct wire){.type = WIRE_GRANT, .grant = {1, 2, 3, 4, 2, prompt}};
	out[n++] = (struct wire){.type = WIRE_BEAT, .beat = {{2, lease}, 1, &beat}};
	out[n++] = (struct wire){
		.type = WIRE_ORDERS, .orders = {{1, lease}, 1, &order, 1}};
	out[n++] = (struct wire){.type = WIRE_FAILED,
		.failed = {1, 2, 3, 4, {5, 6, 7}, 8, 9, 10, 11, 12, -13}};
	out[n++] = (struct wire){.type = WIRE_VERDICT,
		.verdict = {1, 2, text("{}"), 3, 4, 5, 6, -7, 1, &id}};
	out[n++] = (struct wire){.type = WIRE_TOTALS,
		.totals = {5, true, false, 99, 1, &totals, {1, &key}}};
	out[n++] = (struct wire){.type = WIRE_HAVE, .have = {5, {1, &key}}};
	out[n++] = (struct wire){
		.type = WIRE_OPEN, .open = {1, 2, 3, 4, 5, 6, 1, &open_prompt}};
	out[n++] = (struct wire){.type = WIRE_OPENED,
		.opened = {1, 2, 3, OPEN_FENCED, 4, {1, &key}, 1, &dictionary, 88}};
	out[n++] = (struct wire){.type = WIRE_PUT, .put = {1, &put}};
	out[n++] = (struct wire){.type = WIRE_RESULT, .result = {1, 2, 1, &result}};
	out[n++] = (struct wire){.type = WIRE_INTERN, .intern = {1, 2, 1, &token}};
	out[n++] = (struct wire){.type = WIRE_INTERNED, .interned = {1, 1, &id}};
	out[n++] = (struct wire){
		.type = WIRE_TABLE, .table = {6, 7, true, 9, 3, 1, 2, entry}};
	out[n++] = (struct wire){
		.type = WIRE_TABLE_AT, .table_at = {6, 7, 3, 1, 2, 1, &fault}};
	return n;
}

/* A later version's rule is passed over, not an error. */
static void beat__may_have_rules_that_we_do_not_know(void **state)
{
	struct wire_endpoint_beat e = {.misaligned = {[MISALIGNED_SUM] = 9}};
	struct wire w = {.type = WIRE_BEAT, .beat = {{0, NULL}, 1, &e}}, back;
	struct buf frame;
	unsigned char *at;
	struct err err;

	(void)state;
	buf_init(&frame, KIB(4));
	wire_encode(&w, &frame);
	assert_int_equal(wire_decode(buf_bytes(&frame), &back, &err), ERR_NONE);
	assert_int_equal(back.beat.endpoint[0].misaligned[MISALIGNED_SUM], 9);
	wire_release(&back);
	/* One rule, this one, and its count. */
	at = memmem(frame.data, frame.len, "\1\7\x9\0\0\0\0\0\0\0", 10);
	assert_non_null(at);
	for (unsigned rule = 0; rule < 256; rule++) {
		at[1] = (unsigned char)rule;
		assert_int_equal(wire_decode(buf_bytes(&frame), &back, &err), ERR_NONE);
		for (unsigned i = 0; i < MISALIGNED_N; i++)
			assert_int_equal(back.beat.endpoint[0].misaligned[i],
				i == rule && i > 0 ? 9 : 0);
		wire_release(&back);
	}
	buf_release(&frame);
}

static void wire__comes_back_as_it_went(void **state)
{
	struct wire all[32];
	size_t n = examples(all);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct buf frame, again;
		struct wire w;
		struct err err = {0};

		buf_init(&frame, MIB(1));
		buf_init(&again, MIB(1));
		wire_encode(&all[i], &frame);
		assert_false(frame.over);
		assert_int_equal(wire_decode(buf_bytes(&frame), &w, &err), ERR_NONE);
		wire_encode(&w, &again);
		assert_int_equal(frame.len, again.len);
		assert_memory_equal(frame.data, again.data, frame.len);
		if (w.type == WIRE_GRANT) {
			assert_int_equal(w.grant.n_prompts, 2);
			assert_int_equal(w.grant.prompt[0].wanted[0].revision, 1);
			assert_bytes_equal(w.grant.prompt[1].messages, "[1]");
		}
		wire_release(&w);
		/* Every shorter frame, and one with a byte too many, is refused. */
		for (size_t len = 0; len < frame.len; len++) {
			unsigned char *cut = malloc(len ? len : 1);

			memcpy(cut, frame.data, len);
			assert_int_not_equal(
				wire_decode(bytes_of(cut, len), &w, &err), ERR_NONE);
			free(cut);
		}
		buf_add_byte(&frame, 0);
		assert_int_equal(wire_decode(buf_bytes(&frame), &w, &err), ERR_INVALID);
		buf_release(&frame);
		buf_release(&again);
	}
}

static void wire__survives_any_bytes(void **state)
{
	struct wire all[32];
	size_t n = examples(all);
	struct chance c = {7};

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct buf frame;
		struct wire w;
		struct err err;

		buf_init(&frame, MIB(1));
		wire_encode(&all[chance_below(&c, n)], &frame);
		for (uint64_t k = 1 + chance_below(&c, 4); k > 0; k--)
			frame.data[3 + chance_below(&c, frame.len - 3)] =
				(unsigned char)chance_next(&c);
		if (wire_decode(buf_bytes(&frame), &w, &err) == ERR_NONE)
			wire_release(&w);
		buf_release(&frame);
	}
}

static void wire__refuses_another_version(void **state)
{
	struct wire w = {.type = WIRE_WHO};
	struct buf frame;
	struct err err = {0};

	(void)state;
	buf_init(&frame, 64);
	wire_encode(&w, &frame);
	frame.data[2] = 9;
	assert_int_equal(wire_decode(buf_bytes(&frame), &w, &err), ERR_REFUSED);
	buf_release(&frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire__comes_back_as_it_went),
		cmocka_unit_test(beat__may_have_rules_that_we_do_not_know),
		cmocka_unit_test(wire__survives_any_bytes),
		cmocka_unit_test(wire__refuses_another_version),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
