/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/answer.h"

#include <stdio.h>
#include <string.h>

#include "deploy/teacher/json_out.h"
#include "deploy/teacher/rows.h"

void press_init(struct press *p, struct teacher *teacher, const struct style *style)
{
	*p = (struct press){.teacher = teacher, .style = style};
	figures_init(&p->figures, &teacher->profiles, NULL);
}

void press_release(struct press *p)
{
	figures_release(&p->figures);
	for (size_t i = 0; i < sizeof(p->fragments) / sizeof(p->fragments[0]); i++)
		fragments_free(p->fragments[i]);
	*p = (struct press){0};
}

static void write_or_null(struct buf *out, bool has, struct bytes text)
{
	if (has)
		json_out_text(out, text);
	else
		buf_add_str(out, "null");
}

static void write_content(
	const struct answer *a, const struct choice *c, struct buf *out)
{
	const struct quirks *q = a->quirks;

	if (q->content == CONTENT_NULL || (!c->body.has_content && !q->inject.len &&
						  q->content == CONTENT_HONEST)) {
		buf_add_str(out, "null");
		return;
	}
	buf_add_byte(out, '"');
	buf_add(out, q->inject.data, q->inject.len);
	if (q->echoes_key && a->authorization)
		json_out_escaped(
			out, bytes_of(a->authorization, strlen(a->authorization)));
	if (q->content != CONTENT_EMPTY)
		json_out_escaped(out, c->body.content);
	buf_add_byte(out, '"');
	if (q->content == CONTENT_TWICE)
		buf_add_str(out, ",\"content\":\"The answer is \\\\boxed{0}.\"");
}

static void write_reasoning(const struct press *p, const struct answer *a,
	const struct choice *c, struct buf *out)
{
	const char *key = p->style->dialect->reasoning_key;
	bool has = c->body.has_reasoning && a->ask->include_reasoning;

	if (!key || (!has && p->style->dialect->id != DIALECT_VLLM))
		return;
	buf_printf(out, ",\"%s\":", key);
	write_or_null(
		out, has && a->quirks->content != CONTENT_EMPTY, c->body.reasoning);
}

static void write_message(const struct press *p, const struct answer *a,
	const struct choice *c, struct buf *out)
{
	buf_add_str(out, "\"message\":{\"role\":\"assistant\",\"content\":");
	write_content(a, c, out);
	switch (p->style->dialect->id) {
	case DIALECT_VLLM:
		buf_add_str(out,
			",\"refusal\":null,\"annotations\":null,\"audio\":null,"
			"\"function_call\":null,\"tool_calls\":[]");
		break;
	case DIALECT_OPENAI:
		buf_add_str(out, ",\"refusal\":null,\"annotations\":[]");
		break;
	case DIALECT_SGLANG:
		buf_add_str(out, ",\"tool_calls\":null");
		break;
	default:
		break;
	}
	write_reasoning(p, a, c, out);
	buf_add_byte(out, '}');
}

static void write_logprobs(struct press *p, const struct answer *a,
	const struct choice *c, struct buf *out)
{
	buf_add_str(out, ",\"logprobs\":");
	if (!a->ask->logprobs || a->quirks->rows == ROWS_NULL) {
		buf_add_str(out, "null");
	} else if (!a->ask->is_chat) {
		rows_write_old(p, a, c, out);
	} else {
		buf_add_str(out, "{\"content\":");
		if (a->quirks->content == CONTENT_EMPTY)
			buf_add_str(out, "[]");
		else
			rows_write(p, a, c, out);
		if (p->style->dialect->id == DIALECT_OPENAI)
			buf_add_str(out, ",\"refusal\":null");
		buf_add_byte(out, '}');
	}
}

static void write_ids(const uint16_t *id, size_t n, struct buf *out)
{
	buf_add_byte(out, '[');
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%u", i ? "," : "", id[i]);
	buf_add_byte(out, ']');
}

