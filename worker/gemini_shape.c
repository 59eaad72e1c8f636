/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "worker/gemini.h"
#include "worker/reader_state.h"

enum {
	PLACE_ERROR = PLACE_OWN,
	PLACE_DETAILS,
	PLACE_DETAIL,
	PLACE_USAGE,
	PLACE_FEEDBACK,
	PLACE_CANDIDATES,
	PLACE_CANDIDATE,
	PLACE_CONTENT,
	PLACE_PARTS,
	PLACE_PART,
	PLACE_LOGPROBS,
	PLACE_CHOSEN,
	PLACE_CHOSEN_ENTRY,
	PLACE_TOP,
	PLACE_TOP_LIST,
	PLACE_TOP_ENTRIES,
	PLACE_TOP_ENTRY,
	PLACE_N
};

enum { OWN_INDEX, OWN_THOUGHT, OWN_TOKEN, OWN_TOKEN_ID, OWN_LOGPROB, OWN_DELAY };

static const struct shape_key root[] = {
	KEY_PLACE("candidates", LIST, PLACE_CANDIDATES),
	KEY_PLACE("promptFeedback", OBJECT, PLACE_FEEDBACK),
	KEY_PLACE("usageMetadata", OBJECT, PLACE_USAGE),
	KEY_ANSWER("modelVersion", TEXT, model),
	KEY_ANSWER("responseId", TEXT, id),
	KEY_PLACE("error", ERROR, PLACE_ERROR),
};

static const struct shape_key error[] = {
	KEY_ANSWER("message", SHORT, error.message),
	KEY_ANSWER("status", SHORT, error.type),
	KEY_ANSWER("code", SHORT, error.code),
	KEY_PLACE("details", LIST, PLACE_DETAILS),
};

static const struct shape_key detail[] = {
	KEY_OWN("retryDelay", OWN_DELAY),
	KEY_READER("violations", RAW, part_raw),
};

static const struct shape_key usage[] = {
	KEY_ANSWER("promptTokenCount", COUNT, usage.prompt_tokens),
	KEY_ANSWER("candidatesTokenCount", COUNT, usage.completion_tokens),
	KEY_ANSWER("thoughtsTokenCount", COUNT, usage.reasoning_tokens),
	KEY_ANSWER("cachedContentTokenCount", COUNT, usage.cached_prompt_tokens),
};

static const struct shape_key feedback[] = {
	KEY_READER("blockReason", TEXT, part_kind),
};

static const struct shape_key candidate[] = {
	KEY_OWN("index", OWN_INDEX),
	KEY_PLACE("content", OBJECT, PLACE_CONTENT),
	KEY_ANSWER("finishReason", TEXT, finish_text),
	{.name = "logprobsResult",
		.len = 14,
		.value = VALUE_OBJECT,
		.about_rows = true,
		.at = PLACE_LOGPROBS},
};

static const struct shape_key content[] = {
	KEY_PLACE("parts", LIST, PLACE_PARTS),
};

/* `thought` may stand behind the text. */
static const struct shape_key part[] = {
	KEY_READER("text", TEXT, part),
	KEY_OWN("thought", OWN_THOUGHT),
	KEY_READER("functionCall", RAW, part_raw),
};

static const struct shape_key logprobs[] = {
	KEY_PLACE("chosenCandidates", LIST, PLACE_CHOSEN),
	KEY_PLACE("topCandidates", LIST, PLACE_TOP),
};

static const struct shape_key entry[] = {
	KEY_OWN("token", OWN_TOKEN),
	KEY_OWN("tokenId", OWN_TOKEN_ID),
	KEY_OWN("logProbability", OWN_LOGPROB),
};

static const struct shape_key top_list[] = {
	KEY_PLACE("candidates", LIST, PLACE_TOP_ENTRIES),
};

static void begin_part(struct reader *r)
{
	reader_text_reset(&r->part);
	reader_text_reset(&r->part_raw);
	r->part_flag = false;
}

static void end_part(struct reader *r)
{
	struct answer *a = r->answer;
	struct answer_text *to = r->part_flag ? &a->reasoning : &a->content;

	if (r->part.present) {
		buf_add(&to->text, r->part.text.data, r->part.text.len);
		to->present = true;
	}
	if (r->part_raw.present) {
		struct buf *calls = &a->tool_calls.text;

		buf_add_str(calls, calls->len ? "," : "[");
		buf_add_str(calls, "{\"functionCall\":");
		buf_add(calls, r->part_raw.text.data, r->part_raw.text.len);
		buf_add_byte(calls, '}');
		a->tool_calls.present = true;
	}
}

/* -- Rows: two lists, in any order, each as long as the answer -- */

static struct rows *rows_of(struct reader *r)
{
	return &r->answer->rows;
}

static void begin_rows(struct reader *r)
{
	r->answer->has_rows = true;
	buf_reserve(&rows_of(r)->pool, 64);
}

