/* SPDX-License-Identifier: Apache-2.0 */
/* The calibration's test against endpoints whose chances are known: honest ones over
 * whole runs, looked at after every token, and dishonest ones. */
#include "unit/unit.h"

#include <math.h>

#include "common/calibration.h"

static double unit(struct chance *c)
{
	return (double)(chance_next(c) >> 11) * 0x1p-53;
}

static void add_token(struct calibration_part *p, double told, bool hit)
{
	uint64_t nano = (uint64_t)llround(told * 1e9);

	p->hits += hit;
	p->low += nano;
	p->high += nano;
	p->variance += (uint64_t)llround(told * (1 - told) * 1e9);
}

/* The first's chance as language models have it: mostly nearly certain, else above that
 * of all others. */
static double some_chance(struct chance *c)
{
	double u = unit(c);

	return u < 0.7 ? 1 - 0.02 * unit(c) : 0.5 + 0.45 * unit(c);
}

/* A token whose first has the chance p, and whose list lacks `left`. */
static void say_token(struct calibration *c, struct chance *chance, double p,
	double told, double left, double told_left)
{
	double u = unit(chance);

	c->tokens++;
	add_token(&c->first, told, u < p);
	add_token(&c->beyond, told_left, u >= 1 - left);
}

/* 2 000 honest runs of 5 000 tokens: at most 0.27 % may ever be called broken, so six
 * with luck neither good nor bad; 14 come with a chance below one in a thousand. Three
 * sigma at every look would call many times as many broken. */
static void calibration__hardly_ever_blames_an_honest_endpoint(void **state)
{
	unsigned blamed = 0, beyond_three = 0;
	struct chance chance = {5};

	(void)state;
	for (int run = 0; run < 2000; run++) {
		struct calibration c = {0};
		bool was_blamed = false, was_beyond = false;

		for (int i = 0; i < 5000; i++) {
			double p = some_chance(&chance), left = (1 - p) * 0.2;
			struct calibration_verdict v;

			say_token(&c, &chance, p, p, left, left);
			if (i % 50 != 49 || i < CALIBRATION_TOKENS)
				continue;
			v = calibration_judge(&c, true);
			was_blamed = was_blamed || v.state == CALIBRATION_BROKEN;
			was_beyond = was_beyond || fabs(v.first_z) > 3 ||
				     fabs(v.beyond_z) > 3;
		}
		blamed += was_blamed;
		beyond_three += was_beyond;
	}
	print_message("blamed: %u of 2000; beyond three sigma at some time: %u\n",
		blamed, beyond_three);
	assert_true(blamed <= 13);
	assert_true(beyond_three > 40);
}

/* How many tokens it takes until it is called broken; 0: it never is. */
static unsigned tokens_until_broken(
	uint64_t seed, double (*lie)(double p), double left_told, unsigned most)
{
	struct chance chance = {seed};
	struct calibration c = {0};

	for (unsigned i = 1; i <= most; i++) {
		double p = some_chance(&chance), left = (1 - p) * 0.2;

		say_token(&c, &chance, p, lie(p), left, left * left_told);
		if (calibration_judge(&c, true).state == CALIBRATION_BROKEN)
			return i;
	}
	return 0;
}

static double the_truth(double p)
{
	return p;
}

/* Two candidates, after a temperature of 0.7. */
static double warm(double p)
{
	double a = pow(p, 1 / 0.7), b = pow(1 - p, 1 / 0.7);

	return a / (a + b);
}

/* The chance that another token had. */
static double of_another(double p)
{
	static double last = 0.5;
	double was = last;

	last = p;
	return was * 0.2 + 0.05;
}

static void calibration__sees_lies(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		unsigned warmed = tokens_until_broken(seed, warm, 1, 20000);
		unsigned shifted = tokens_until_broken(seed, of_another, 1, 20000);
		unsigned dropped = tokens_until_broken(seed, the_truth, 4, 20000);
		unsigned honest = tokens_until_broken(seed, the_truth, 1, 20000);

		assert_true(warmed > 0);
		assert_int_equal(shifted, CALIBRATION_TOKENS); /* at once */
		assert_true(dropped > 0);
		assert_int_equal(honest, 0);
	}
}

