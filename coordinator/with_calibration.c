/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the workers' sums: a verdict on each endpoint, and an event when an
 * endpoint's probabilities are not those it samples by. */
#include <inttypes.h>
#include <math.h>

#include "common/log.h"
#include "coordinator/coordinator.h"

/* Why it is not applicable, or what of it is broken. */
static const char *why(const struct endpoint *e, const struct calibration_verdict *v)
{
	if (v->state == CALIBRATION_BROKEN)
		return v->first_broken ? "first" : "beyond";
	return v->state == CALIBRATION_NONE ? calibration_use_name(e->calibration_use)
					    : NULL;
}

/* A break is told once, and once that it is over. */
static void tell(struct coordinator *c, const struct endpoint *e,
	const struct calibration_verdict *v, uint64_t tokens)
{
	bool broken = v->state == CALIBRATION_BROKEN;

	ledger_event(c->l, "calibration", -1, -1,
		"%s %u: %s, z of the first %.1f, beyond the list %.1f, %" PRIu64
		" tokens",
		c->job.teacher[e->teacher].name, e->endpoint,
		calibration_state_name(v->state), v->first_z, v->beyond_z, tokens);
	log_line(broken ? LOG_WARN : LOG_INFO, "coordinator",
		broken ? "an endpoint does not sample by the probabilities that it tells"
		       : "an endpoint's probabilities are right again",
		"endpoint=%s first_z=%.1f beyond_z=%.1f tokens=%" PRIu64,
		log_quote(c->job.teacher[e->teacher].url[e->endpoint]).text, v->first_z,
		v->beyond_z, tokens);
}

/* What was broken is well again within three sigma, so that it does not go to and fro
 * at the bound. */
static void stay_broken(struct calibration_verdict *v)
{
	v->first_broken = fabs(v->first_z) > 3;
	v->beyond_broken = fabs(v->beyond_z) > 3;
	if (v->first_broken || v->beyond_broken)
		v->state = CALIBRATION_BROKEN;
}

static void judge(struct coordinator *c, struct endpoint *e)
{
	struct calibration sums;
	struct calibration_verdict v;
	bool was_broken = e->calibration == CALIBRATION_BROKEN;

	e->calibration_due = false;
	ledger_sum_calibration(c->l, e->teacher, e->endpoint, &sums);
	v = calibration_judge(&sums, e->calibration_use == CALIBRATION_APPLIES);
	if (was_broken && v.state == CALIBRATION_OK)
		stay_broken(&v);
	ledger_put_calibration(c->l, e->teacher, e->endpoint, &sums, &v, why(e, &v));
	e->calibration = v.state;
	if (was_broken != (v.state == CALIBRATION_BROKEN))
		tell(c, e, &v, sums.tokens);
}

void calibration_look(struct coordinator *c)
{
	for (size_t i = 0; i < c->n_endpoints; i++)
		if (c->endpoint[i].calibration_due)
			judge(c, &c->endpoint[i]);
}