static void begin_entry(struct reader *r)
{
	r->entry = openai_no_entry;
	r->entry.text_at = (uint32_t)rows_of(r)->pool.len;
}

/* Where the text of the entry is; U+FFFD means that bytes were lost. */
static uint16_t text_len(const struct reader *r)
{
	const struct openai_entry *e = &r->entry;
	const struct rows *rows = &r->answer->rows;

	if (!e->has_text ||
		memmem(rows->pool.data + e->text_at, e->text_len, "\xef\xbf\xbd", 3))
		return TOKEN_BYTES_UNKNOWN;
	return e->text_len;
}

static void end_chosen(struct reader *r)
{
	struct rows *rows = rows_of(r);
	uint32_t i = rows->n;

	rows_grow(rows);
	rows->id[i] = r->entry.id;
	rows->logprob[i] = r->entry.logprob;
	rows->token_len[i] = text_len(r);
	rows->token_at[i] = r->entry.text_at;
	rows->word[i] = WORD_NONE;
	rows->n = i + 1;
}

/*
 * The list of lists is read into the candidates; where each list begins is kept
 * in the reader's ids until both lists are there (settle).
 */
static void begin_top(struct reader *r)
{
	struct answer_ids *starts = &r->list_starts;

	MEM_GROW(starts->at, starts->cap, (size_t)starts->n + 1);
	starts->at[starts->n++] = rows_of(r)->m;
}

static void end_candidate(struct reader *r)
{
	struct rows *rows = rows_of(r);
	uint32_t m = rows->m;
	const struct answer_ids *starts = &r->list_starts;

	/* One too many is enough for the verdict. */
	if (starts->n == 0 || m - starts->at[starts->n - 1] > r->rules.top_logprobs + 1)
		return;
	if (m == rows->cap_m)
		rows_grow_candidates(rows);
	rows->cand_id[m] = r->entry.id;
	rows->cand_logprob[m] = r->entry.logprob;
	rows->cand_len[m] = text_len(r);
	rows->cand_at[m] = r->entry.text_at;
	rows->cand_word[m] = WORD_NONE;
	rows->m = m + 1;
}

static void on_message(struct reader *r)
{
	r->has_message = true;
}

static const struct shape_place places[PLACE_N] = {
	[PLACE_ROOT] = {SHAPE_PLACE(root)},
	[PLACE_ERROR] = {SHAPE_PLACE(error)},
	[PLACE_DETAILS] = {.entry = PLACE_DETAIL},
	[PLACE_DETAIL] = {SHAPE_PLACE(detail)},
	[PLACE_USAGE] = {SHAPE_PLACE(usage), .is_count = true},
	[PLACE_FEEDBACK] = {SHAPE_PLACE(feedback)},
	[PLACE_CANDIDATES] = {.entry = PLACE_CANDIDATE},
	[PLACE_CANDIDATE] = {SHAPE_PLACE(candidate), .is_choice = true,
		.entered = on_message},
	[PLACE_CONTENT] = {SHAPE_PLACE(content)},
	[PLACE_PARTS] = {.entry = PLACE_PART},
	[PLACE_PART] = {SHAPE_PLACE(part), .entered = begin_part, .left = end_part},
	[PLACE_LOGPROBS] = {SHAPE_PLACE(logprobs), .entered = begin_rows},
	[PLACE_CHOSEN] = {.entry = PLACE_CHOSEN_ENTRY},
	[PLACE_CHOSEN_ENTRY] = {SHAPE_PLACE(entry), .entered = begin_entry,
		.left = end_chosen},
	[PLACE_TOP] = {.entry = PLACE_TOP_LIST},
	[PLACE_TOP_LIST] = {SHAPE_PLACE(top_list), .entered = begin_top},
	[PLACE_TOP_ENTRIES] = {.entry = PLACE_TOP_ENTRY},
	[PLACE_TOP_ENTRY] = {SHAPE_PLACE(entry), .entered = begin_entry,
		.left = end_candidate},
};

static const struct shape_finish finishes[] = {
	{"STOP", FINISH_STOP, REASON_NONE},
	{"MAX_TOKENS", FINISH_LENGTH, REASON_NONE},
	{"SAFETY", FINISH_CONTENT_FILTER, REASON_NONE},
	{"RECITATION", FINISH_CONTENT_FILTER, REASON_NONE},
	{"LANGUAGE", FINISH_CONTENT_FILTER, REASON_NONE},
	{"BLOCKLIST", FINISH_CONTENT_FILTER, REASON_NONE},
	{"PROHIBITED_CONTENT", FINISH_CONTENT_FILTER, REASON_NONE},
	{"SPII", FINISH_CONTENT_FILTER, REASON_NONE},
	{"IMAGE_SAFETY", FINISH_CONTENT_FILTER, REASON_NONE},
	{"MODEL_ARMOR", FINISH_CONTENT_FILTER, REASON_NONE},
	{"JAILBREAK", FINISH_CONTENT_FILTER, REASON_NONE},
	/* As a block reason; as a finish reason nobody knows what it was. */
	{"OTHER", FINISH_OTHER, REASON_ABORTED},
	{"MALFORMED_FUNCTION_CALL", FINISH_OTHER, REASON_ABORTED},
	{"UNEXPECTED_TOOL_CALL", FINISH_OTHER, REASON_ABORTED},
	{"TOO_MANY_TOOL_CALLS", FINISH_OTHER, REASON_ABORTED},
	{0},
};

