/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "common/text.h"
#include "worker/align.h"
#include "worker/choices.h"
#include "worker/reader_state.h"

static bool is_given(const struct answer_text *t)
{
	return t->present && t->text.len > 0;
}

static enum reason because(struct answer *a, enum reason reason, const char *why)
{
	a->why = why;
	return reason;
}

/* Streams begin with an empty piece of each text that may come. */
static void drop_empty_texts(struct answer *a)
{
	struct answer_text *const texts[] = {&a->content, &a->reasoning, &a->refusal};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		texts[i]->present = is_given(texts[i]);
}

/* Errors that are no member `error`: vLLM's and SGLang's flat ones, gateways'
 * {"message": ...} and FastAPI's {"detail": ...}. */
static void settle_error(struct reader *r)
{
	struct answer_error *e = &r->answer->error;
	struct bytes detail = buf_bytes(&r->detail.text);

	if (e->present)
		return;
	if (!r->is_flat_error &&
		(r->has_choices || (!r->flat.message[0] && !r->detail.present)))
		return;
	*e = r->flat;
	e->present = true;
	if (!e->message[0] && r->detail.present) {
		if (detail.data[0] == '"')
			detail = bytes_of(detail.data + 1, detail.len - 2);
		reader_set_text(e->message, sizeof(e->message), detail);
	}
}

static enum reason judge_choices(struct reader *r)
{
	struct answer *a = r->answer;

	if (r->n_choices == 0)
		return because(a, REASON_NO_CHOICES, "there is no choice");
	if (r->n_choices > 1)
		return because(a, REASON_NO_CHOICES, "there are several choices");
	if (r->why_choices)
		return because(a, REASON_NO_CHOICES, r->why_choices);
	if (!r->has_message)
		return because(a, REASON_WRONG_SHAPE, "the choice has no message");
	return REASON_NONE;
}

static enum reason judge_texts(struct answer *a)
{
	const struct answer_text *const texts[] = {&a->content, &a->reasoning,
		&a->refusal, &a->model, &a->system_fingerprint, &a->id,
		&a->finish_text};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (text_has_control(texts[i]->text.data, texts[i]->text.len))
			return because(
				a, REASON_BAD_TEXT, "a text has control characters");
	return REASON_NONE;
}

static enum reason judge_finish(struct reader *r)
{
	struct answer *a = r->answer;

	if (r->cut_early) {
		a->flags |= FLAG_LOOPING;
		a->finish = FINISH_LENGTH;
		return REASON_NONE;
	}
	if (!r->shape->finishes) {
		a->finish = FINISH_STOP;
		return REASON_NONE;
	}
	if (!a->finish_text.present)
		return because(a, REASON_NO_FINISH, "there is no finish reason");
	if (a->blocked) {
		a->finish = FINISH_CONTENT_FILTER;
		return REASON_NONE;
	}
	for (const struct shape_finish *f = r->shape->finishes; f->text; f++) {
		if (!text_is(&a->finish_text, f->text))
			continue;
		a->finish = f->finish;
		/* A stop word is named; a stop token is a number or null. */
		if (a->finish == FINISH_STOP && a->stop_reason.present &&
			a->stop_reason.text.data[0] == '"')
			a->finish = FINISH_STOP_WORD;
		if (a->finish == FINISH_STOP && a->tool_calls.present &&
			!is_given(&a->content))
			a->finish = FINISH_TOOL_CALLS;
		if (f->reason != REASON_NONE)
			return because(a, f->reason, "the server gave up");
		/* What was given has ended where it ends. */
		if (r->rules.scored)
			a->finish = FINISH_STOP;
		return REASON_NONE;
	}
	return because(a, REASON_UNKNOWN_FINISH, "the finish reason is unknown");
}

static enum reason judge_usage(struct reader *r)
{
	struct answer *a = r->answer;

	if (r->why_usage)
		return because(a, REASON_BAD_USAGE, r->why_usage);
	if (a->usage.prompt_tokens == COUNT_UNKNOWN ||
		a->usage.completion_tokens == COUNT_UNKNOWN)
		a->flags |= FLAG_NO_USAGE;
	return REASON_NONE;
}

static enum reason judge_content(struct answer *a)
{
	if (a->finish == FINISH_LENGTH)
		a->flags |= FLAG_TRUNCATED;
	if (a->finish == FINISH_CONTENT_FILTER)
		a->flags |= FLAG_FILTERED;
	if (is_given(&a->refusal))
		a->flags |= FLAG_REFUSED;
	if (is_given(&a->content) || a->tool_calls.present || is_given(&a->refusal))
		return REASON_NONE;
	if (!is_given(&a->reasoning) && a->finish != FINISH_CONTENT_FILTER)
		return because(a, REASON_EMPTY, "the answer has no text");
	a->flags |= FLAG_NO_CONTENT;
	return REASON_NONE;
}

static enum reason judge_missing_rows(struct reader *r)
{
	struct answer *a = r->answer;
	bool has_text =
		r->rules.scored || is_given(&a->content) || is_given(&a->reasoning);

	a->flags |= FLAG_LOGITS_MISSING;
	if (r->rules.logits_required && has_text)
		return because(a, REASON_LOGPROBS_MISSING,
			"logprobs were asked for and there are none");
	return REASON_NONE;
}

