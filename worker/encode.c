/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "store/logits.h"
#include "store/offer.h"
#include "store/sections.h"
#include "worker/align.h"
#include "worker/score.h"
#include "worker/spans.h"

/* Shorter texts compress as their luck has it: no ratio for them. */
#define RATIO_MIN_BYTES 1024

struct encoder {
	struct packer *packer; /* with the dataset's dictionaries */
	struct packer *plain; /* without, so that the ratio never changes its meaning */
	struct logits_encoder *capture;
	struct buf stream, sections, text, prompt, prompt_ids, logits, vocabulary,
		scratch;
	float *floats; /* rows in the dataset's precision */
	uint16_t *shorts;
	uint32_t *ids;
	size_t cap_floats, cap_shorts, cap_ids;
};

struct encoder *encoder_new(void)
{
	struct encoder *e = mem_zalloc(1, sizeof(*e));

	e->packer = packer_new();
	e->plain = packer_new();
	e->capture = logits_encoder_new();
	buf_init(&e->stream, LIMIT_TEXT);
	buf_init(&e->sections, PACK_RAW_MAX);
	buf_init(&e->text, LIMIT_RECORD);
	buf_init(&e->prompt, LIMIT_RECORD);
	buf_init(&e->prompt_ids, LIMIT_RECORD);
	buf_init(&e->logits, 4 * LIMIT_RECORD);
	buf_init(&e->vocabulary, LIMIT_RECORD);
	buf_init(&e->scratch, PACK_RAW_MAX);
	return e;
}

void encoder_free(struct encoder *e)
{
	if (!e)
		return;
	packer_free(e->packer);
	packer_free(e->plain);
	logits_encoder_free(e->capture);
	buf_release(&e->stream);
	buf_release(&e->sections);
	buf_release(&e->text);
	buf_release(&e->prompt);
	buf_release(&e->prompt_ids);
	buf_release(&e->logits);
	buf_release(&e->vocabulary);
	buf_release(&e->scratch);
	free(e->floats);
	free(e->shorts);
	free(e->ids);
	free(e);
}

struct packer *encoder_packer(struct encoder *e)
{
	return e->packer;
}

int64_t encode_cost(const struct job_teacher *t, const struct answer_usage *usage)
{
	uint32_t cached = count_or_zero(usage->cached_prompt_tokens);
	uint32_t prompt = count_or_zero(usage->prompt_tokens);
	double usd_per_mtok;

	if (cached > prompt)
		cached = prompt;
	/* A provider that charges cached tokens like others sets no price. */
	usd_per_mtok = (double)(prompt - cached) * t->prompt_usd_per_mtok +
		       (double)cached * (t->cached_prompt_usd_per_mtok > 0
							? t->cached_prompt_usd_per_mtok
							: t->prompt_usd_per_mtok) +
		       (double)count_or_zero(usage->completion_tokens) *
			       t->completion_usd_per_mtok;
	return llround(usd_per_mtok * 1e3);
}

static struct bytes text_of(const struct answer_text *t)
{
	return t->present
		       ? bytes_of(t->text.data ? t->text.data : (void *)"", t->text.len)
		       : bytes_of(NULL, 0);
}

static struct bytes str(const char *s)
{
	return s && *s ? bytes_of(s, strlen(s)) : bytes_of(NULL, 0);
}

