/* SPDX-License-Identifier: Apache-2.0 */
#include "common/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/text.h"

const char verdict_tokenized[] =
	"The 3 quick foxes' caf\xc3\xa9, na\xc3\xafve: 12345.678 \xe2\x82\xac\n"
	"\tif (x >= 10 && y[0] != 0x1F) return \"ok\";  // 2026\n"
	"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 "
	"\xe6\xbc\xa2\xe5\xad\x97 \xed\x95\x9c\xea\xb5\xad "
	"\xd8\xb3\xd9\x84\xd8\xa7\xd9\x85 \xf0\x9f\x9a\x80 antidisestablishment";

const char *verdict_mode_name(enum job_logprobs_mode mode)
{
	static const char *const names[] = {"unknown", "raw", "processed"};

	return names[mode];
}

uint32_t verdict_gives(const struct verdict *v)
{
	return v->most < v->k ? v->most : v->k;
}

/* What stands at the end of every text. */
static void add_rest(const struct verdict *v, char out[VERDICT_TEXT])
{
	size_t len = strlen(out);

	snprintf(out + len, VERDICT_TEXT - len, "%s%s%s%s%s%s",
		v->crowds == VERDICT_YES ? " sampled-takes-a-place" : "",
		v->reasoning ? " reasoning" : "", v->prompt_ids ? " prompt-ids" : "",
		v->scores == VERDICT_YES ? " prompt-logprobs" : "",
		v->drafts ? " drafts" : "", v->rate_headers ? " rate-headers" : "");
	len = strlen(out);
	if (v->tokenizer != 0)
		snprintf(out + len, VERDICT_TEXT - len, " tokenizer=%016" PRIx64,
			v->tokenizer);
}

void verdict_text(const struct verdict *v, char out[VERDICT_TEXT])
{
	char entries[32] = "", k[16] = "?";

	if (v->wanted == 0 || v->n_rows == 0) {
		snprintf(out, VERDICT_TEXT, "%s",
			v->wanted == 0 ? "no logprobs wanted"
			: v->known     ? "no logprobs"
				       : "logprobs unknown");
	} else {
		if (v->least == v->most)
			snprintf(entries, sizeof(entries), "%" PRIu32, v->most);
		else
			snprintf(entries, sizeof(entries), "%" PRIu32 "-%" PRIu32,
				v->least, v->most);
		if (v->known)
			snprintf(k, sizeof(k), "%" PRIu32, v->k);
		snprintf(out, VERDICT_TEXT, "k=%s entries=%s %s %s %s %s", k, entries,
			v->ids ? "ids" : "no-ids",
			v->bytes ? "bytes" : "bytes-incomplete",
			v->mode == JOB_MODE_UNKNOWN ? "mode-unknown"
						    : verdict_mode_name(v->mode),
			v->n_outside > 0 ? "sampled-not-always-listed"
					 : "sampled-listed");
	}
	add_rest(v, out);
}

/* -- As JSON -- */

static json_t *known_json(enum verdict_known known)
{
	return known == VERDICT_UNKNOWN ? json_null()
					: json_boolean(known == VERDICT_YES);
}

json_t *verdict_json(const struct verdict *v)
{
	char text[VERDICT_TEXT], digest[20];

	verdict_text(v, text);
	snprintf(digest, sizeof(digest), "%016" PRIx64, v->tokenizer);
	return json_pack("{s:s, s:i, s:i, s:i, s:b, s:i, s:i, s:i, s:[i,i], s:i, s:i,"
			 " s:o, s:b, s:b, s:s, s:b, s:b, s:b, s:o, s:b, s:o, s:s}",
		"text", text, "questions", (int)v->asked, "refused", (int)v->refused,
		"wanted", (int)v->wanted, "known", v->known, "largest_k", (int)v->k,
		"gives", (int)verdict_gives(v), "ask", (int)v->ask, "candidates",
		(int)v->least, (int)v->most, "rows", (int)v->n_rows,
		"rows_sampled_outside", (int)v->n_outside, "sampled_takes_a_place",
		known_json(v->crowds), "token_ids", v->ids, "token_bytes", v->bytes,
		"logprobs_mode", verdict_mode_name(v->mode), "reasoning_field",
		v->reasoning, "prompt_token_ids", v->prompt_ids, "draft_tokens",
		v->drafts, "prompt_logprobs", known_json(v->scores), "rate_headers",
		v->rate_headers, "tokenizer",
		v->tokenizer ? json_string(digest) : json_null(), "model", v->model);
}