/* "22s", "0.5s" */
static void read_delay(struct reader *r)
{
	double s = 0, place = 1;
	bool fraction = false;

	for (size_t i = 0; i < r->scan.text.len; i++) {
		unsigned char c = r->scan.text.data[i];

		if (c == '.' && !fraction)
			fraction = true;
		else if (c >= '0' && c <= '9' && fraction)
			s += (c - '0') * (place /= 10);
		else if (c >= '0' && c <= '9' && s < 1e9)
			s = s * 10 + (c - '0');
		else if (c != 's' || i + 1 != r->scan.text.len)
			return;
	}
	r->answer->error.retry_after_ms = (int64_t)(s * 1000);
}

static void on_token(struct reader *r)
{
	struct buf *pool = &rows_of(r)->pool;
	struct bytes text = r->scan.text;

	if (text.len > LIMIT_TOKEN_BYTES)
		return;
	r->entry.text_at = (uint32_t)pool->len;
	r->entry.text_len = (uint16_t)text.len;
	r->entry.has_text = true;
	buf_add(pool, text.data, text.len);
}

static void own(struct reader *r, unsigned number, enum jscan_event event)
{
	const struct jnumber *n = &r->scan.number;

	if (event == JSCAN_NULL)
		return;
	if (number == OWN_INDEX && event == JSCAN_NUMBER) {
		if (!n->is_integer || n->integer != 0)
			r->why_choices = "the candidate is not number 0";
	} else if (number == OWN_THOUGHT &&
		   (event == JSCAN_TRUE || event == JSCAN_FALSE)) {
		r->part_flag = event == JSCAN_TRUE;
	} else if (number == OWN_TOKEN && event == JSCAN_STRING) {
		on_token(r);
	} else if (number == OWN_TOKEN_ID && event == JSCAN_NUMBER && n->is_integer &&
		   n->integer >= 0 && n->integer < TOKEN_ID_UNKNOWN) {
		r->entry.id = (uint32_t)n->integer;
	} else if (number == OWN_LOGPROB && event == JSCAN_NUMBER) {
		r->entry.logprob = n->is_integer ? (double)n->integer : n->value;
	} else if (number == OWN_DELAY && event == JSCAN_STRING) {
		read_delay(r);
	} else {
		reader_wrong_value(r, event);
	}
}

static void join_lists(struct reader *r)
{
	struct rows *rows = rows_of(r);
	const struct answer_ids *starts = &r->list_starts;

	if (starts->n > 0 && starts->n != rows->n) {
		reader_wrong_shape(
			r, "there are not as many lists of candidates as tokens");
		return;
	}
	for (uint32_t i = 0; i < rows->n; i++)
		rows->first[i] = starts->n ? starts->at[i] : 0;
	if (rows->n > 0)
		rows->first[rows->n] = rows->m;
}

static void settle(struct reader *r)
{
	struct answer *a = r->answer;
	struct answer_usage *u = &a->usage;

	join_lists(r);
	if (u->completion_tokens != COUNT_UNKNOWN)
		u->completion_tokens += count_or_zero(u->reasoning_tokens);
	else if (u->prompt_tokens != COUNT_UNKNOWN)
		u->completion_tokens = count_or_zero(u->reasoning_tokens);
	if (a->tool_calls.present)
		buf_add_byte(&a->tool_calls.text, ']');
	if (a->error.present && r->part_raw.present &&
		memmem(r->part_raw.text.data, r->part_raw.text.len, "PerDay", 6))
		reader_set_text(a->error.code, sizeof(a->error.code),
			bytes_of("quota_per_day", 13));
	/* The prompt was blocked: an answer that has nothing to say. */
	if (r->part_kind.present && r->n_choices == 0 && !a->error.present) {
		a->finish_text.present = true;
		buf_clear(&a->finish_text.text);
		buf_add(&a->finish_text.text, r->part_kind.text.data,
			r->part_kind.text.len);
		a->blocked = true;
		r->n_choices = r->has_choices = r->has_message = true;
	}
}

const struct shape gemini_shape = {
	.places = places,
	.finishes = finishes,
	.streamed = FRAMING_SSE,
	.stream_end = END_BY_FINISH,
	.own = own,
	.settle = settle,
};
