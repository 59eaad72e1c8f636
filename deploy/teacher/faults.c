/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/faults.h"

#include <stdlib.h>
#include <string.h>

#include "common/banned.h"
#include "common/log.h"
#include "common/text.h"
#include "deploy/teacher/mix.h"

/* A quirk, a trick, bytes put into the content. */
#define Q(...) .quirks = {__VA_ARGS__}
#define T(what) .trick = TRICK_##what
#define INJECT(bytes)                                                                  \
	.quirks = {.inject = {(const unsigned char *)(bytes), sizeof(bytes) - 1}}
#define ODD(number) .quirks = {.rows = ROWS_ODD, .odd_number = (number)}

#define STORED OUTCOME_STORED
#define FLAGGED OUTCOME_FLAGGED
#define RETRIED OUTCOME_RETRIED
#define HELD OUTCOME_HELD
#define FAILED OUTCOME_FAILED
#define STOPPED OUTCOME_STOPPED

/* clang-format off */
static const struct fault table[] = {
	{"cut-length", 1, RETRIED, "body_cut", "the body ends before its Content-Length", T(CUT_LENGTH)},
	{"cut-chunked", 1, RETRIED, "body_cut", "a chunked body without its last chunk", T(CUT_CHUNKED)},
	{"cut-close", 1, RETRIED, "body_cut", "a body without length, closed in the middle", T(CUT_CLOSE)},
	{"error-at-200", 3, RETRIED, "error_object", "status 200 with an error object", Q(.error_body = true)},
	{"choices-null", 3, RETRIED, "no_choices", "choices is null", Q(.choices = CHOICES_NULL)},
	{"choices-empty", 3, RETRIED, "no_choices", "choices is an empty list", Q(.choices = CHOICES_EMPTY)},
	{"content-null", 4, FLAGGED, "no_content", "content is null beside a trace, finish stop", Q(.content = CONTENT_NULL)},
	{"content-empty", 4, RETRIED, "empty", "empty content, finish stop, no tokens used", Q(.content = CONTENT_EMPTY)},
	{"finish-null", 5, RETRIED, "no_finish_reason", "finish_reason is null", Q(.finish = "null")},
	{"finish-length", 5, FLAGGED, "truncated", "finish_reason is length though it ended", Q(.finish = "\"length\"")},
	{"finish-filter", 5, FLAGGED, "filtered", "finish_reason is content_filter", Q(.finish = "\"content_filter\"")},
	{"finish-unknown", 5, RETRIED, "unknown_finish_reason", "finish_reason is a word nobody knows", Q(.finish = "\"banana\"")},
	{"finish-abort", 5, RETRIED, "aborted", "finish_reason is abort", Q(.finish = "\"abort\"")},
	{"logprobs-null", 6, RETRIED, "logprobs_missing", "logprobs is null though asked for", Q(.rows = ROWS_NULL)},
	{"logprobs-fewer", 6, STORED, NULL, "half as many entries as asked for", Q(.rows = ROWS_FEWER)},
	{"logprobs-more", 6, RETRIED, "bad_logprobs", "three entries more than asked for", Q(.rows = ROWS_MORE)},
	{"logprobs-rows-missing", 6, FLAGGED, "misaligned", "every fifth row is missing", Q(.rows = ROWS_MISSING)},
	{"logprobs-rows-extra", 6, FLAGGED, "misaligned", "the last row comes twice", Q(.rows = ROWS_EXTRA)},
	{"logprobs-unsorted", 6, STORED, NULL, "entries from the last to the first", Q(.rows = ROWS_UNSORTED)},
	{"logprobs-duplicate", 6, FLAGGED, "misaligned", "the second entry is the first again", Q(.rows = ROWS_DUPLICATE)},
	{"logprobs-positive", 6, RETRIED, "bad_logprobs", "some logprobs are positive", ODD("0.75")},
	{"logprobs-nan", 6, FLAGGED, "logits_partial", "some logprobs are NaN, which is no JSON", ODD("NaN")},
	{"logprobs-infinity", 6, FLAGGED, "logits_partial", "some logprobs are -Infinity, which is no JSON", ODD("-Infinity")},
	{"logprobs-9999", 6, FLAGGED, "logits_partial", "some logprobs are -9999.0", ODD("-9999.0")},
	{"logprobs-100", 6, FLAGGED, "misaligned", "some logprobs are -100.0", ODD("-100.0")},
	{"logprobs-float-min", 6, FLAGGED, "logits_partial", "some logprobs are -3.4028235e38", ODD("-3.4028234663852886e+38")},
	{"logprobs-shifted", 6, FLAGGED, "misaligned", "the list of every row is that of the next", Q(.rows = ROWS_SHIFTED)},
	{"logprobs-unsampled", 6, FLAGGED, "misaligned", "lists without the sampled token", Q(.rows = ROWS_UNSAMPLED)},
	{"logprobs-dropped", 6, STORED, NULL, "the second best is in no list, the gap is closed", Q(.rows = ROWS_DROPPED)},
	{"logprobs-merged", 6, STORED, NULL, "of entries that show the same text only the first", Q(.rows = ROWS_MERGED)},
	{"logprobs-warm", 6, STORED, NULL, "logprobs after a temperature of 0.7", Q(.warmth = 0.7)},
	{"logprobs-drafted", 6, FLAGGED, "misaligned+logits_partial", "every third row has logprob 0 and an empty list", Q(.rows = ROWS_DRAFTED)},
	{"token-broken", 7, STORED, NULL, "every token is U+FFFD, with its bytes", Q(.tokens = TOKENS_BROKEN)},
	{"bytes-null", 7, STORED, NULL, "bytes are null", Q(.tokens = TOKENS_NO_BYTES)},
	{"bytes-other", 7, STORED, NULL, "bytes are those of another token", Q(.tokens = TOKENS_OTHER_BYTES)},
	{"utf8-invalid", 8, RETRIED, "bad_json", "a byte FF in the content", INJECT("\xff")},
	{"utf8-overlong", 8, RETRIED, "bad_json", "an overlong slash in the content", INJECT("\xc0\xaf")},
	{"utf8-surrogate", 8, RETRIED, "bad_json", "a surrogate's three bytes in the content", INJECT("\xed\xa0\x80")},
	{"escape-surrogate", 8, RETRIED, "bad_json", "half an escaped pair in the content", INJECT("\\ud83d ")},
	{"text-nul", 8, RETRIED, "bad_text", "an escaped NUL in the content", INJECT("a\\u0000b")},
	{"text-ansi", 8, RETRIED, "bad_text", "escaped terminal commands in the content", INJECT("\\u001b[31mred\\u001b]0;title\\u0007")},
	{"text-bidi", 8, RETRIED, "bad_text", "a right-to-left override in the content", INJECT("\xe2\x80\xae")},
	{"raw-control", 8, RETRIED, "bad_json", "an unescaped control character in the content", INJECT("a\001b")},
	{"body-bom", 8, RETRIED, "bad_json", "a byte order mark before the body", Q(.byte_order_mark = true)},
	{"duplicate-key", 9, RETRIED, "bad_json", "two content keys that differ", Q(.content = CONTENT_TWICE)},
	{"integer-huge", 9, STORED, NULL, "an integer of 400 digits under a key of no interest", Q(.extra = EXTRA_INTEGER)},
	{"number-1e400", 9, FLAGGED, "logits_partial", "some logprobs are -1e400", ODD("-1e400")},
	{"number-minus-zero", 9, FLAGGED, "misaligned", "some logprobs are -0.0", ODD("-0.0")},
	{"nesting-deep", 9, RETRIED, "bad_json", "100 000 arrays in one another", Q(.extra = EXTRA_NESTING)},
	{"objects-many", 9, RETRIED, "body_too_long", "a million empty objects under a key of no interest", Q(.extra = EXTRA_OBJECTS)},
	{"text-long", 9, RETRIED, "body_too_long", "a content of 100 MiB", T(LONG_TEXT)},
	{"gzip", 10, RETRIED, "encoded_body", "a gzip body that was not asked for", T(GZIP)},
	{"gzip-twice", 10, RETRIED, "encoded_body", "gzip in gzip", T(GZIP_TWICE)},
	{"gzip-bomb", 10, RETRIED, "encoded_body", "gzip of 1 GiB of blanks", T(GZIP_BOMB)},
	{"html", 10, RETRIED, "bad_json", "status 200 with a web page", T(HTML)},
	{"type", 10, STORED, NULL, "the answer as text/plain", T(TYPE)},
	{"header-flood", 11, RETRIED, "bad_headers", "a header line of 400 KiB", T(HEADER_FLOOD)},
	{"header-lines", 11, RETRIED, "bad_headers", "100 000 header lines", T(HEADER_LINES)},
	{"interim-storm", 11, RETRIED, "bad_headers", "1 000 times 102 Processing before the answer", T(INTERIM)},
	{"http-09", 11, RETRIED, "bad_headers", "a body without status line and headers", T(HTTP09)},
	{"length-and-chunked", 11, RETRIED, "bad_headers", "Content-Length and Transfer-Encoding together", T(LENGTH_AND_CHUNKED)},
	{"extra-bytes", 11, STORED, NULL, "a second response behind the first", T(EXTRA_BYTES)},
	{"model-other", 12, RETRIED, "wrong_model", "the model is not the one asked for", Q(.other_model = true)},
	{"id-other", 12, STORED, NULL, "the same id for every answer", Q(.other_id = true)},
	{"choices-more", 12, RETRIED, "no_choices", "one choice more than asked for", Q(.choices = CHOICES_MORE)},
	{"choices-fewer", 12, RETRIED, "no_choices", "one choice fewer than asked for", Q(.choices = CHOICES_FEWER)},
	{"index-duplicate", 12, RETRIED, "no_choices", "two choices at least, all of index 0", Q(.choices = CHOICES_SAME_INDEX)},
	{"index-order", 12, RETRIED, "no_choices", "choices in descending order; one alone has index 7", Q(.choices = CHOICES_REVERSED)},
	{"answer-swapped", 12, STORED, NULL, "the answer to another prompt", Q(.other_answer = true)},
	{"drip", 13, RETRIED, "timeout", "a byte of the body every --drip-ms", T(DRIP)},
	{"stall", 13, HELD, NULL, "headers, then nothing", T(STALL)},
	{"silence", 13, HELD, NULL, "accepted, then nothing", T(SILENCE)},
	{"reset", 13, HELD, NULL, "a connection reset in the middle of the answer", T(RESET)},
	{"redirect-file", 14, RETRIED, "redirect", "302 to file:///etc/passwd", T(REDIRECT), .status = 302, .header = "file:///etc/passwd"},
	{"redirect-metadata", 14, RETRIED, "redirect", "307 to http://169.254.169.254/", T(REDIRECT), .status = 307, .header = "http://169.254.169.254/latest/meta-data/"},
	{"redirect-port", 14, RETRIED, "redirect", "308 to another port", T(REDIRECT), .status = 308, .header = "http://127.0.0.1:9/v1/chat/completions"},
	{"retry-after-negative", 14, HELD, NULL, "429 with Retry-After: -1", T(STATUS), .status = 429, .body = STATUS_JSON, .header = "-1"},
	{"retry-after-huge", 14, HELD, NULL, "429 with Retry-After: 1000000000000", T(STATUS), .status = 429, .body = STATUS_JSON, .header = "1000000000000"},
	{"retry-after-date", 14, HELD, NULL, "429 with Retry-After: a date", T(STATUS), .status = 429, .body = STATUS_JSON, .header = "Fri, 31 Dec 1999 23:59:59 GMT"},
	{"retry-after-words", 14, HELD, NULL, "429 with Retry-After: soon", T(STATUS), .status = 429, .body = STATUS_JSON, .header = "soon"},
	{"usage-missing", 15, FLAGGED, "no_usage", "no usage", Q(.usage = USAGE_MISSING)},
	{"usage-negative", 15, RETRIED, "bad_usage", "negative numbers in usage", Q(.usage = USAGE_NEGATIVE)},
	{"usage-text", 15, RETRIED, "bad_usage", "texts in usage", Q(.usage = USAGE_TEXT)},
	{"usage-huge", 15, RETRIED, "bad_usage", "numbers above 2^63 in usage", Q(.usage = USAGE_HUGE)},
	{"echo-key", 15, RETRIED, "secret_echo", "the Authorization header in the content", Q(.echoes_key = true)},
	{"same-body", 15, FLAGGED, "duplicate_elsewhere", "the body of the first answer again", T(SAME_BODY)},
};
/* clang-format on */
#define N_TABLE (sizeof(table) / sizeof(table[0]))