static void calibration__says_when_it_cannot_say(void **state)
{
	struct calibration c = {0};

	(void)state;
	assert_int_equal(calibration_judge(&c, false).state, CALIBRATION_NONE);
	assert_int_equal(calibration_judge(&c, true).state, CALIBRATION_FEW);
	assert_true(isnan(calibration_judge(&c, true).first_z));
	c.tokens = CALIBRATION_TOKENS - 1;
	c.first = (struct calibration_part){999, 1000, 1000, 1000000};
	assert_int_equal(calibration_judge(&c, false).state, CALIBRATION_FEW);
	c.tokens++;
	assert_int_equal(calibration_judge(&c, false).state, CALIBRATION_BROKEN);
	assert_true(calibration_judge(&c, false).first_broken);
	assert_false(calibration_judge(&c, false).beyond_broken);
}

/* 10 000 tokens of which the first's chances sum to 5 000, by so many hits. */
static enum calibration_state with_hits(uint64_t hits, uint64_t ends)
{
	struct calibration c = {.tokens = 10000,
		.open_ends = ends,
		.first = {hits, 5000000000000, 5000000000000, 2500000000000}};

	return calibration_judge(&c, true).state;
}

static void calibration__has_bounds(void **state)
{
	struct calibration c = {.tokens = 100000,
		.first = {50000, 49000000000000, 51000000000000, 25000000000000}};

	(void)state;
	/* sqrt((2500 + 100) (ln 26 + 2 ln(1 / 0.00135))) = 206.95 */
	assert_int_equal(with_hits(5206, 0), CALIBRATION_OK);
	assert_int_equal(with_hits(5207, 0), CALIBRATION_BROKEN);
	assert_int_equal(with_hits(4794, 0), CALIBRATION_OK);
	assert_int_equal(with_hits(4793, 0), CALIBRATION_BROKEN);
	/* Ends without rows: 2 000 fifths. */
	assert_int_equal(with_hits(4600, 2000), CALIBRATION_OK);
	assert_int_equal(with_hits(4560, 2000), CALIBRATION_BROKEN);
	/* Between two bounds of a probability all is well. */
	assert_true(calibration_judge(&c, true).first_z == 0);
	c.first.hits = 51500;
	assert_true(calibration_judge(&c, true).first_z > 3);
	c.first.hits = 48500;
	assert_true(calibration_judge(&c, true).first_z < -3);
	/* Rounding: 0.2 % of ten million tokens, however many sigma that is. */
	c = (struct calibration){.tokens = 10000000,
		.first = {9019000, 9000000000000000, 9000000000000000, 9000000000}};
	assert_true(calibration_judge(&c, true).first_z > 1000);
	assert_int_equal(calibration_judge(&c, true).state, CALIBRATION_OK);
	c.first.hits = 9021000;
	assert_int_equal(calibration_judge(&c, true).state, CALIBRATION_BROKEN);
}

static void calibration__adds_and_names(void **state)
{
	struct calibration a = {1, 2, {3, 4, 5, 6}, {7, 8, 9, 10}}, b = a;

	(void)state;
	calibration_add(&a, &b);
	assert_int_equal(a.tokens, 2);
	assert_int_equal(a.open_ends, 4);
	assert_int_equal(a.first.hits, 6);
	assert_int_equal(a.first.low, 8);
	assert_int_equal(a.first.high, 10);
	assert_int_equal(a.first.variance, 12);
	assert_int_equal(a.beyond.hits, 14);
	assert_int_equal(a.beyond.variance, 20);
	for (unsigned i = 0; i <= CALIBRATION_BROKEN; i++)
		assert_int_equal(calibration_state_by_name(calibration_state_name(
					 (enum calibration_state)i)),
			i);
	assert_int_equal(calibration_state_by_name(""), CALIBRATION_NONE);
	assert_string_equal(calibration_use_name(CALIBRATION_CUTS), "sampling");
	assert_string_equal(calibration_use_name((enum calibration_use)77), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calibration__hardly_ever_blames_an_honest_endpoint),
		cmocka_unit_test(calibration__sees_lies),
		cmocka_unit_test(calibration__says_when_it_cannot_say),
		cmocka_unit_test(calibration__has_bounds),
		cmocka_unit_test(calibration__adds_and_names),
	};

	return cmocka_run_group_tests_name("calibration", tests, NULL, NULL);
}