char *verdict_write(const struct verdict *v)
{
	json_t *tree = verdict_json(v);
	char *text = json_dumps(tree, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(tree);
	if (!text)
		abort();
	return text;
}

/* What reading a member carries along. */
struct members {
	const json_t *tree;
	bool bad;
};

static uint32_t number(struct members *m, const json_t *v, uint32_t max)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > max) {
		m->bad = true;
		return 0;
	}
	return (uint32_t)n;
}

static uint32_t count(struct members *m, const char *name, uint32_t max)
{
	return number(m, json_object_get(m->tree, name), max);
}

static bool flag(struct members *m, const char *name)
{
	const json_t *v = json_object_get(m->tree, name);

	m->bad = m->bad || !json_is_boolean(v);
	return json_is_true(v);
}

static enum verdict_known known(struct members *m, const char *name)
{
	const json_t *v = json_object_get(m->tree, name);

	m->bad = m->bad || !(json_is_boolean(v) || json_is_null(v));
	return json_is_null(v)   ? VERDICT_UNKNOWN
	       : json_is_true(v) ? VERDICT_YES
				 : VERDICT_NO;
}

static enum job_logprobs_mode mode(struct members *m)
{
	const char *name = json_string_value(json_object_get(m->tree, "logprobs_mode"));

	for (int i = JOB_MODE_UNKNOWN; name && i <= JOB_MODE_PROCESSED; i++)
		if (strcmp(name, verdict_mode_name((enum job_logprobs_mode)i)) == 0)
			return (enum job_logprobs_mode)i;
	m->bad = true;
	return JOB_MODE_UNKNOWN;
}

static uint64_t tokenizer(struct members *m)
{
	const json_t *v = json_object_get(m->tree, "tokenizer");
	const char *hex = json_string_value(v);

	if (hex && strlen(hex) == 16 && strspn(hex, "0123456789abcdef") == 16)
		return strtoull(hex, NULL, 16);
	m->bad = m->bad || !json_is_null(v);
	return 0;
}

/* Whoever wrote it: a terminal will print it. */
static void model(struct members *m, char out[VERDICT_MODEL])
{
	const char *name = json_string_value(json_object_get(m->tree, "model"));
	size_t len = name ? strlen(name) : 0;

	if (!name || len >= VERDICT_MODEL || text_has_control(name, len) ||
		strpbrk(name, "\t\n\f\r")) {
		m->bad = true;
		return;
	}
	memcpy(out, name, len + 1);
}

static void read_members(struct members *m, struct verdict *v)
{
	const json_t *rows = json_object_get(m->tree, "candidates");

	m->bad = m->bad || json_array_size(rows) != 2;
	v->asked = count(m, "questions", 1000000);
	v->refused = count(m, "refused", 1000000);
	v->wanted = count(m, "wanted", LIMIT_TOP_K);
	v->known = flag(m, "known");
	v->k = count(m, "largest_k", v->wanted);
	v->ask = count(m, "ask", v->k + 1);
	v->least = number(m, json_array_get(rows, 0), LIMIT_TOP_K + 1);
	v->most = number(m, json_array_get(rows, 1), LIMIT_TOP_K + 1);
	v->n_rows = count(m, "rows", 1000000);
	v->n_outside = count(m, "rows_sampled_outside", v->n_rows);
	v->crowds = known(m, "sampled_takes_a_place");
	v->ids = flag(m, "token_ids");
	v->bytes = flag(m, "token_bytes");
	v->reasoning = flag(m, "reasoning_field");
	v->prompt_ids = flag(m, "prompt_token_ids");
	v->drafts = flag(m, "draft_tokens");
	v->mode = mode(m);
	v->scores = known(m, "prompt_logprobs");
	v->rate_headers = flag(m, "rate_headers");
	v->tokenizer = tokenizer(m);
	model(m, v->model);
}

