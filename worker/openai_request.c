/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_request.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/record.h"

/* Digits that a person typed survive 15; 17 would turn 0.7 into
 * 0.69999999999999996. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

/* What each kind of server calls a thing; NULL: it knows no such thing. */
struct dialect {
	const char *max_tokens, *top_k, *min_p, *repetition_penalty;
	const char *return_ids;     /* token ids beside the text */
	const char *ids_as_tokens;  /* "token_id:N" in the rows */
	const char *continue_final; /* a trailing assistant turn is continued */
	const char *no_generation;  /* and no header of a new turn follows it */
	bool prefills;
	bool choices; /* knows n; llama.cpp refuses more than it has slots for */
};

static const struct dialect dialects[] = {
	[SERVER_OPENAI] = {.max_tokens = "max_completion_tokens", .choices = true},
	[SERVER_VLLM] = {.max_tokens = "max_tokens",
		.top_k = "top_k",
		.min_p = "min_p",
		.repetition_penalty = "repetition_penalty",
		.return_ids = "return_token_ids",
		.ids_as_tokens = "return_tokens_as_token_ids",
		.continue_final = "continue_final_message",
		.no_generation = "add_generation_prompt",
		.prefills = true,
		.choices = true},
	[SERVER_SGLANG] = {.max_tokens = "max_tokens",
		.top_k = "top_k",
		.min_p = "min_p",
		.repetition_penalty = "repetition_penalty",
		.return_ids = "return_token_ids",
		.continue_final = "continue_final_message",
		.prefills = true,
		.choices = true},
	/* llama.cpp continues a trailing assistant turn by itself, and its rows
	 * always have ids. */
	[SERVER_LLAMACPP] = {.max_tokens = "max_tokens",
		.top_k = "top_k",
		.min_p = "min_p",
		.repetition_penalty = "repeat_penalty",
		.prefills = true},
	/* trtllm-serve refuses every field that it does not know. */
	[SERVER_TRTLLM] = {.max_tokens = "max_tokens",
		.top_k = "top_k",
		.min_p = "min_p",
		.repetition_penalty = "repetition_penalty",
		.choices = true},
	/* Ollama does not look at n. */
	[SERVER_OLLAMA] = {.max_tokens = "max_tokens"},
};

static enum err_code unknown_key(
	const struct request_terms *terms, const char *key, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"teacher '%s': its server (%s) does not know %s; set it to null%s",
		terms->teacher->name, job_server_name(terms->server), key,
		strncmp(key, "sampling.", 9) == 0 ? ", or send it in extra_body" : "");
}

static void set(json_t *body, const char *name, json_t *value)
{
	json_object_set_new(body, name, value);
}

/* Sampling that only some servers know. */
static enum err_code add_rare(json_t *body, const struct request_terms *terms,
	const struct job_sampling *s, struct err *err)
{
	const struct dialect *d = &dialects[terms->server];

	if (job_has_int(s->top_k)) {
		if (!d->top_k)
			return unknown_key(terms, "sampling.top_k", err);
		set(body, d->top_k, json_integer(s->top_k));
	}
	if (job_has_real(s->min_p)) {
		if (!d->min_p)
			return unknown_key(terms, "sampling.min_p", err);
		set(body, d->min_p, json_real(s->min_p));
	}
	if (job_has_real(s->repetition_penalty)) {
		if (!d->repetition_penalty)
			return unknown_key(terms, "sampling.repetition_penalty", err);
		set(body, d->repetition_penalty, json_real(s->repetition_penalty));
	}
	return ERR_NONE;
}

static enum err_code add_prefill(
	json_t *body, const struct request_terms *terms, struct err *err)
{
	const struct dialect *d = &dialects[terms->server];

	if (!terms->prefill)
		return ERR_NONE;
	if (!d->prefills)
		return unknown_key(terms, "prefill", err);
	if (d->continue_final)
		set(body, d->continue_final, json_true());
	if (d->no_generation)
		set(body, d->no_generation, json_false());
	return ERR_NONE;
}

