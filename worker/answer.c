/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/job.h"

/* Texts that identify something are short in any honest answer. */
#define LIMIT_NAME KIB(4)

static void text_clear(struct answer_text *t, size_t max)
{
	if (t->text.cap > ANSWER_KEEP)
		buf_release(&t->text);
	t->text.max = max;
	buf_clear(&t->text);
	t->present = false;
}

static void ids_clear(struct answer_ids *ids)
{
	if (ids->cap * sizeof(*ids->at) > ANSWER_KEEP) {
		free(ids->at);
		*ids = (struct answer_ids){0};
	}
	ids->n = 0;
	ids->present = false;
}

void answer_clear(struct answer *a)
{
	text_clear(&a->content, LIMIT_TEXT);
	text_clear(&a->reasoning, LIMIT_TEXT);
	text_clear(&a->refusal, LIMIT_TEXT);
	text_clear(&a->tool_calls, LIMIT_TEXT);
	text_clear(&a->finish_text, LIMIT_NAME);
	text_clear(&a->stop_reason, LIMIT_NAME);
	text_clear(&a->model, LIMIT_NAME);
	text_clear(&a->system_fingerprint, LIMIT_NAME);
	text_clear(&a->id, LIMIT_NAME);
	a->finish = FINISH_OTHER;
	a->usage = (struct answer_usage){
		COUNT_UNKNOWN, COUNT_UNKNOWN, COUNT_UNKNOWN, COUNT_UNKNOWN};
	a->error.present = a->blocked = false;
	a->error.retry_after_ms = 0;
	a->error.code[0] = a->error.type[0] = a->error.message[0] = '\0';
	rows_clear(&a->rows);
	a->has_rows = false;
	a->eos_row = EOS_ROW_UNKNOWN;
	ids_clear(&a->token_ids);
	ids_clear(&a->prompt_token_ids);
	a->flags = 0;
	a->misaligned = MISALIGNED_NONE;
	a->why = NULL;
	a->index = 0;
	a->verdict = REASON_NONE;
}

void answer_release(struct answer *a)
{
	struct answer_text *const texts[] = {&a->content, &a->reasoning, &a->refusal,
		&a->tool_calls, &a->finish_text, &a->stop_reason, &a->model,
		&a->system_fingerprint, &a->id};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		buf_release(&texts[i]->text);
	rows_release(&a->rows);
	free(a->token_ids.at);
	free(a->prompt_token_ids.at);
	*a = (struct answer){0};
}

size_t answer_body_max(
	int64_t max_tokens, int64_t top_logprobs, bool stream, size_t prompt_bytes)
{
	size_t entries, most = LIMIT_BODY_BASE;

	if (!job_has_int(max_tokens) || max_tokens > LIMIT_MAX_TOKENS ||
		prompt_bytes > (LIMIT_BODY - most) / LIMIT_BODY_PER_PROMPT_BYTE)
		return LIMIT_BODY;
	most += prompt_bytes * LIMIT_BODY_PER_PROMPT_BYTE;
	/* Each event repeats the document's head: as much as a few candidates. */
	entries = (size_t)max_tokens *
		  (size_t)(top_logprobs + 1 + (stream ? LIMIT_BODY_PER_EVENT : 0));
	if (entries > (LIMIT_BODY - most) / LIMIT_BODY_PER_ENTRY)
		return LIMIT_BODY;
	return most + entries * LIMIT_BODY_PER_ENTRY;
}

static bool same(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The name behind the last '/', without ".gguf" and ":latest". */
static struct bytes bare_name(struct bytes name)
{
	static const char *const endings[] = {":latest", ".gguf"};
	const unsigned char *slash =
		name.len ? memrchr(name.data, '/', name.len) : NULL;

	if (slash)
		name = bytes_of(slash + 1, name.len - (size_t)(slash + 1 - name.data));
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(endings[i]);

		if (name.len > n &&
			memcmp(name.data + name.len - n, endings[i], n) == 0)
			name.len -= n;
	}
	return name;
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* "-2024-08-06", "-0324", "@001": digits, three at the start, with '-' and '.'
 * between; so "-4" and "-405b" make another model. */
static bool is_version(struct bytes s)
{
	if (s.len < 4 || (s.data[0] != '-' && s.data[0] != '@' && s.data[0] != ':'))
		return false;
	for (size_t i = 1; i < s.len; i++) {
		bool between = i > 3 && (s.data[i] == '-' || s.data[i] == '.');

		if (!is_digit(s.data[i]) && !between)
			return false;
	}
	return true;
}

static bool is_version_of(struct bytes longer, struct bytes name)
{
	return name.len > 0 && longer.len > name.len &&
	       memcmp(longer.data, name.data, name.len) == 0 &&
	       is_version(bytes_of(longer.data + name.len, longer.len - name.len));
}

bool model_matches(struct bytes asked, struct bytes reported)
{
	if (same(asked, reported))
		return true;
	asked = bare_name(asked);
	reported = bare_name(reported);
	return (asked.len > 0 && same(asked, reported)) ||
	       is_version_of(asked, reported) || is_version_of(reported, asked);
}
