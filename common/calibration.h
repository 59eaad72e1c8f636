/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calibration.h - whether an endpoint's probabilities are those it samples by
 *
 * No truth is needed: if the numbers are right, the sampled token is the list's
 * first as often as the first's probabilities say, and is beyond the list's end
 * as often as what the list leaves over. Lists that belong to other rows, numbers
 * after another temperature, and candidates that were lost or merged break one of
 * the two. Workers sum over tokens (worker/calibrate.h), the coordinator adds the
 * workers' sums, and both are absolute, so that a lost or repeated report does no
 * harm.
 *
 * The test. Given what was said before, a token is the first with probability p,
 * so the sum S of (1 or 0) - p over any tokens is a martingale whose variance is
 * the sum V of p (1 - p), however answers depend on each other and wherever they
 * stop. z = S / sqrt(V) passes three sigma by chance sooner or later if one only
 * looks often enough, and we look with every report. So the bound is one for the
 * whole run (a normal mixture; Robbins 1970, Howard et al. 2021):
 *
 *     |S| > sqrt((V + r) (ln((V + r) / r) + 2 ln(1 / a))),     r = 100
 *
 * happens at any time of a run with a chance of at most a if p is right. With
 * a = 0.00135 for each of the two sums it is three sigma's 0.27 % over both. (For
 * 0/1 values that holds up to their skewness; tests/unit/test_calibration.c has
 * the rate over simulated runs.) In z it is 4.1 to 4.6 from V = 500 to V = 10^6.
 *
 * What no endpoint gets right is let pass: S must also be more than 0.2 % of the
 * tokens, since servers round, and more than a fifth of the answers whose end has
 * no row: that row is missing just when the end was drawn, which is seldom a
 * surprise.
 *
 * Pure.
 */
#ifndef RETORT_COMMON_CALIBRATION_H
#define RETORT_COMMON_CALIBRATION_H

#include <stdbool.h>
#include <stdint.h>

/* One of the two sums. Where only bounds of a probability are known, low is below
 * high. Probabilities are in units of 10^-9. */
struct calibration_part {
	uint64_t hits;
	uint64_t low, high; /* sums of p */
	uint64_t variance;  /* sum of p (1 - p) */
};

struct calibration {
	uint64_t tokens;                /* that were compared */
	uint64_t open_ends;             /* answers whose end has no row */
	struct calibration_part first;  /* the sampled token is the list's first */
	struct calibration_part beyond; /* it is none of the first k - 1 */
};

/* Fewer tokens are too few for a verdict. */
#define CALIBRATION_TOKENS 1000

void calibration_add(struct calibration *to, const struct calibration *more);

enum calibration_state {
	CALIBRATION_NONE, /* nothing can be compared: see calibration_use */
	CALIBRATION_FEW,
	CALIBRATION_OK,
	CALIBRATION_BROKEN
};
/* "not applicable", "too few", "ok", "broken". */
const char *calibration_state_name(enum calibration_state state);
/* CALIBRATION_NONE for what is no name. */
enum calibration_state calibration_state_by_name(const char *name);

struct calibration_verdict {
	enum calibration_state state;
	double first_z, beyond_z; /* 0 between the bounds; NaN: no variance yet */
	bool first_broken, beyond_broken;
};

/* `applies`: tokens will come to be compared. */
struct calibration_verdict calibration_judge(const struct calibration *c, bool applies);

/* Why an endpoint's answers are not compared. Numbers are on the wire. */
enum calibration_use {
	CALIBRATION_NO_LISTS, /* not two candidates a token were asked for */
	CALIBRATION_APPLIES,
	CALIBRATION_MODE,        /* logprobs_mode is unknown */
	CALIBRATION_TEMPERATURE, /* none was sent, it is 0, or above 1 and raw */
	CALIBRATION_CUTS,        /* top_p and others cut, or may cut, candidates off */
	CALIBRATION_USE_N
};
/* "logits", "", "logprobs_mode", "temperature", "sampling". */
const char *calibration_use_name(enum calibration_use use);

#endif