static enum reason judge_rows(struct reader *r)
{
	struct answer *a = r->answer;
	struct rows_verdict verdict;
	enum reason reason = REASON_NONE;

	if (r->rules.top_logprobs == 0)
		return REASON_NONE;
	if (a->rows.m == 0)
		reason = judge_missing_rows(r);
	if (reason != REASON_NONE)
		return reason;
	if (a->has_rows && r->rows.tokens.bad)
		return because(a, REASON_BAD_LOGPROBS, r->rows.tokens.bad);
	if (a->rows.n == 0)
		return REASON_NONE;
	/* Usage counts other tokens than those that were scored. */
	if (!r->rules.scored)
		align_counts(a);
	verdict = rows_normalise(&a->rows, r->rules.top_logprobs);
	if (verdict.reason != REASON_NONE)
		return because(a, verdict.reason, verdict.why);
	if (verdict.partial)
		a->flags |= FLAG_LOGITS_PARTIAL;
	align_rows(a, &verdict, r->rows.tokens.disagree);
	if (r->rules.keep > 0)
		rows_cut(&a->rows, r->rules.keep);
	return REASON_NONE;
}

static enum reason judge_shape(struct reader *r)
{
	struct answer *a = r->answer;

	if (!r->why_shape && a->has_rows)
		r->why_shape = r->rows.tokens.wrong_shape;
	if (r->why_shape)
		return because(a, REASON_WRONG_SHAPE, r->why_shape);
	return REASON_NONE;
}

static enum reason judge_answer(struct reader *r)
{
	struct answer *a = r->answer;
	enum reason reason = judge_texts(a);

	if (reason == REASON_NONE)
		reason = judge_finish(r);
	if (reason == REASON_NONE)
		reason = judge_usage(r);
	if (reason == REASON_NONE)
		reason = r->rules.scored ? REASON_NONE : judge_content(a);
	if (reason == REASON_NONE)
		reason = judge_rows(r);
	return reason;
}

/* What is wrong with all of several answers: that they are not those that were
 * asked for. */
static enum reason judge_several_choices(struct reader *r)
{
	unsigned n = r->rules.n_choices;

	if (r->n_choices == 0)
		return because(r->first, REASON_NO_CHOICES, "there is no choice");
	if (r->n_choices > n)
		return because(r->first, REASON_NO_CHOICES,
			"there are more choices than asked for");
	if (r->n_choices < n)
		return because(r->first, REASON_NO_CHOICES,
			"there are fewer choices than asked for");
	for (unsigned i = 0; i < n; i++) {
		if (r->choice[i].index < 0 || r->choice[i].index >= n)
			return because(r->first, REASON_NO_CHOICES,
				"a choice has no number of those asked for");
		for (unsigned k = 0; k < i; k++)
			if (r->choice[k].index == r->choice[i].index)
				return because(r->first, REASON_NO_CHOICES,
					"two choices have one number");
	}
	return REASON_NONE;
}

/* One of several, by itself. Usage is of all of them, so that it tells nothing
 * of this one's tokens. */
static enum reason judge_one(struct reader *r, const struct reader_choice *c)
{
	r->why_shape = c->why_shape;
	r->has_message = c->has_message;
	r->rows.tokens = c->tokens;
	if (!r->why_shape && !r->has_message)
		r->why_shape = "the choice has no message";
	return judge_shape(r) != REASON_NONE ? REASON_WRONG_SHAPE : judge_answer(r);
}

static enum reason judge_several(struct reader *r)
{
	struct answer_usage usage = r->first->usage;
	const struct reader_choice *c = r->choice;
	enum reason reason;

	if (r->why_shape)
		return because(r->first, REASON_WRONG_SHAPE, r->why_shape);
	reason = judge_several_choices(r);
	if (reason == REASON_NONE && r->why_usage)
		reason = because(r->first, REASON_BAD_USAGE, r->why_usage);
	if (reason != REASON_NONE)
		return reason;
	choices_share(r->first);
	for (r->answer = r->first; r->answer; r->answer = r->answer->next, c++) {
		r->answer->index = (uint32_t)c->index;
		r->answer->usage = (struct answer_usage){
			COUNT_UNKNOWN, COUNT_UNKNOWN, COUNT_UNKNOWN, COUNT_UNKNOWN};
		r->answer->verdict = judge_one(r, c);
	}
	r->answer = r->first;
	choices_split_usage(r->first, &usage);
	return REASON_NONE;
}

enum reason reader_judge(struct reader *r)
{
	struct answer *a = r->first;
	enum reason reason;

	if (r->rules.n_choices == 1 && r->shape->settle)
		r->shape->settle(r);
	settle_error(r);
	if (r->framing != FRAMING_WHOLE)
		drop_empty_texts(a);
	if (a->error.present)
		return because(a, REASON_ERROR_OBJECT, "an error came instead");
	if (r->rules.n_choices > 1)
		return judge_several(r);
	reason = judge_shape(r);
	if (reason == REASON_NONE)
		reason = judge_choices(r);
	if (reason == REASON_NONE)
		reason = judge_answer(r);
	return reason;
}
