/* SPDX-License-Identifier: Apache-2.0 */
/* Rate headers as vendors write them, and what is none. */
#include "unit/unit.h"

#include "worker/rate_headers.h"

/* 2026-01-01T00:00:00Z */
#define NEW_YEAR INT64_C(1767225600000)

static struct rate_told told;

static bool tell(const char *name, const char *value)
{
	return rate_told_header(&told, name, strlen(name), value);
}

static void openai(void **state)
{
	(void)state;
	rate_told_init(&told);
	assert_false(told.any);
	assert_true(tell("x-ratelimit-limit-requests", "10000"));
	assert_true(tell("x-ratelimit-limit-tokens", "30000000"));
	assert_true(tell("X-RateLimit-Reset-Requests", "6ms"));
	assert_false(told.any);
	assert_true(tell("x-ratelimit-remaining-requests", "9999"));
	assert_true(tell("x-ratelimit-remaining-tokens", "29999989"));
	assert_true(tell("x-ratelimit-reset-tokens", "6m0s"));
	assert_true(told.any);
	assert_true(told.of[TOLD_REQUESTS].limit == 10000);
	assert_true(told.of[TOLD_REQUESTS].remaining == 9999);
	assert_true(told.of[TOLD_TOKENS].remaining == 29999989);
	assert_int_equal(rate_told_reset(&told, TOLD_REQUESTS, 0), 6);
	assert_int_equal(rate_told_reset(&told, TOLD_TOKENS, 0), 360000);
	assert_int_equal(rate_told_reset(&told, TOLD_INPUT, 0), -1);
	assert_true(told.of[TOLD_INPUT].remaining < 0);
}

/* Seconds, and -1 for what it does not know. */
static void azure(void **state)
{
	(void)state;
	rate_told_init(&told);
	assert_true(tell("x-ratelimit-remaining-requests", "-1"));
	assert_false(told.any);
	assert_true(tell("x-ratelimit-remaining-tokens", "0"));
	assert_true(tell("x-ratelimit-reset-tokens", "12"));
	assert_true(told.any);
	assert_true(told.of[TOLD_REQUESTS].remaining < 0);
	assert_true(told.of[TOLD_TOKENS].remaining == 0);
	assert_int_equal(rate_told_reset(&told, TOLD_TOKENS, 0), 12000);
}

static void groq(void **state)
{
	(void)state;
	rate_told_init(&told);
	assert_true(tell("x-ratelimit-remaining-requests", "14370"));
	assert_true(tell("x-ratelimit-reset-requests", "2m59.56s"));
	assert_true(tell("x-ratelimit-reset-tokens", "7.66s"));
	assert_int_equal(rate_told_reset(&told, TOLD_REQUESTS, 0), 179560);
	assert_int_equal(rate_told_reset(&told, TOLD_TOKENS, 0), 7660);
}

/* A time, which is held against the server's own clock where it tells it. */
static void anthropic(void **state)
{
	(void)state;
	rate_told_init(&told);
	assert_true(tell("anthropic-ratelimit-requests-limit", "50"));
	assert_true(tell("anthropic-ratelimit-requests-remaining", "49"));
	assert_true(tell("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:30Z"));
	assert_true(tell("anthropic-ratelimit-input-tokens-remaining", "39000"));
	assert_true(tell(
		"anthropic-ratelimit-input-tokens-reset", "2026-01-01T01:00:12+01:00"));
	assert_true(tell("anthropic-ratelimit-output-tokens-limit", "8000"));
	assert_true(tell("anthropic-ratelimit-tokens-remaining", "47000"));
	assert_true(told.of[TOLD_REQUESTS].limit == 50);
	assert_true(told.of[TOLD_INPUT].remaining == 39000);
	assert_true(told.of[TOLD_OUTPUT].limit == 8000);
	assert_true(told.of[TOLD_TOKENS].remaining == 47000);
	assert_int_equal(rate_told_reset(&told, TOLD_REQUESTS, NEW_YEAR), 30000);
	assert_int_equal(rate_told_reset(&told, TOLD_INPUT, NEW_YEAR), 12000);
	/* It is over. */
	assert_int_equal(rate_told_reset(&told, TOLD_REQUESTS, NEW_YEAR + 99999), 0);
	/* Our clock is an hour late. */
	told.date_ms = NEW_YEAR + 10000;
	assert_int_equal(
		rate_told_reset(&told, TOLD_REQUESTS, NEW_YEAR - 3600000), 20000);
	/* So far away that it means something else. */
	told.date_ms = 0;
	assert_int_equal(rate_told_reset(&told, TOLD_REQUESTS, 1000), -1);
}

