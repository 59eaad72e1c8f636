/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "worker/spares.h"

struct answer {
	struct rows rows;
	struct buf raw;
};

static void begin(struct answer *a)
{
	*a = (struct answer){0};
	buf_init(&a->raw, 100);
}

/* As if one with candidates had been read. */
static void fill(struct answer *a)
{
	rows_clear(&a->rows);
	rows_grow(&a->rows);
	rows_grow_candidates(&a->rows);
	a->rows.n = a->rows.m = 1;
	buf_add_str(&a->rows.pool, "pool");
	buf_add_str(&a->raw, "raw");
}

static void end(struct answer *a)
{
	rows_release(&a->rows);
	buf_release(&a->raw);
}

static void what_came_back_last_is_lent_first(void **state)
{
	struct spares s = {0};
	struct answer a, b;
	uint32_t *of_a, *of_b;

	(void)state;
	begin(&a);
	begin(&b);
	fill(&a);
	fill(&b);
	of_a = a.rows.cand_id;
	of_b = b.rows.cand_id;
	spares_take_back(&s, &a.rows, &a.raw);
	spares_take_back(&s, &b.rows, &b.raw);
	assert_int_equal(s.n, 2);
	assert_null(a.rows.cand_id);
	assert_null(a.raw.data);
	assert_int_equal(a.rows.n + a.rows.m + a.raw.len, 0);
	assert_int_equal(a.raw.max, 100);
	spares_lend(&s, &a.rows, &a.raw);
	assert_ptr_equal(a.rows.cand_id, of_b);
	assert_int_equal(a.rows.n + a.rows.m + a.rows.pool.len + a.raw.len, 0);
	assert_int_equal(a.raw.max, 100);
	assert_true(a.raw.cap > 0);
	spares_lend(&s, &b.rows, &b.raw);
	assert_ptr_equal(b.rows.cand_id, of_a);
	assert_int_equal(s.n, 0);
	end(&a);
	end(&b);
	spares_release(&s);
}

static void what_holds_something_is_not_lent_over(void **state)
{
	struct spares s = {0};
	struct answer a, b;
	uint32_t *ids;

	(void)state;
	begin(&a);
	begin(&b);
	fill(&a);
	spares_lend(&s, &b.rows, &b.raw); /* there is none */
	assert_null(b.rows.cand_id);
	spares_take_back(&s, &a.rows, &a.raw);
	buf_add_str(&a.raw, "begun");
	spares_lend(&s, &a.rows, &a.raw);
	assert_int_equal(s.n, 1);
	assert_int_equal(a.raw.len, 5);
	fill(&b);
	ids = b.rows.cand_id;
	buf_clear(&b.raw);
	spares_lend(&s, &b.rows, &b.raw);
	assert_int_equal(s.n, 1);
	assert_ptr_equal(b.rows.cand_id, ids);
	assert_int_equal(b.rows.m, 1);
	end(&a);
	end(&b);
	spares_release(&s); /* and what nobody borrowed */
}

static void what_has_no_memory_is_not_taken_back(void **state)
{
	struct spares s = {0};
	struct answer a;

	(void)state;
	begin(&a);
	spares_take_back(&s, &a.rows, &a.raw);
	assert_int_equal(s.n, 0);
	fill(&a);
	for (int i = 0; i < 3; i++)
		spares_take_back(&s, &a.rows, &a.raw);
	assert_int_equal(s.n, 1);
	spares_lend(&s, &a.rows, &a.raw);
	assert_non_null(a.rows.cand_id);
	end(&a);
	spares_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_back_last_is_lent_first),
		cmocka_unit_test(what_holds_something_is_not_lent_over),
		cmocka_unit_test(what_has_no_memory_is_not_taken_back),
	};

	return cmocka_run_group_tests_name("spares", tests, NULL, NULL);
}
