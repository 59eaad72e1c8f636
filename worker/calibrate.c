/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/calibrate.h"

#include <math.h>
#include <string.h>

#include "common/bytes.h"
#include "worker/rows_place.h"

/* Members of a request that change what is sampled, unless they have the value that
 * changes nothing. NAN: no value is known to be harmless. */
static const struct harmless {
	const char *name;
	double value;
	bool or_less; /* -1 for "none" */
} members[] = {
	{"top_p", 1, false},
	{"top_k", 0, true},
	{"min_p", 0, false},
	{"typical_p", 1, false},
	{"top_a", 0, false},
	{"tfs_z", 1, false},
	{"top_n_sigma", -1, false},
	{"xtc_probability", 0, false},
	{"mirostat", 0, false},
	{"dynatemp_range", 0, false},
	{"dry_multiplier", 0, false},
	{"presence_penalty", 0, false},
	{"frequency_penalty", 0, false},
	{"repetition_penalty", 1, false},
	{"repeat_penalty", 1, false},
	{"logit_bias", NAN, false},
	{"bad_words", NAN, false},
	{"bad_words_ids", NAN, false},
	{"allowed_token_ids", NAN, false},
	{"min_tokens", 0, false},
	{"ignore_eos", NAN, false},
	{"tools", NAN, false},
	{"response_format", NAN, false},
	{"structured_outputs", NAN, false},
	{"guided_json", NAN, false},
	{"guided_regex", NAN, false},
	{"guided_choice", NAN, false},
	{"guided_grammar", NAN, false},
	{"grammar", NAN, false},
	{"json_schema", NAN, false},
	{"regex", NAN, false},
	{"ebnf", NAN, false},
	{"samplers", NAN, false},
	/* Others' places for all of these. */
	{"options", NAN, false},
	{"sampling_params", NAN, false},
	{"generationConfig", NAN, false},
	{"generation_config", NAN, false},
};

static bool is_harmless(const char *name, double value)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (strcmp(members[i].name, name) == 0)
			return value == members[i].value ||
			       (members[i].or_less && value < members[i].value);
	return true;
}

static bool extra_cuts(const json_t *extra)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)extra, name, value)
		if (!json_is_null(value) &&
			!is_harmless(name, json_is_number(value)
						   ? json_number_value(value)
						   : (double)NAN))
			return true;
	return false;
}

/* A prompt's members that are no sampling of the job's. */
static bool own_cuts(const struct overrides *own)
{
	for (size_t i = 0; own && i < own->n_members; i++) {
		char name[OVERRIDE_NAME_MAX + 1];
		struct bytes b = own->member[i].name;

		if (b.len > OVERRIDE_NAME_MAX)
			return true;
		memcpy(name, b.data, b.len);
		name[b.len] = '\0';
		if (!is_harmless(name, (double)NAN))
			return true;
	}
	return false;
}

static bool sampling_cuts(const struct job_sampling *s)
{
	return (job_has_real(s->top_p) && !is_harmless("top_p", s->top_p)) ||
	       (job_has_int(s->top_k) && s->top_k > 0) ||
	       (job_has_real(s->min_p) && s->min_p > 0) ||
	       (job_has_real(s->presence_penalty) &&
		       !is_harmless("presence_penalty", s->presence_penalty)) ||
	       (job_has_real(s->repetition_penalty) &&
		       !is_harmless("repetition_penalty", s->repetition_penalty));
}

/* True if the server cuts by itself, and is not told not to. (That what it is told
 * cuts nothing is looked at elsewhere.) */
static bool default_cuts(
	enum job_server server, const struct job_sampling *s, const json_t *extra)
{
	const struct {
		const char *name;
		bool told, llamacpp, ollama;
	} defaults[] = {
		{"top_k", job_has_int(s->top_k), true, true},
		{"top_p", job_has_real(s->top_p), true, true},
		{"min_p", job_has_real(s->min_p), true, false},
		{"repeat_penalty", job_has_real(s->repetition_penalty), false, true},
	};

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		const json_t *value = json_object_get(extra, defaults[i].name);

		if (((server == SERVER_LLAMACPP && defaults[i].llamacpp) ||
			    (server == SERVER_OLLAMA && defaults[i].ollama)) &&
			!defaults[i].told && !json_is_number(value))
			return true;
	}
	return false;
}