/* What made it stop: a text, the end of the sequence, or neither. */
static void write_stop(const char *key, const struct answer *a, const struct choice *c,
	bool names_eos, struct buf *out)
{
	buf_printf(out, ",\"%s\":", key);
	if (c->speech.end == SPEECH_STOP)
		json_out_text(out, a->ask->stop[c->speech.stop]);
	else if (c->speech.end == SPEECH_EOS && names_eos)
		buf_printf(out, "%d", ID_EOS);
	else
		buf_add_str(out, "null");
}

static void write_choice(struct press *p, const struct answer *a,
	const struct choice *c, unsigned index, struct buf *out)
{
	const struct dialect *d = p->style->dialect;

	buf_printf(out, "{\"index\":%u,", index);
	if (a->ask->is_chat) {
		write_message(p, a, c, out);
	} else {
		buf_add_str(out, "\"text\":");
		json_out_text(out, buf_bytes(&c->text));
	}
	write_logprobs(p, a, c, out);
	buf_add_str(out, ",\"finish_reason\":");
	if (a->quirks->finish)
		buf_add_str(out, a->quirks->finish);
	else
		json_out_str(out, choice_finish(c));
	if (d->id == DIALECT_VLLM)
		write_stop("stop_reason", a, c, false, out);
	if (d->id == DIALECT_SGLANG)
		write_stop("matched_stop", a, c, true, out);
	if (d->gives_ids && a->ask->return_token_ids) {
		buf_add_str(out, ",\"token_ids\":");
		write_ids(c->speech.id, choice_rows(c, p->style), out);
		if (!a->ask->is_chat) {
			buf_add_str(out, ",\"prompt_token_ids\":");
			write_ids(a->prompt->at, a->prompt->n, out);
		}
	}
	if (a->given) {
		buf_add_str(out, ",\"prompt_logprobs\":");
		given_write(p->teacher, &p->figures, a->given, a->prompt,
			(unsigned)a->ask->given_logprobs, out);
	}
	buf_add_byte(out, '}');
}

static void write_choices(struct press *p, const struct answer *a, struct buf *out)
{
	enum quirk_choices quirk = a->quirks->choices;
	unsigned n = a->n;

	buf_add_str(out, "\"choices\":");
	if (quirk == CHOICES_NULL) {
		buf_add_str(out, "null");
		return;
	}
	if (quirk == CHOICES_MORE || (quirk == CHOICES_SAME_INDEX && n < 2))
		n++;
	if (quirk == CHOICES_FEWER)
		n--;
	if (quirk == CHOICES_EMPTY)
		n = 0;
	buf_add_byte(out, '[');
	for (unsigned i = 0; i < n; i++) {
		unsigned which = i < a->n ? i : a->n - 1, index = i;

		if (quirk == CHOICES_REVERSED)
			index = which = a->n - 1 - i;
		if (quirk == CHOICES_REVERSED && a->n == 1)
			index = 7;
		if (quirk == CHOICES_SAME_INDEX)
			index = 0;
		if (i > 0)
			buf_add_byte(out, ',');
		write_choice(p, a, &a->choice[which], index, out);
	}
	buf_add_byte(out, ']');
}

size_t answer_tokens(const struct answer *a)
{
	size_t n = 0;

	for (unsigned i = 0; i < a->n; i++)
		n += a->choice[i].speech.n;
	return n;
}

static void write_count(
	const struct answer *a, const char *key, size_t n, struct buf *out)
{
	buf_printf(out, "\"%s\":", key);
	switch (a->quirks->usage) {
	case USAGE_NEGATIVE:
		buf_printf(out, "-%zu", n + 1);
		break;
	case USAGE_TEXT:
		buf_printf(out, "\"%zu\"", n);
		break;
	case USAGE_HUGE:
		buf_printf(out, "9223372036854775808%03zu", n % 1000);
		break;
	default:
		buf_printf(out, "%zu", a->quirks->content == CONTENT_EMPTY ? 0 : n);
	}
}

