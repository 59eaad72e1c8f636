/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/raw_request.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "store/record.h"
#include "worker/raw_prompt.h"

/* As in openai_request.c: digits that a person typed survive 15. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

static enum err_code unknown_key(
	const struct request_terms *terms, const char *key, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"teacher '%s': its server (%s, api %s) does not know %s; set it to null, "
		"or send it in extra_body",
		terms->teacher->name, job_server_name(terms->server),
		terms->teacher->api, key);
}

static enum err_code add_number(json_t *to, const char *name, json_t *value,
	const struct request_terms *terms, const char *key, struct err *err)
{
	if (!name) {
		json_decref(value);
		return unknown_key(terms, key, err);
	}
	json_object_set_new(to, name, value);
	return ERR_NONE;
}

static enum err_code add_sampling(json_t *to, const struct raw_names *n,
	const struct request_terms *terms, const struct job_sampling *s,
	struct err *err)
{
	enum err_code code = ERR_NONE;

	if (job_has_real(s->temperature))
		json_object_set_new(to, "temperature", json_real(s->temperature));
	if (job_has_real(s->top_p))
		json_object_set_new(to, "top_p", json_real(s->top_p));
	if (job_has_real(s->presence_penalty))
		json_object_set_new(
			to, "presence_penalty", json_real(s->presence_penalty));
	if (job_has_int(s->max_tokens))
		json_object_set_new(to, n->max_tokens, json_integer(s->max_tokens));
	if (s->stop && json_array_size(s->stop) > 0)
		json_object_set(to, "stop", s->stop);
	if (job_has_int(s->top_k))
		code = add_number(to, n->top_k, json_integer(s->top_k), terms,
			"sampling.top_k", err);
	if (code == ERR_NONE && job_has_real(s->min_p))
		code = add_number(to, n->min_p, json_real(s->min_p), terms,
			"sampling.min_p", err);
	if (code == ERR_NONE && job_has_real(s->repetition_penalty))
		code = add_number(to, n->repetition_penalty,
			json_real(s->repetition_penalty), terms,
			"sampling.repetition_penalty", err);
	return code;
}

static bool is_ours(const struct raw_names *n, const char *name, size_t len)
{
	static const char *const always[] = {"model", "messages", "n", "stream",
		"logprobs", "top_logprobs", "tools", "tool_choice", NULL};
	const char *const *lists[] = {always, n->ours};

	for (size_t i = 0; i < 2; i++)
		for (const char *const *at = lists[i]; *at; at++)
			if (strlen(*at) == len && memcmp(*at, name, len) == 0)
				return true;
	return n->sampling && strlen(n->sampling) == len &&
	       memcmp(n->sampling, name, len) == 0;
}

/* Members of the sampling's own object go into it one by one. */
static enum err_code merge(json_t *body, const json_t *extra, const struct raw_names *n,
	const struct request_terms *terms, struct err *err)
{
	json_t *value, *inner;
	const char *name;

	json_object_foreach((json_t *)extra, name, value) {
		inner = n->sampling && strcmp(name, n->sampling) == 0 &&
					json_is_object(value)
				? json_object_get(body, name)
				: NULL;
		if (inner && !json_object_get(value, "n"))
			json_object_update(inner, value);
		else if (is_ours(n, name, strlen(name)))
			return err_set(err, ERR_INVALID,
				"teacher '%s': extra_body.%s is retort's own affair",
				terms->teacher->name, name);
		else
			json_object_set(body, name, value);
	}
	return ERR_NONE;
}

/* What the prompt itself asks for, in place of what the job and its extra_body say.
 * Members that are no sampling are added as text (dump), every digit as it was. */
static enum err_code override(json_t *body, json_t *sampling, const struct raw_names *n,
	const struct request_terms *terms, struct err *err)
{
	const struct overrides *o = terms->overrides;

	if (!o)
		return ERR_NONE;
	if (job_has_int(o->sampling.seed))
		json_object_del(sampling, n->seed);
	if (o->sampling.stop)
		json_object_del(sampling, "stop");
	for (size_t i = 0; i < o->n_members; i++) {
		struct bytes name = o->member[i].name;
		char *text = mem_dup_text((const char *)name.data, name.len);

		json_object_del(body, text);
		free(text);
		if (is_ours(n, (const char *)name.data, name.len))
			return err_set(err, ERR_INVALID,
				"the prompt's request: '%.*s' cannot be sent with a "
				"raw prompt, or is retort's own affair",
				(int)name.len, name.data);
	}
	return add_sampling(sampling, n, terms, &o->sampling, err);
}