/* Sampling that every server knows. */
static void add_sampling(
	json_t *body, const struct request_terms *terms, const struct job_sampling *s)
{
	const struct dialect *d = &dialects[terms->server];

	if (job_has_real(s->temperature))
		set(body, "temperature", json_real(s->temperature));
	if (job_has_real(s->top_p))
		set(body, "top_p", json_real(s->top_p));
	if (job_has_real(s->presence_penalty))
		set(body, "presence_penalty", json_real(s->presence_penalty));
	if (job_has_int(s->max_tokens))
		set(body, d->max_tokens, json_integer(s->max_tokens));
	if (s->stop)
		json_object_set(body, "stop", s->stop);
}

static void add_capture(json_t *body, const struct request_terms *terms)
{
	const struct dialect *d = &dialects[terms->server];

	if (terms->top_logprobs > 0) {
		set(body, "logprobs", json_true());
		set(body, "top_logprobs", json_integer(terms->top_logprobs));
		if (d->ids_as_tokens)
			set(body, d->ids_as_tokens, json_true());
	}
	if (d->return_ids)
		set(body, d->return_ids, json_true());
	if (terms->stream) {
		set(body, "stream", json_true());
		set(body, "stream_options", json_pack("{s:b}", "include_usage", 1));
	}
}

static bool is_protected(const char *name)
{
	static const char *const names[] = {
		"model", "messages", "n", "stream", "logprobs", "top_logprobs"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static enum err_code merge_extra_body(
	json_t *body, const struct request_terms *terms, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(terms->teacher->extra_body, name, value) {
		if (is_protected(name))
			return err_set(err, ERR_INVALID,
				"teacher '%s': extra_body.%s has a place of its own in "
				"the job",
				terms->teacher->name, name);
		/* Two names for one thing: servers refuse to be told both. */
		if (strcmp(name, "max_tokens") == 0)
			json_object_del(body, "max_completion_tokens");
		if (strcmp(name, "max_completion_tokens") == 0)
			json_object_del(body, "max_tokens");
		json_object_set(body, name, value);
	}
	return ERR_NONE;
}

/* What the prompt itself asks for, in place of what the job and its extra_body
 * say. Its members are added as text (dump_tail), every digit as it was. */
static enum err_code override(
	json_t *body, const struct request_terms *terms, struct err *err)
{
	const struct overrides *o = terms->overrides;

	if (!o)
		return ERR_NONE;
	if (job_has_int(o->sampling.max_tokens)) {
		json_object_del(body, "max_tokens");
		json_object_del(body, "max_completion_tokens");
	}
	if (job_has_int(o->sampling.seed))
		json_object_del(body, "seed");
	add_sampling(body, terms, &o->sampling);
	if (o->sampling.stop && json_array_size(o->sampling.stop) == 0)
		json_object_del(body, "stop");
	for (size_t i = 0; i < o->n_members; i++) {
		char *name = mem_dup_text(
			(const char *)o->member[i].name.data, o->member[i].name.len);
		bool ours = is_protected(name);

		json_object_del(body, name);
		free(name);
		if (ours)
			return err_set(err, ERR_INVALID,
				"the prompt's request: '%.*s' is retort's own affair",
				(int)o->member[i].name.len, o->member[i].name.data);
	}
	return add_rare(body, terms, &o->sampling, err);
}

/* The members without the first brace, as they follow a value. */
static void dump_tail(const json_t *body, const struct overrides *o, struct buf *out)
{
	char *text = json_dumps(body, DUMP_FLAGS);

	assert(text && text[0] == '{');
	if (json_object_size(body) > 0)
		buf_add_byte(out, ',');
	buf_add(out, text + 1, strlen(text) - 2);
	free(text);
	for (size_t i = 0; o && i < o->n_members; i++) {
		buf_add_str(out, ",\"");
		buf_add(out, o->member[i].name.data, o->member[i].name.len);
		buf_add_str(out, "\":");
		buf_add(out, o->member[i].value.data, o->member[i].value.len);
	}
	buf_add_byte(out, '}');
}

static void dump_head(const char *model, struct buf *out)
{
	json_t *name = json_string(model);
	char *text = json_dumps(name, DUMP_FLAGS | JSON_ENCODE_ANY);

	assert(text);
	buf_printf(out, "{\"model\":%s,\"messages\":", text);
	free(text);
	json_decref(name);
}

/* The seed that extra_body sends with every request. A negative one means "any"
 * to servers. */
static uint64_t own_seed(const json_t *seed)
{
	return json_is_integer(seed) && json_integer_value(seed) >= 0
		       ? (uint64_t)json_integer_value(seed)
		       : SEED_NONE;
}

static double number_or_nan(const json_t *v)
{
	return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

enum err_code openai_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	json_t *body = json_object();
	enum err_code code;

	assert(terms->server > SERVER_AUTO && terms->server <= SERVER_OLLAMA);
	*form = (struct request_form){0};
	buf_init(&form->head, LIMIT_JOB_FILE);
	buf_init(&form->tail, LIMIT_JOB_FILE + LIMIT_CORPUS_LINE);
	add_sampling(body, terms, terms->sampling);
	add_capture(body, terms);
	code = terms->needs_ids && !dialects[terms->server].return_ids
		       ? request_without_ids(terms, err)
		       : add_rare(body, terms, terms->sampling, err);
	if (code == ERR_NONE)
		code = add_prefill(body, terms, err);
	if (code == ERR_NONE)
		code = merge_extra_body(body, terms, err);
	if (code == ERR_NONE)
		code = override(body, terms, err);
	if (code == ERR_NONE) {
		dump_head(terms->teacher->model, &form->head);
		dump_tail(body, terms->overrides, &form->tail);
		form->takes_seed = !json_object_get(body, "seed");
		form->seed = own_seed(json_object_get(body, "seed"));
		form->temperature = number_or_nan(json_object_get(body, "temperature"));
		form->choices = dialects[terms->server].choices
					? (unsigned)terms->sampling->n_per_request
					: 1;
		if (form->head.over || form->tail.over)
			code = err_set(err, ERR_INVALID,
				"teacher '%s': the request's fixed part is too long",
				terms->teacher->name);
	}
	if (code != ERR_NONE)
		request_form_release(form);
	json_decref(body);
	return code;
}

#define SEED_KEY ",\"seed\":"
#define CHOICES_KEY ",\"n\":"
#define DIGITS 10

static unsigned char *put(unsigned char *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

static unsigned char *put_number(unsigned char *to, const char *key, uint32_t v)
{
	unsigned char digits[DIGITS];
	int at = DIGITS;

	to = put(to, key, strlen(key));
	do
		digits[--at] = (unsigned char)('0' + v % 10);
	while (v /= 10);
	return put(to, digits + at, (size_t)(DIGITS - at));
}

enum err_code openai_write_choices(const struct request_form *form,
	struct bytes messages, uint64_t seed, unsigned n, struct buf *out,
	struct err *err)
{
	size_t most = form->head.len + messages.len + form->tail.len +
		      strlen(SEED_KEY) + strlen(CHOICES_KEY) + 2 * DIGITS;
	unsigned char *to = buf_reserve(out, most);

	if (!to)
		return err_set(err, ERR_INVALID, "the request is too long");
	to = put(to, form->head.data, form->head.len);
	to = put(to, messages.data, messages.len);
	if (seed != SEED_NONE && form->takes_seed)
		to = put_number(to, SEED_KEY, request_seed(seed));
	if (n > 1)
		to = put_number(to, CHOICES_KEY, n);
	to = put(to, form->tail.data, form->tail.len);
	out->len = (size_t)(to - out->data);
	return ERR_NONE;
}

enum err_code openai_write_request(const struct request_form *form,
	struct bytes messages, uint64_t seed, struct buf *out, struct err *err)
{
	return openai_write_choices(form, messages, seed, 1, out, err);
}