struct calibrate_terms calibrate_terms(const struct job *job,
	const struct job_teacher *teacher, enum job_server server,
	const struct overrides *own, double temperature)
{
	struct job_sampling sampling = overrides_sampling(own, &job->sampling);
	bool raw = teacher->logprobs_mode == JOB_MODE_RAW;
	struct calibrate_terms terms = {
		.use = CALIBRATION_APPLIES, .power = raw ? 1 / temperature : 1};

	if (job->top_logprobs < 2)
		terms.use = CALIBRATION_NO_LISTS;
	else if (job->task == JOB_TASK_SCORE) /* nothing is sampled */
		terms.use = CALIBRATION_CUTS;
	else if (!raw && teacher->logprobs_mode != JOB_MODE_PROCESSED)
		terms.use = CALIBRATION_MODE;
	else if (!(temperature > 0) || (raw && temperature > 1))
		terms.use = CALIBRATION_TEMPERATURE;
	else if (sampling_cuts(&sampling) || extra_cuts(teacher->extra_body) ||
		 own_cuts(own) || default_cuts(server, &sampling, teacher->extra_body))
		terms.use = CALIBRATION_CUTS;
	return terms;
}

/* Sums of an answer. */
struct sums {
	double low, high, variance;
	uint64_t hits;
};

static double within(double p)
{
	return p < 0 ? 0 : p > 1 ? 1 : p;
}

static void add(struct sums *s, double low, double high, bool hit)
{
	/* The variance at its largest between the bounds. */
	double p = high < 0.5 ? high : low > 0.5 ? low : 0.5;

	s->low += low;
	s->high += high;
	s->variance += p * (1 - p);
	s->hits += hit;
}

static void add_part(struct calibration_part *to, const struct sums *s)
{
	to->hits += s->hits;
	to->low += (uint64_t)llround(s->low * 1e9);
	to->high += (uint64_t)llround(s->high * 1e9);
	to->variance += (uint64_t)llround(s->variance * 1e9);
}

/* A row as it stands: the chances are what it says. */
static void add_plain(const struct rows *r, uint32_t i, uint32_t c, struct sums *first,
	struct sums *beyond)
{
	uint32_t begin = r->first[i], end = r->first[i + 1];
	double p = exp(r->cand_logprob[begin]), left = r->tail[i];

	for (uint32_t j = begin + c; j < end; j++)
		left += exp(r->cand_logprob[j]);
	left = within(left);
	add(first, p, p, r->rank[i] == 0);
	add(beyond, left, left, r->rank[i] >= c);
}

/* A row whose probabilities were taken to a power above 1 before sampling. */
static void add_cooled(const struct rows *r, uint32_t i, uint32_t c, double power,
	struct sums *first, struct sums *beyond)
{
	const double *listed = r->cand_logprob + r->first[i];
	double weight = exp(power * listed[0]), sum = 0, mass = 1, rest;

	for (uint32_t j = 0; j < c; j++) {
		sum += exp(power * listed[j]);
		mass -= exp(listed[j]);
	}
	rest = within(mass) * exp((power - 1) * listed[c - 1]);
	add(first, weight / (sum + rest), weight / sum, r->rank[i] == 0);
	add(beyond, 0, rest / (sum + rest), r->rank[i] >= c);
}

#define ENDS_A_ROW 5

/* The longest list of all rows, but no more than what was asked for. */
static uint32_t usual_length(const struct rows *r, uint32_t k)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < r->n; i++)
		if (r->first[i + 1] - r->first[i] > most)
			most = r->first[i + 1] - r->first[i];
	return most < k ? most : k;
}

void calibrate_add(struct calibration *to, const struct calibrate_terms *terms,
	const struct answer *a, uint32_t k, enum eos_row eos_row)
{
	const struct rows *r = &a->rows;
	struct sums first = {0}, beyond = {0};
	uint32_t usual, n = 0, passed_over = 0;

	if (terms->use != CALIBRATION_APPLIES || !a->has_rows)
		return;
	usual = usual_length(r, k);
	if (usual < 2)
		return;
	for (uint32_t i = 0; i < r->n; i++) {
		passed_over += rows_passed_over(r, i);
		if (r->rank[i] == ROWS_RANK_UNKNOWN ||
			r->first[i + 1] - r->first[i] < usual - 1)
			continue;
		if (terms->power == 1)
			add_plain(r, i, usual - 1, &first, &beyond);
		else
			add_cooled(r, i, usual - 1, terms->power, &first, &beyond);
		n++;
	}
	to->tokens += n;
	to->open_ends += n > 0 && a->finish != FINISH_LENGTH && eos_row != EOS_ROW_YES;
	to->open_ends += (uint64_t)passed_over * ENDS_A_ROW;
	add_part(&to->first, &first);
	add_part(&to->beyond, &beyond);
}
