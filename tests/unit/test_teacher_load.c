/* SPDX-License-Identifier: Apache-2.0 */
/* The teacher as a server: slots and the line before them, attempts, and which
 * requests are struck by a fault. */
#include "unit/unit.h"

#include "deploy/teacher/attempts.h"
#include "deploy/teacher/faults.h"
#include "deploy/teacher/load.h"

static void load__first_come_first_served(void **state)
{
	struct load l = {.settings = {.slots = 2, .queue = 2}};
	struct turn t[6] = {0};

	(void)state;
	assert_int_equal(load_enter(&l, &t[0]), TURN_RUNS);
	assert_int_equal(load_enter(&l, &t[1]), TURN_RUNS);
	assert_int_equal(load_enter(&l, &t[2]), TURN_WAITS);
	assert_int_equal(load_enter(&l, &t[3]), TURN_WAITS);
	assert_int_equal(load_enter(&l, &t[4]), TURN_REFUSED);
	assert_ptr_equal(load_leave(&l, &t[1]), &t[2]);
	assert_int_equal(t[2].state, TURN_RUNS);
	assert_int_equal(load_enter(&l, &t[5]), TURN_WAITS);
	assert_null(load_leave(&l, &t[3])); /* gives up waiting */
	assert_null(load_leave(&l, &t[4])); /* was never in */
	assert_ptr_equal(load_leave(&l, &t[0]), &t[5]);
	assert_null(load_leave(&l, &t[5]));
	assert_null(load_leave(&l, &t[5])); /* twice does no harm */
	assert_null(load_leave(&l, &t[2]));
	assert_int_equal(l.n_running, 0);
	assert_int_equal(l.n_waiting, 0);
}

static void load__no_slots_means_any_number(void **state)
{
	struct load l = {.settings = {.slots = 0, .queue = 0}};
	struct turn t[100] = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(load_enter(&l, &t[i]), TURN_RUNS);
	for (int i = 0; i < 100; i++)
		assert_null(load_leave(&l, &t[i]));
	assert_int_equal(l.n_running, 0);
}

static void load__an_answer_takes_its_time(void **state)
{
	struct load l = {.settings = {.tokens_per_second = 50, .latency_us = 1000}};

	(void)state;
	assert_int_equal(load_delay_us(&l, 100), 2001000);
	l.settings = (struct load_settings){0};
	assert_int_equal(load_delay_us(&l, 100), 0);
}

/* Turns that come and go at random: never more run than there are slots, and
 * none waits while one is free. */
static void load__slots_are_never_idle(void **state)
{
	struct load l = {.settings = {.slots = 7, .queue = 20}};
	struct turn t[64] = {0};
	struct chance chance = {9};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct turn *one = &t[chance_below(&chance, 64)];

		if (one->state == TURN_NONE || one->state == TURN_REFUSED)
			load_enter(&l, one);
		else
			load_leave(&l, one);
		assert_in_range(l.n_running, 0, 7);
		assert_in_range(l.n_waiting, 0, 20);
		assert_true(l.n_waiting == 0 || l.n_running == 7);
	}
}

static void attempts__counts_each_key(void **state)
{
	struct attempts a = {0};

	(void)state;
	for (uint64_t round = 1; round <= 3; round++)
		for (uint64_t key = 0; key < 5000; key++)
			assert_int_equal(attempts_count(&a, key * 977), round);
	attempts_release(&a);
}

static void faults__strike_at_their_rates(void **state)
{
	struct fault_plan plan = {.seed = 1};
	unsigned cut = 0, reset = 0, n = 20000;
	struct err err;

	(void)state;
	assert_int_equal(
		fault_plan_read(&plan, "cut-length=0.1, reset=0.2", &err), ERR_NONE);
	for (unsigned i = 0; i < n; i++) {
		const struct fault *f = fault_plan_draw(&plan, i, 7, 1);

		cut += f && strcmp(f->name, "cut-length") == 0;
		reset += f && strcmp(f->name, "reset") == 0;
		assert_ptr_equal(f, fault_plan_draw(&plan, i, 7, 1));
	}
	assert_in_range(cut, 1800, 2200);
	assert_in_range(reset, 3700, 4300);
}

static void faults__another_attempt_is_another_draw(void **state)
{
	struct fault_plan plan = {.seed = 1};
	unsigned twice = 0;
	struct err err;

	(void)state;
	assert_int_equal(fault_plan_read(&plan, "html=0.5", &err), ERR_NONE);
	for (unsigned i = 0; i < 1000; i++)
		twice += fault_plan_draw(&plan, i, 7, 1) &&
			 fault_plan_draw(&plan, i, 7, 2);
	assert_in_range(twice, 180, 320);
	plan.attempts = 1;
	for (unsigned i = 0; i < 1000; i++)
		assert_null(fault_plan_draw(&plan, i, 7, 2));
}

static void faults__names_are_checked(void **state)
{
	struct fault_plan plan = {0};
	struct err err;

	(void)state;
	assert_int_equal(fault_plan_read(&plan, "cut-lenght=0.1", &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "did you mean 'cut-length'"));
	assert_int_equal(fault_plan_read(&plan, "html=1.5", &err), ERR_INVALID);
	assert_int_equal(fault_plan_read(&plan, "html=x", &err), ERR_INVALID);
	assert_int_equal(
		fault_plan_read(&plan, "html=0.6,gzip=0.6", &err), ERR_INVALID);
	assert_non_null(fault_find("status-529-html"));
	assert_null(fault_find("status-418-json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load__first_come_first_served),
		cmocka_unit_test(load__no_slots_means_any_number),
		cmocka_unit_test(load__an_answer_takes_its_time),
		cmocka_unit_test(load__slots_are_never_idle),
		cmocka_unit_test(attempts__counts_each_key),
		cmocka_unit_test(faults__strike_at_their_rates),
		cmocka_unit_test(faults__another_attempt_is_another_draw),
		cmocka_unit_test(faults__names_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