static void write_usage(const struct press *p, const struct answer *a, struct buf *out)
{
	size_t completion = answer_tokens(a), reasoning = 0;

	if (a->quirks->usage == USAGE_MISSING)
		return;
	for (unsigned i = 0; i < a->n; i++)
		reasoning += choice_reasoning_tokens(&a->choice[i], a->ask->thinks);
	buf_add_str(out, ",\"usage\":{");
	write_count(a, "prompt_tokens", a->prompt->n, out);
	buf_add_byte(out, ',');
	write_count(a, "total_tokens", a->prompt->n + completion, out);
	buf_add_byte(out, ',');
	write_count(a, "completion_tokens", completion, out);
	switch (p->style->dialect->id) {
	case DIALECT_VLLM:
		buf_add_str(out, ",\"prompt_tokens_details\":null");
		break;
	case DIALECT_OPENAI:
		buf_add_str(out, ",\"prompt_tokens_details\":{\"cached_tokens\":0,"
				 "\"audio_tokens\":0},\"completion_tokens_details\":{");
		write_count(a, "reasoning_tokens", reasoning, out);
		buf_add_str(out, ",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
				 "\"rejected_prediction_tokens\":0}");
		break;
	case DIALECT_SGLANG:
		buf_add_str(out, ",\"prompt_tokens_details\":null,");
		write_count(a, "reasoning_tokens", reasoning, out);
		break;
	default:
		break;
	}
	buf_add_byte(out, '}');
}

/* What comes behind choices and usage. */
static void write_rest(const struct press *p, const struct answer *a, struct buf *out)
{
	switch (p->style->dialect->id) {
	case DIALECT_VLLM:
		buf_add_str(out, ",\"prompt_logprobs\":null");
		if (a->ask->is_chat && a->ask->return_token_ids) {
			buf_add_str(out, ",\"prompt_token_ids\":");
			write_ids(a->prompt->at, a->prompt->n, out);
		}
		buf_add_str(out, ",\"kv_transfer_params\":null");
		break;
	case DIALECT_OPENAI:
		buf_add_str(out, ",\"service_tier\":\"default\","
				 "\"system_fingerprint\":\"fp_retort0001\"");
		break;
	case DIALECT_LLAMACPP:
		buf_printf(out,
			",\"system_fingerprint\":\"b0-retort\",\"timings\":{\"cache_n\":0,"
			"\"prompt_n\":%zu,\"prompt_ms\":0.1,\"predicted_n\":%zu,"
			"\"predicted_ms\":%.3f}",
			a->prompt->n, answer_tokens(a), a->spent_ms);
		break;
	case DIALECT_SGLANG:
		buf_add_str(out, ",\"metadata\":{\"weight_version\":\"default\"}");
		break;
	case DIALECT_OLLAMA:
		buf_add_str(out, ",\"system_fingerprint\":\"fp_ollama\"");
		break;
	}
}

static void write_extra(const struct answer *a, struct buf *out)
{
	const size_t depth = 100000, objects = 1000000;

	switch (a->quirks->extra) {
	case EXTRA_NONE:
		break;
	case EXTRA_NESTING:
		buf_add_str(out, ",\"extra\":");
		buf_add_fill(out, '[', depth);
		buf_add_fill(out, ']', depth);
		break;
	case EXTRA_OBJECTS:
		buf_add_str(out, ",\"extra\":[{}");
		for (size_t i = 1; i < objects; i++)
			buf_add(out, ",{}", 3);
		buf_add_byte(out, ']');
		break;
	case EXTRA_INTEGER:
		buf_add_str(out, ",\"extra\":");
		buf_add_fill(out, '9', 400);
		break;
	}
}

void answer_write(struct press *p, const struct answer *a, struct buf *out)
{
	const char *kind = a->ask->is_chat ? "chatcmpl" : "cmpl";

	if (a->quirks->byte_order_mark)
		buf_add_str(out, "\xef\xbb\xbf");
	if (a->quirks->error_body) {
		answer_write_error(p->style, 500, "the engine has stopped", NULL, out);
		return;
	}
	buf_printf(out,
		"{\"id\":\"%s-%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", kind,
		a->quirks->other_id ? "0000000000000000" : a->nonce,
		a->ask->is_chat ? "chat.completion" : "text_completion",
		(long long)a->created);
	json_out_str(out, a->quirks->other_model ? "another-model" : a->model);
	buf_add_byte(out, ',');
	write_choices(p, a, out);
	write_usage(p, a, out);
	write_rest(p, a, out);
	write_extra(a, out);
	buf_add_byte(out, '}');
}