/* status-CODE-BODY, for each of these. */
static const struct {
	int status;
	enum outcome outcome;
	const char *called;
} statuses[] = {
	{401, STOPPED, "unauthorized"},
	{402, STOPPED, "payment"},
	{403, STOPPED, "unauthorized"},
	{404, RETRIED, "not_found"},
	{408, HELD, NULL},
	{409, HELD, NULL},
	{413, FAILED, "prompt_too_long"},
	{422, FAILED, "bad_request"},
	{429, HELD, NULL},
	{500, HELD, NULL},
	{502, HELD, NULL},
	{503, HELD, NULL},
	{504, HELD, NULL},
	{520, HELD, NULL},
	{529, HELD, NULL},
};
#define N_STATUSES (sizeof(statuses) / sizeof(statuses[0]))
static const char *const body_names[] = {"empty", "html", "json"};
#define N_ALL (N_TABLE + 3 * N_STATUSES)

/* The table with the statuses written out. */
static const struct fault *all_faults(void)
{
	static struct fault all[N_ALL];
	static char names[3 * N_STATUSES][24], summaries[3 * N_STATUSES][40];

	if (all[0].name)
		return all;
	for (size_t i = 0; i < 3 * N_STATUSES; i++) {
		int status = statuses[i / 3].status;
		const char *body = body_names[i % 3];

		snprintf(names[i], sizeof(names[i]), "status-%d-%s", status, body);
		snprintf(summaries[i], sizeof(summaries[i]), "status %d with %s body",
			status,
			i % 3 == STATUS_EMPTY  ? "an empty"
			: i % 3 == STATUS_HTML ? "an HTML"
					       : "a JSON");
		all[N_TABLE + i] = (struct fault){.name = names[i],
			.group = 14,
			.outcome = statuses[i / 3].outcome,
			.called = statuses[i / 3].called,
			.summary = summaries[i],
			.trick = TRICK_STATUS,
			.status = status,
			.body = (enum status_body)(i % 3)};
	}
	memcpy(all, table, sizeof(table));
	return all;
}

