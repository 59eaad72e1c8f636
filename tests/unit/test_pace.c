/* SPDX-License-Identifier: Apache-2.0 */
/* Pacing against servers with a limit: few refusals, and next to nothing lost. */
#include "unit/unit.h"

#include "worker/pace.h"

static const struct pace_use one = {{[TOLD_REQUESTS] = 1}};

static struct rate_told told_of(double limit, double remaining, int64_t reset_ms)
{
	struct rate_told t;

	rate_told_init(&t);
	t.any = true;
	t.of[TOLD_REQUESTS] = (struct told_limit){limit, remaining, reset_ms, false};
	return t;
}

static struct rate_told nothing(void)
{
	struct rate_told t;

	rate_told_init(&t);
	return t;
}

static void hear(struct pace *p, struct rate_told told, double part, int64_t now_ms)
{
	pace_hear(p, &told, part, &one, false, 0, now_ms);
}

static unsigned burst(struct pace *p, int64_t now_ms)
{
	unsigned n = 0;

	for (; n < 100000 && pace_allows(p, true, n, now_ms); n++)
		pace_take(p);
	return n;
}

static void nothing_told_is_no_limit(void **state)
{
	struct pace p = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(pace_allows(&p, false, i, 5));
		pace_take(&p);
	}
	hear(&p, nothing(), 1, 6);
	assert_true(pace_allows(&p, false, 9, 7));
}

/* Where others have been told, one goes ahead. */
static void one_goes_ahead(void **state)
{
	struct pace p = {0};

	(void)state;
	assert_true(pace_allows(&p, true, 0, 5));
	pace_take(&p);
	assert_false(pace_allows(&p, true, 1, 5));
	hear(&p, told_of(1000, 999, 60), 1, 10);
	assert_true(pace_allows(&p, true, 1, 11));
}

static void nothing_left_is_waited_for(void **state)
{
	struct pace p = {0};

	(void)state;
	hear(&p, told_of(100, 0, 6000), 1, 1000);
	assert_int_equal(burst(&p, 1000), 0);
	assert_int_equal(burst(&p, 6999), 0);
	/* Then it is whole, and nothing more before an answer says so. */
	assert_int_equal(burst(&p, 7000), 100);
	assert_false(pace_allows(&p, true, 100, 99000));
	assert_true(pace_allows(&p, true, 0, 99000)); /* all were lost */
	/* Of an account that others use as well, our part. */
	p = (struct pace){0};
	hear(&p, told_of(100, 0, 6000), 0.25, 1000);
	assert_int_equal(burst(&p, 7000), 25);
}

static void what_is_left_is_spread(void **state)
{
	struct pace p = {0};
	unsigned n = 0;

	(void)state;
	hear(&p, told_of(100, 10, 10000), 1, 0);
	for (int64_t now = 0; now < 10000; now += 10)
		n += burst(&p, now);
	assert_in_range(n, 9, 11);
	/* Half of it, if half of the requests in flight are ours. */
	p = (struct pace){0};
	hear(&p, told_of(100, 10, 10000), 0.5, 0);
	n = 0;
	for (int64_t now = 0; now < 10000; now += 10)
		n += burst(&p, now);
	assert_in_range(n, 5, 6);
}

static void a_long_time_is_not_spread(void **state)
{
	struct pace p = {0};

	(void)state;
	/* 500 for the rest of the day. */
	hear(&p, told_of(1000, 500, 50000000), 1, 0);
	assert_int_equal(burst(&p, 0), 100000);
	/* They are gone: looked at once a minute. */
	hear(&p, told_of(1000, 0, 50000000), 1, 1000);
	assert_int_equal(burst(&p, 1000), 0);
	assert_int_equal(burst(&p, PACE_LOOK_MS + 999), 0);
	assert_int_equal(burst(&p, PACE_LOOK_MS + 1000), 1);
}

/* The slowest of all limits, in requests. */
static void tokens_count_as_requests(void **state)
{
	struct pace_use use = {{1, 500, 0, 100}};
	struct rate_told t = told_of(100, 100, 1000);
	struct pace p = {0};
	unsigned n = 0;

	(void)state;
	t.of[TOLD_TOKENS] = (struct told_limit){10000, 5000, 10000, false};
	t.of[TOLD_INPUT] =
		(struct told_limit){10000, 0, 10000, false}; /* unknown use */
	pace_hear(&p, &t, 1, &use, false, 0, 0);
	for (int64_t now = 0; now < 9999; now += 10)
		n += burst(&p, now);
	assert_in_range(n, 9, 11);
	t.of[TOLD_OUTPUT] = (struct told_limit){10000, 99, 10000, false};
	pace_hear(&p, &t, 1, &use, false, 0, 20000);
	assert_int_equal(burst(&p, 20000), 0);
}