static void others_are_not_ours(void **state)
{
	static const char *const names[] = {"x-ratelimit", "x-ratelimit-limit",
		"x-ratelimit-remaining", "x-ratelimit-remaining-",
		"x-ratelimit-remaining-request", "x-ratelimit-remaining-requestss",
		"x-ratelimit-remaining-requests-", "x-ratelimit-used-requests",
		"x-ratelimit-remaining-requests-day", "anthropic-ratelimit-requests",
		"anthropic-ratelimit-remaining-requests",
		"anthropic-ratelimit-requests-resets", "ratelimit-remaining", "date",
		"x-request-id", "x", ""};

	(void)state;
	rate_told_init(&told);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(tell(names[i], "1"));
	assert_false(told.any);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {{"1s", 1000}, {"6m0s", 360000}, {"20ms", 20}, {"12ms", 12},
		{"1h2m3.5s", 3723500}, {"1m30.951s", 90951}, {"0s", 0}, {"500us", 1},
		{"1ms1\xc2\xb5s", 2}, {"3ns", 1}, {"36h0m0s", 129600000}, {"12", 12000},
		{"1.5", 1500}, {"0", 0},
		/* None. */
		{"", -1}, {"s", -1}, {"-1", -1}, {"-1s", -1}, {"1s2m", -1},
		{"1s1s", -1}, {"1d", -1}, {"1.s", -1}, {".5s", -1}, {"1 s", -1},
		{"1sx", -1}, {"1e3", -1}, {"0x10", -1}, {"nan", -1}, {"inf", -1},
		{"1m2", -1}, {"99999999999999999999999s", -1}, {"999999h", -1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(rate_duration(cases[i].text), cases[i].ms);
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {{"1970-01-01T00:00:00Z", 0}, {"2026-01-01T00:00:00Z", NEW_YEAR},
		{"2026-01-01t00:00:00.25z", NEW_YEAR + 250},
		{"2026-01-01T02:30:00+02:30", NEW_YEAR},
		{"2025-12-31T19:00:00-05:00", NEW_YEAR},
		{"2000-02-29T12:00:00Z", INT64_C(951825600000)},
		{"2100-03-01T00:00:00Z", INT64_C(4107542400000)},
		/* None. */
		{"", -1}, {"2026-01-01", -1}, {"2026-01-01T00:00:00", -1},
		{"2026-01-01 00:00:00Z", -1}, {"2026-13-01T00:00:00Z", -1},
		{"2026-00-01T00:00:00Z", -1}, {"2026-01-32T00:00:00Z", -1},
		{"2026-01-01T24:00:00Z", -1}, {"2026-01-01T00:60:00Z", -1},
		{"1969-12-31T23:59:59Z", -1}, {"2026-01-01T00:00:00Zx", -1},
		{"2026-01-01T00:00:00+1:00", -1}, {"2026-01-01T00:00:00+24:00", -1},
		{"2026-01-01T00:00:00+01:0", -1}, {"2026-01-01T00:00:00+", -1},
		{"1970-01-01T00:00:00+01:00", -1}, {"2026-1-01T00:00:00Z", -1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(rate_time(cases[i].text), cases[i].ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openai),
		cmocka_unit_test(azure),
		cmocka_unit_test(groq),
		cmocka_unit_test(anthropic),
		cmocka_unit_test(others_are_not_ours),
		cmocka_unit_test(durations),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests_name("rate_headers", tests, NULL, NULL);
}