const struct fault *fault_find(const char *name)
{
	const struct fault *all = all_faults();

	for (size_t i = 0; i < N_ALL; i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

const char *outcome_name(enum outcome outcome)
{
	static const char *const names[] = {
		"stored", "flagged", "retried", "held", "failed", "stopped"};

	return names[outcome];
}

void faults_print(FILE *to)
{
	const struct fault *all = all_faults();

	for (size_t i = 0; i < N_ALL; i++)
		fprintf(to, "%-22s %2d  %-8s %-25s %s\n", all[i].name, all[i].group,
			outcome_name(all[i].outcome),
			all[i].called ? all[i].called : "-", all[i].summary);
}

static enum err_code complain_name(const char *name, struct err *err)
{
	const char *names[N_ALL + 1] = {NULL}, *nearest;

	for (size_t i = 0; i < N_ALL; i++)
		names[i] = all_faults()[i].name;
	nearest = text_nearest(name, names);
	return err_set(err, ERR_INVALID, "unknown fault %s%s%s%s", log_quote(name).text,
		nearest ? " (did you mean '" : "", nearest ? nearest : "",
		nearest ? "'?)" : "");
}

static enum err_code add_line(struct fault_plan *plan, char *line, struct err *err)
{
	char *equals = strchr(line, '='), *end;
	const struct fault *fault;
	double rate = 1, sum = 0;

	if (equals) {
		*equals = '\0';
		rate = strtod(equals + 1, &end);
		if (end == equals + 1 || *end || !(rate >= 0 && rate <= 1))
			return err_set(err, ERR_INVALID,
				"the rate of fault '%s' is not a number from 0 to 1",
				line);
	}
	fault = fault_find(line);
	if (!fault)
		return complain_name(line, err);
	for (unsigned i = 0; i < plan->n; i++)
		sum += plan->line[i].rate;
	if (plan->n == FAULT_PLAN_MAX || sum + rate > 1 + 1e-9)
		return err_set(
			err, ERR_INVALID, "the rates of all faults are more than 1");
	plan->line[plan->n].fault = fault;
	plan->line[plan->n++].rate = rate;
	return ERR_NONE;
}

enum err_code fault_plan_read(
	struct fault_plan *plan, const char *text, struct err *err)
{
	while (*text) {
		size_t len = strcspn(text, ", \n");
		char line[128];
		enum err_code code;

		if (len >= sizeof(line))
			return err_set(err, ERR_INVALID, "a fault's name is too long");
		memcpy(line, text, len);
		line[len] = '\0';
		text += len + strspn(text + len, ", \n");
		code = len > 0 ? add_line(plan, line, err) : ERR_NONE;
		if (code != ERR_NONE)
			return code;
	}
	return ERR_NONE;
}

const struct fault *fault_plan_draw(
	const struct fault_plan *plan, uint64_t key, uint64_t seed, unsigned attempt)
{
	uint64_t h = mix(mix4(plan->seed, MIX_FAULT, key, seed) ^ attempt);
	double at = mix_unit(h), sum = 0;

	if (plan->attempts > 0 && attempt > plan->attempts)
		return NULL;
	for (unsigned i = 0; i < plan->n; i++) {
		sum += plan->line[i].rate;
		if (at < sum)
			return plan->line[i].fault;
	}
	return NULL;
}