static void encode_text(struct encoder *e, const struct encode_terms *terms,
	const struct answer *a, bool has_stream)
{
	struct sections s = {0};

	if (has_stream)
		sections_set(&s, TEXT_STREAM, buf_bytes(&e->stream));
	s.at[TEXT_REASONING] = text_of(&a->reasoning);
	s.at[TEXT_CONTENT] = text_of(&a->content);
	s.at[TEXT_TOOL_CALLS] = text_of(&a->tool_calls);
	s.at[TEXT_REFUSAL] = text_of(&a->refusal);
	s.at[TEXT_FINISH_REASON] = text_of(&a->finish_text);
	s.at[TEXT_STOP_REASON] = text_of(&a->stop_reason);
	s.at[TEXT_MODEL] = text_of(&a->model);
	s.at[TEXT_FINGERPRINT] = text_of(&a->system_fingerprint);
	s.at[TEXT_REQUEST_ID] =
		terms->request_id[0] ? str(terms->request_id) : text_of(&a->id);
	s.at[TEXT_ENDPOINT] = str(terms->endpoint);
	s.at[TEXT_WORKER] = str(terms->worker);
	buf_clear(&e->sections);
	sections_encode(&s, true, &e->sections);
	buf_clear(&e->text);
	if (e->sections.over)
		e->text.over = true;
	else
		pack(e->packer, buf_bytes(&e->sections), &e->text);
}

static void encode_prompt(struct encoder *e, const struct encode_prompt *p)
{
	struct sections s = {0};

	s.at[PROMPT_ID] = p->id;
	s.at[PROMPT_MESSAGES] = p->messages;
	s.at[PROMPT_REFERENCE] = p->reference;
	s.at[PROMPT_EXTRA] = p->extra;
	s.at[PROMPT_REQUEST] = p->request;
	buf_clear(&e->sections);
	sections_encode(&s, false, &e->sections);
	buf_clear(&e->prompt);
	if (e->sections.over)
		e->prompt.over = true;
	else
		pack(e->packer, buf_bytes(&e->sections), &e->prompt);
}

static void encode_prompt_ids(struct encoder *e, const struct answer_ids *ids)
{
	buf_clear(&e->sections);
	for (uint32_t i = 0; i < ids->n; i++)
		buf_add_u32(&e->sections, ids->at[i]);
	buf_clear(&e->prompt_ids);
	pack(e->packer, buf_bytes(&e->sections), &e->prompt_ids);
}

/* Two logprobs that differ may be one float32: then the lower id comes first,
 * as the format has it. The rows come sorted, so that hardly anything moves. */
static void order_ties(uint32_t *id, const float *logprob, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t moving = id[i], at = i;

		while (at > 0 && logprob[at - 1] == logprob[i] && id[at - 1] > moving) {
			id[at] = id[at - 1];
			at--;
		}
		id[at] = moving;
	}
}

typedef double four_doubles __attribute__((vector_size(32), aligned(8)));
typedef float four_floats __attribute__((vector_size(16), aligned(4)));
typedef int32_t four_ints __attribute__((vector_size(16)));

/* As float32; true if any has its neighbour's value then. */
static bool narrow_all(const double *from, size_t n, float *to)
{
	four_ints tied = {0};
	bool any = false;
	size_t i = 1;

	if (n == 0)
		return false;
	to[0] = (float)from[0];
	for (; i + 4 <= n; i += 4) {
		const four_doubles *four = (const four_doubles *)(from + i);
		four_floats here = __builtin_convertvector(*four, four_floats);

		*(four_floats *)(to + i) = here;
		tied |= here == *(const four_floats *)(to + i - 1);
	}
	for (; i < n; i++) {
		to[i] = (float)from[i];
		any |= to[i] == to[i - 1];
	}
	return any || tied[0] || tied[1] || tied[2] || tied[3];
}

