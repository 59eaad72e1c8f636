/* SPDX-License-Identifier: Apache-2.0 */
#include "common/calibration.h"

#include <math.h>
#include <string.h>

#define NANO 1e-9
#define MIXTURE 100.0       /* r: where the bound is tightest */
#define FALSE_ALARM 0.00135 /* a: of each sum, over a whole run */
#define ROUNDING 0.002      /* of the tokens */
#define SURPRISE_OF_AN_END 0.2

static void add_part(struct calibration_part *to, const struct calibration_part *more)
{
	to->hits += more->hits;
	to->low += more->low;
	to->high += more->high;
	to->variance += more->variance;
}

void calibration_add(struct calibration *to, const struct calibration *more)
{
	to->tokens += more->tokens;
	to->open_ends += more->open_ends;
	add_part(&to->first, &more->first);
	add_part(&to->beyond, &more->beyond);
}

static const char *const state_names[] = {"not applicable", "too few", "ok", "broken"};

const char *calibration_state_name(enum calibration_state state)
{
	return (unsigned)state <= CALIBRATION_BROKEN ? state_names[state] : "?";
}

enum calibration_state calibration_state_by_name(const char *name)
{
	for (unsigned i = 0; i <= CALIBRATION_BROKEN; i++)
		if (strcmp(state_names[i], name) == 0)
			return (enum calibration_state)i;
	return CALIBRATION_NONE;
}

const char *calibration_use_name(enum calibration_use use)
{
	static const char *const names[CALIBRATION_USE_N] = {
		"logits", "", "logprobs_mode", "temperature", "sampling"};

	return (unsigned)use < CALIBRATION_USE_N ? names[use] : "?";
}

/* How far the hits are from what was expected. */
static double away(const struct calibration_part *p)
{
	double hits = (double)p->hits, low = (double)p->low * NANO,
	       high = (double)p->high * NANO;

	return hits > high ? hits - high : hits < low ? hits - low : 0;
}

/* True if it is further than chance takes an honest endpoint in a whole run. */
static bool is_broken(const struct calibration *c, const struct calibration_part *p)
{
	double sum = fabs(away(p)), v = (double)p->variance * NANO + MIXTURE;
	double slack = ROUNDING * (double)c->tokens +
		       SURPRISE_OF_AN_END * (double)c->open_ends;

	return sum > slack && sum * sum > v * (log(v / MIXTURE) - 2 * log(FALSE_ALARM));
}

static double z_of(const struct calibration_part *p)
{
	return p->variance ? away(p) / sqrt((double)p->variance * NANO) : (double)NAN;
}

struct calibration_verdict calibration_judge(const struct calibration *c, bool applies)
{
	struct calibration_verdict v = {
		.first_z = z_of(&c->first), .beyond_z = z_of(&c->beyond)};

	if (c->tokens < CALIBRATION_TOKENS) {
		v.state = c->tokens || applies ? CALIBRATION_FEW : CALIBRATION_NONE;
		return v;
	}
	v.first_broken = is_broken(c, &c->first);
	v.beyond_broken = is_broken(c, &c->beyond);
	v.state =
		v.first_broken || v.beyond_broken ? CALIBRATION_BROKEN : CALIBRATION_OK;
	return v;
}