static void silence_ends_it_and_failures_do_not(void **state)
{
	struct pace p = {0};
	struct rate_told t = nothing();

	(void)state;
	hear(&p, told_of(100, 0, 6000), 1, 0);
	pace_hear(&p, &t, 1, &one, true, 0, 10);
	assert_int_equal(burst(&p, 11), 0);
	pace_hear(&p, &t, 1, &one, false, 0, 20);
	assert_int_equal(burst(&p, 21), 100000);
	/* Used up, and not told for how long. */
	hear(&p, told_of(-1, 0, -1), 1, 0);
	assert_int_equal(burst(&p, 0), 0);
	assert_int_equal(burst(&p, 1000), 1);
}

/* A server whose limit fills all the time, or starts anew at fixed times. */
struct server {
	double limit, window_ms, level;
	bool fixed;
	int64_t at;
};

static bool serve(struct server *s, int64_t now, struct rate_told *out)
{
	bool ok;

	if (s->fixed && now / (int64_t)s->window_ms != s->at / (int64_t)s->window_ms)
		s->level = s->limit;
	if (!s->fixed)
		s->level += (double)(now - s->at) * s->limit / s->window_ms;
	if (s->level > s->limit)
		s->level = s->limit;
	s->at = now;
	ok = s->level >= 1;
	s->level -= ok;
	*out = told_of(s->limit, (double)(int64_t)s->level,
		s->fixed ? (int64_t)s->window_ms - now % (int64_t)s->window_ms
			 : (int64_t)((s->limit - s->level) * s->window_ms / s->limit));
	return ok;
}

#define WORKERS 4
#define IN_FLIGHT 25
#define LATENCY 700

struct run {
	unsigned served, refused;
};

/* Workers that ask as fast as they may, for ten windows. */
static struct run run(struct server *s, bool paced)
{
	struct pace p[WORKERS] = {{0}};
	struct {
		int64_t due;
		bool ok;
		struct rate_told told;
	} flight[WORKERS][IN_FLIGHT] = {0};
	unsigned n[WORKERS] = {0};
	struct run r = {0};

	for (int64_t now = 1; now < (int64_t)(10 * s->window_ms); now += 5)
		for (int w = 0; w < WORKERS; w++)
			for (int i = 0; i < IN_FLIGHT; i++) {
				if (flight[w][i].due > now)
					continue;
				if (flight[w][i].due > 0) {
					pace_hear(&p[w], &flight[w][i].told,
						1.0 / WORKERS, &one, !flight[w][i].ok,
						0, now);
					flight[w][i].due = 0;
					n[w]--;
				}
				if (paced && !pace_allows(&p[w], true, n[w], now))
					continue;
				pace_take(&p[w]);
				n[w]++;
				flight[w][i].ok = serve(s, now, &flight[w][i].told);
				r.served += flight[w][i].ok;
				r.refused += !flight[w][i].ok;
				flight[w][i].due = now + LATENCY;
			}
	return r;
}

static void a_fleet_is_hardly_refused(void **state)
{
	static const double limits[] = {60, 300, 600, 3000};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		for (int fixed = 0; fixed < 2; fixed++) {
			struct server s = {limits[i], 10000, limits[i], fixed, 0},
				      same = s;
			struct run with = run(&s, true), without = run(&same, false);
			double most = without.served;

			/* So many can ask for no more than 1428 in a window. */
			if (limits[i] < 1000) {
				assert_true(without.refused > without.served);
				assert_true(with.refused * 100 <= without.refused);
				assert_true(with.refused * 10 <= with.served);
			}
			assert_true(with.served >= 0.9 * most);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_told_is_no_limit),
		cmocka_unit_test(one_goes_ahead),
		cmocka_unit_test(nothing_left_is_waited_for),
		cmocka_unit_test(what_is_left_is_spread),
		cmocka_unit_test(a_long_time_is_not_spread),
		cmocka_unit_test(tokens_count_as_requests),
		cmocka_unit_test(silence_ends_it_and_failures_do_not),
		cmocka_unit_test(a_fleet_is_hardly_refused),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
