/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calibrate.h - what an answer adds to its endpoint's calibration
 *
 * (common/calibration.h has the test itself.) Compared are the rows whose list
 * tells where the sampled token stands. Of a list the first c = k' - 1 count, k'
 * being how many the answer's rows list (at most k): a server that lists the
 * sampled token whether or not it belongs there (vLLM) puts it in the place of
 * the last, and the first c are the most likely ones in either case.
 *
 *   first   the sampled token is the first; its chance is the first's p
 *   beyond  it is none of the c; its chance is 1 - their sum
 *
 * Raw logprobs at another temperature T than 1: the chances are those of p^(1/T),
 * normalised over the whole vocabulary, of which only the list is known. What is
 * not listed has the mass left over, in tokens of at most the c-th's p, so that
 * its weight is between 0 and mass * p_c^(1/T - 1) if T < 1. For T > 1 there is no
 * such bound. Processed logprobs are after the temperature, whatever it was.
 *
 * Nothing can be said where candidates are cut off (top_p, top_k, min_p), weighed
 * otherwise (penalties, logit_bias) or forbidden (tools, grammars), nor of what was
 * given and is only scored. Such members are known by name. What is not sent is taken
 * to be off, but at servers that are known to cut by themselves: llama.cpp (top_k 40, top_p 0.95, min_p 0.05) and
 * Ollama (top_k 40, top_p 0.9, repeat_penalty 1.1) must be told not to. Another that
 * does so (vLLM takes defaults of the model's generation_config) shows as broken,
 * rightly.
 *
 * A token within an answer that got no row (rows_place.h) is missing because of what
 * it is, and however sure the row's list was. So it may be as wrong as can be: five
 * times what the end of an answer may be (common/calibration.h).
 *
 * Pure.
 */
#ifndef RETORT_WORKER_CALIBRATE_H
#define RETORT_WORKER_CALIBRATE_H

#include "common/calibration.h"
#include "common/job.h"
#include "common/overrides.h"
#include "worker/answer.h"

struct calibrate_terms {
	enum calibration_use use;
	double power; /* 1 / T, of the listed probabilities */
};

/* `server` as it was found out; `temperature` as it is sent (NaN: none); `own` is a
 * prompt's, or NULL. */
struct calibrate_terms calibrate_terms(const struct job *job,
	const struct job_teacher *teacher, enum job_server server,
	const struct overrides *own, double temperature);

/* Adds an answer, whose rows are in form (rows.h). `eos_row` as it was settled. */
void calibrate_add(struct calibration *to, const struct calibrate_terms *terms,
	const struct answer *answer, uint32_t k, enum eos_row eos_row);

#endif