/* The members without braces. */
static void dump_members(const json_t *object, struct buf *out)
{
	char *text = json_dumps(object, DUMP_FLAGS);

	assert(text && text[0] == '{');
	buf_add(out, text + 1, strlen(text) - 2);
	free(text);
}

/* The sampling's own object comes first, so that a seed can follow its members. */
static void dump(json_t *body, json_t *sampling, const struct raw_names *n,
	const struct request_terms *terms, struct request_form *form)
{
	const struct overrides *o = terms->overrides;

	buf_add_byte(&form->head, '{');
	if (n->sampling) {
		buf_printf(&form->head, "\"%s\":{", n->sampling);
		dump_members(sampling, &form->head);
		json_object_del(body, n->sampling);
		buf_add_str(&form->tail, "},");
		dump_members(body, &form->tail);
	} else {
		dump_members(body, &form->head);
	}
	for (size_t i = 0; o && i < o->n_members; i++) {
		buf_add_str(&form->tail, ",\"");
		buf_add(&form->tail, o->member[i].name.data, o->member[i].name.len);
		buf_add_str(&form->tail, "\":");
		buf_add(&form->tail, o->member[i].value.data, o->member[i].value.len);
	}
}

static void note_seed(
	struct request_form *form, const json_t *sampling, const struct raw_names *n)
{
	const json_t *seed = n->seed ? json_object_get(sampling, n->seed) : NULL;
	const json_t *temperature = json_object_get(sampling, "temperature");

	form->takes_seed = n->seed && !seed;
	form->seed = json_is_integer(seed) && json_integer_value(seed) >= 0
			     ? (uint64_t)json_integer_value(seed)
			     : SEED_NONE;
	form->temperature = json_is_number(temperature) ? json_number_value(temperature)
							: (double)NAN;
}

enum err_code raw_form_init(struct request_form *form, const struct raw_names *n,
	const struct request_terms *terms, json_t *body, struct err *err)
{
	json_t *sampling = n->sampling ? json_object_get(body, n->sampling) : body;
	enum err_code code;

	*form = (struct request_form){0};
	buf_init(&form->head, LIMIT_JOB_FILE);
	buf_init(&form->tail, LIMIT_JOB_FILE + LIMIT_CORPUS_LINE);
	json_incref(sampling);
	code = terms->prefill ? unknown_key(terms, "prefill", err) : ERR_NONE;
	if (code == ERR_NONE)
		code = add_sampling(sampling, n, terms, terms->sampling, err);
	if (code == ERR_NONE)
		code = merge(body, terms->teacher->extra_body, n, terms, err);
	if (code == ERR_NONE)
		code = override(body, sampling, n, terms, err);
	if (code == ERR_NONE) {
		note_seed(form, sampling, n);
		dump(body, sampling, n, terms, form);
		if (form->head.over || form->tail.over)
			code = err_set(err, ERR_INVALID,
				"teacher '%s': the request's fixed part is too long",
				terms->teacher->name);
	}
	if (code != ERR_NONE)
		request_form_release(form);
	json_decref(sampling);
	json_decref(body);
	return code;
}

enum err_code raw_write_request(const struct request_form *form,
	const struct raw_names *n, struct bytes messages, uint64_t seed,
	struct buf *out, struct err *err)
{
	struct raw_prompt prompt;

	if (!raw_prompt_read(messages, &prompt))
		return err_set(err, ERR_INVALID,
			"it is no raw prompt, that is one text or token ids");
	buf_add(out, form->head.data, form->head.len);
	if (seed != SEED_NONE && form->takes_seed)
		buf_printf(out, ",\"%s\":%u", n->seed, request_seed(seed));
	buf_add(out, form->tail.data, form->tail.len);
	buf_printf(out, ",\"%s\":", prompt.kind == RAW_IDS ? n->ids : n->text);
	buf_add(out, prompt.value.data, prompt.value.len);
	buf_add_byte(out, '}');
	return out->over ? err_set(err, ERR_INVALID, "the request is too long")
			 : ERR_NONE;
}