bool verdict_read(struct bytes text, struct verdict *out)
{
	json_t *tree = json_loadb(
		(const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	struct members m = {.tree = tree};

	*out = (struct verdict){0};
	read_members(&m, out);
	json_decref(tree);
	return !m.bad;
}

/* -- Against the job -- */

/* Whether the job itself leaves fewer candidates than it asks for. */
static bool job_cuts(const struct job *job, const struct job_teacher *teacher)
{
	const struct job_sampling *s = &job->sampling;

	return job_has_int(s->top_k) || job_has_real(s->min_p) ||
	       (job_has_real(s->top_p) && s->top_p < 1) ||
	       json_object_size(teacher->extra_body) > 0;
}

/* Who scores what others say is asked for nothing else. */
static bool needs_rows(const struct job *job, const struct job_teacher *teacher)
{
	return job->logits_required || teacher->role == JOB_ROLE_SCORE;
}

static bool gives_too_few(const struct verdict *v, const struct job *job,
	const struct job_teacher *teacher)
{
	if (!v->known || !needs_rows(job, teacher) || verdict_gives(v) >= v->wanted)
		return false;
	return v->k < v->wanted || v->most == 0 || v->mode == JOB_MODE_RAW ||
	       !job_cuts(job, teacher);
}

static void say_too_few(const struct verdict *v, char why[VERDICT_WHY])
{
	uint32_t gives = verdict_gives(v);

	if (gives == 0)
		snprintf(why, VERDICT_WHY,
			"logits.top_logprobs asks for %" PRIu32
			" candidates a token, and this endpoint gives none: set it to "
			"0, or logits.required to false",
			v->wanted);
	else
		snprintf(why, VERDICT_WHY,
			"logits.top_logprobs asks for %" PRIu32
			" candidates a token, and this endpoint gives %" PRIu32
			" at most: set it to %" PRIu32 ", or logits.required to false",
			v->wanted, gives, gives);
}

bool verdict_contradicts(const struct verdict *v, const struct job *job,
	const struct job_teacher *teacher, char why[VERDICT_WHY])
{
	if (gives_too_few(v, job, teacher)) {
		say_too_few(v, why);
		return true;
	}
	if (v->drafts && needs_rows(job, teacher)) {
		snprintf(why, VERDICT_WHY,
			"logprobs are asked for, and this endpoint decodes "
			"speculatively and has none for what it drafted: turn that off "
			"in the server, or set logits.required to false");
		return true;
	}
	if ((v->mode == JOB_MODE_RAW && teacher->logprobs_mode == JOB_MODE_PROCESSED) ||
		(v->mode == JOB_MODE_PROCESSED &&
			teacher->logprobs_mode == JOB_MODE_RAW)) {
		snprintf(why, VERDICT_WHY,
			"teacher '%s' is declared to give %s logprobs, and this "
			"endpoint's are %s: set its logprobs_mode to \"%s\"",
			teacher->name, v->mode == JOB_MODE_RAW ? "processed" : "raw",
			v->mode == JOB_MODE_RAW
				? "raw (the same at temperature 1 and 2)"
				: "processed (after temperature)",
			verdict_mode_name(v->mode));
		return true;
	}
	return false;
}

uint32_t verdict_asks(const struct verdict *v, uint32_t wanted)
{
	if (!v->known || v->wanted != wanted)
		return wanted;
	return v->ask;
}