/* The rows' arrays as the codec takes them: float32, counts per row. */
static void narrow(struct encoder *e, const struct rows *r, struct logits *l)
{
	float *f, *candidates;

	MEM_GROW(e->floats, e->cap_floats, 2 * (size_t)r->n + r->m);
	MEM_GROW(e->shorts, e->cap_shorts, (size_t)r->n);
	f = e->floats;
	candidates = f + 2 * (size_t)r->n;
	for (uint32_t i = 0; i < r->n; i++) {
		f[i] = (float)r->logprob[i];
		f[r->n + i] = (float)r->tail[i];
		e->shorts[i] = (uint16_t)(r->first[i + 1] - r->first[i]);
	}
	l->n = r->n;
	l->m = r->m;
	l->id = r->id;
	l->logprob = f;
	l->tail = f + r->n;
	l->n_bytes = r->token_len;
	l->listed = e->shorts;
	l->ids = r->cand_id;
	l->logprobs = candidates;
	/* Those of two rows may be neighbours, which does no harm. */
	if (!narrow_all(r->cand_logprob, r->m, candidates))
		return;
	MEM_GROW(e->ids, e->cap_ids, (size_t)r->m);
	memcpy(e->ids, r->cand_id, r->m * sizeof(*e->ids));
	l->ids = e->ids;
	for (uint32_t i = 0; i < r->n; i++)
		order_ties(
			e->ids + r->first[i], candidates + r->first[i], e->shorts[i]);
}

/* Token ids without logprobs: rows that list nothing. */
static void ids_only(struct encoder *e, const struct answer_ids *ids, struct logits *l)
{
	MEM_GROW(e->floats, e->cap_floats, (size_t)ids->n);
	MEM_GROW(e->shorts, e->cap_shorts, 2 * (size_t)ids->n);
	for (uint32_t i = 0; i < ids->n; i++) {
		e->floats[i] = NAN;
		e->shorts[i] = TOKEN_BYTES_UNKNOWN;
		e->shorts[ids->n + i] = 0;
	}
	l->n = ids->n;
	l->id = ids->at;
	l->logprob = l->tail = e->floats;
	l->n_bytes = e->shorts;
	l->listed = e->shorts + ids->n;
}

static enum logits_profile profile_of(const struct job *job)
{
	return job->logits_profile == JOB_PROFILE_EXACT  ? LOGITS_EXACT
	       : job->logits_profile == JOB_PROFILE_FINE ? LOGITS_FINE
							 : LOGITS_COMPACT;
}

bool encode_capture(struct encoder *e, const struct capture_terms *terms,
	const struct answer *a, struct buf *out)
{
	const struct job *job = terms->job;
	struct logits l = {
		.interned = terms->interned,
		.mode = terms->mode,
		.profile = (uint8_t)profile_of(job),
		.k_asked = (uint16_t)job_teacher_k(job, terms->teacher),
		.keep_k = job_has_int(job->keep_k) ? (uint16_t)job->keep_k : 0,
		.keep_mass = job_has_real(job->keep_mass) ? (float)job->keep_mass : 0,
		.vocabulary = vocabulary_number(
			terms->settings, terms->teacher, terms->interned),
		.temperature = (float)terms->temperature,
		.tokenizer = terms->interned
				     ? 0
				     : job->teacher[terms->teacher].tokenizer_digest,
	};

	if (a->has_rows && a->rows.n > 0)
		narrow(e, &a->rows, &l);
	else if (a->token_ids.present && a->token_ids.n > 0)
		ids_only(e, &a->token_ids, &l);
	else
		return false;
	logits_encode(e->capture, &l, out);
	return true;
}

static bool encode_logits(
	struct encoder *e, const struct encode_terms *terms, const struct answer *a)
{
	const struct capture_terms capture = {.job = terms->job,
		.teacher = terms->head.teacher,
		.settings = terms->head.settings,
		.mode = terms->head.logprobs_mode,
		.interned = terms->interned,
		.temperature = terms->temperature};

	buf_clear(&e->logits);
	return encode_capture(e, &capture, a, &e->logits);
}

/* What zstd makes of the texts alone. */
static size_t packed_size(
	struct encoder *e, struct bytes reasoning, struct bytes content)
{
	if (reasoning.len + content.len < RATIO_MIN_BYTES)
		return 0;
	buf_clear(&e->sections);
	buf_add(&e->sections, reasoning.data, reasoning.len);
	buf_add(&e->sections, content.data, content.len);
	buf_clear(&e->scratch);
	if (e->sections.over)
		return 0;
	pack(e->plain, buf_bytes(&e->sections), &e->scratch);
	return e->scratch.len;
}

static void fill_head(struct encoder *e, const struct encode_terms *terms,
	const struct answer *a, const struct spans *spans, struct record *head)
{
	struct bytes reasoning = text_of(&a->reasoning), content = text_of(&a->content);
	struct score_input in = {.reasoning = reasoning,
		.content = content,
		.finish = a->finish,
		.flags = a->flags,
		.completion_tokens = a->usage.completion_tokens,
		.rows = a->has_rows ? &a->rows : NULL,
		.has_reference = terms->prompt->reference.data != NULL,
		.reference = terms->prompt->reference,
		.text_len = reasoning.len + content.len};

	enum misaligned rule;

	*head = terms->head;
	head->finish = (uint8_t)a->finish;
	rule = align_settle(a, terms->server, buf_bytes(&e->stream), spans);
	head->flags = a->flags | (rule != MISALIGNED_NONE ? FLAG_MISALIGNED : 0u);
	head->misaligned = (uint8_t)rule;
	head->prompt_tokens = a->usage.prompt_tokens;
	head->cached_prompt_tokens = a->usage.cached_prompt_tokens;
	head->completion_tokens = a->usage.completion_tokens;
	head->reasoning_tokens = a->usage.reasoning_tokens;
	head->cost_nusd = terms->cost_nusd;
	head->choice = (uint8_t)a->index;
	head->reasoning_len = (uint32_t)reasoning.len;
	head->content_len = (uint32_t)content.len;
	head->reasoning = spans->reasoning;
	head->content = spans->content;
	head->eos_row = (uint8_t)spans->eos_row;
	head->fingerprint = record_fingerprint(reasoning, content);
	if (terms->job->scores & JOB_SCORE_REPETITION)
		in.packed_len = packed_size(e, reasoning, content);
	head->flags |= score_all(terms->job->scores, &in, head->score);
}

bool encode_sample(struct encoder *e, const struct encode_terms *terms,
	const struct answer *a, struct tokens *tokens, struct record *head,
	struct buf *out)
{
	struct offer offer = {0};
	struct spans spans;
	size_t before = out->len;

	spans_find(a, terms->server, terms->interned, &e->stream, &spans);
	fill_head(e, terms, a, &spans, head);
	encode_text(e, terms, a, spans.has_stream);
	offer.text = buf_bytes(&e->text);
	if (terms->with_prompt) {
		encode_prompt(e, terms->prompt);
		offer.prompt = buf_bytes(&e->prompt);
	}
	if (a->prompt_token_ids.present && a->prompt_token_ids.n > 0 &&
		terms->with_prompt) {
		encode_prompt_ids(e, &a->prompt_token_ids);
		offer.prompt_ids = buf_bytes(&e->prompt_ids);
	}
	buf_clear(&e->vocabulary);
	if (encode_logits(e, terms, a)) {
		offer.logits[0] = buf_bytes(&e->logits);
		head->captures = 1;
		head->n_tokens =
			a->has_rows && a->rows.n > 0 ? a->rows.n : a->token_ids.n;
		/* Bytes that do not make up the answer may be anyone's. */
		if (!terms->interned && terms->tells_ids && spans.fits &&
			!(head->flags & FLAG_MISALIGNED))
			tokens_tell(tokens,
				vocabulary_number(head->settings, head->teacher, false),
				&a->rows, &e->vocabulary);
	}
	offer.vocabulary = buf_bytes(&e->vocabulary);
	offer.head = *head;
	if (!e->text.over && !e->prompt.over && !e->logits.over && !e->vocabulary.over)
		offer_encode(&offer, out);
	else
		out->over = true;
	if (!out->over && out->len - before <= LIMIT_RECORD)
		return true;
	out->over = false;
	buf_truncate(out, before);
	return false;
}
