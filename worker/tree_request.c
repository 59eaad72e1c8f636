/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/tree_request.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "store/record.h"

/* Digits that a person typed survive 15; 17 would turn 0.7 into
 * 0.69999999999999996. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

bool tree_refuse(const char **why, const char *text)
{
	*why = text;
	return false;
}

const char *tree_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

bool tree_is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

json_t *tree_object(json_t *in, const char *name)
{
	json_t *object = json_object_get(in, name);

	if (!json_is_object(object)) {
		object = json_object();
		json_object_set_new(in, name, object);
	}
	return object;
}

void tree_set_copy(json_t *in, const char *name, const json_t *value)
{
	if (value)
		json_object_set_new(in, name, json_deep_copy(value));
}

bool data_url_split(const char *url, char *type, size_t size, const char **data)
{
	const char *comma = strchr(url, ','), *end;
	size_t n;

	if (strncmp(url, "data:", 5) != 0 || !comma)
		return false;
	end = comma - strlen(";base64");
	if (end < url + 5 || strncmp(end, ";base64", 7) != 0)
		return false;
	n = (size_t)(end - url - 5) < size - 1 ? (size_t)(end - url - 5) : size - 1;
	memcpy(type, url + 5, n);
	type[n] = '\0';
	/* Parameters may stand between the type and ";base64". */
	type[strcspn(type, ";")] = '\0';
	*data = comma + 1;
	return true;
}

static json_t *sampling_of(json_t *body, const struct tree_api *api)
{
	return api->inside ? tree_object(body, api->inside) : body;
}

static enum err_code unknown(
	const struct request_terms *terms, const char *key, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"teacher '%s': the api '%s' does not know %s; set it to null",
		terms->teacher->name, terms->teacher->api, key);
}

static enum err_code add_sampling(json_t *body, const struct tree_api *api,
	const struct request_terms *terms, const struct job_sampling *s,
	struct err *err)
{
	const struct {
		const char *key, *name;
		double value;
	} reals[] = {
		{"sampling.temperature", api->temperature, s->temperature},
		{"sampling.top_p", api->top_p, s->top_p},
		{"sampling.min_p", api->min_p, s->min_p},
		{"sampling.presence_penalty", api->presence_penalty,
			s->presence_penalty},
		{"sampling.repetition_penalty", api->repetition_penalty,
			s->repetition_penalty},
	};
	const struct {
		const char *key, *name;
		int64_t value;
	} integers[] = {
		{"sampling.top_k", api->top_k, s->top_k},
		{"sampling.max_tokens", api->max_tokens, s->max_tokens},
		{"sampling.seed", api->seed, s->seed},
	};
	json_t *in = sampling_of(body, api);

	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
		if (!job_has_real(reals[i].value))
			continue;
		if (!reals[i].name)
			return unknown(terms, reals[i].key, err);
		json_object_set_new(in, reals[i].name, json_real(reals[i].value));
	}
	for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
		if (!job_has_int(integers[i].value))
			continue;
		if (!integers[i].name)
			return unknown(terms, integers[i].key, err);
		/* The seed is written for each request. */
		if (integers[i].name != api->seed)
			json_object_set_new(
				in, integers[i].name, json_integer(integers[i].value));
	}
	if (s->stop && !api->stop)
		return unknown(terms, "sampling.stop", err);
	if (s->stop && json_array_size(s->stop) == 0)
		json_object_del(in, api->stop);
	else if (s->stop)
		tree_set_copy(in, api->stop, s->stop);
	return ERR_NONE;
}

static enum err_code check_logprobs(
	const struct tree_api *api, const struct request_terms *terms, struct err *err)
{
	if (!terms->logits_required || terms->top_logprobs <= api->k_max)
		return ERR_NONE;
	if (api->k_max == 0)
		return err_set(err, ERR_INVALID,
			"teacher '%s': the api '%s' gives no logprobs; set "
			"logits.top_logprobs to 0, or logits.required to false",
			terms->teacher->name, terms->teacher->api);
	return err_set(err, ERR_INVALID,
		"teacher '%s': the api '%s' gives at most %lld logprobs a token; "
		"lower logits.top_logprobs, or set logits.required to false",
		terms->teacher->name, terms->teacher->api, (long long)api->k_max);
}

static bool is_ours(const struct tree_api *api, const char *name)
{
	for (const char *const *o = api->ours; *o; o++)
		if (strcmp(*o, name) == 0)
			return true;
	return false;
}

static enum err_code merge_extra_body(json_t *body, const struct tree_api *api,
	const struct request_terms *terms, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(terms->teacher->extra_body, name, value)
		if (is_ours(api, name))
			return err_set(err, ERR_INVALID,
				"teacher '%s': extra_body.%s has a place of its own in "
				"the job",
				terms->teacher->name, name);
	value = json_deep_copy(terms->teacher->extra_body);
	json_object_update_recursive(body, value);
	json_decref(value);
	return ERR_NONE;
}

static enum err_code add_overrides(json_t *body, const struct tree_api *api,
	const struct request_terms *terms, struct err *err)
{
	const struct overrides *o = terms->overrides;
	enum err_code code;

	if (!o)
		return ERR_NONE;
	code = add_sampling(body, api, terms, &o->sampling, err);
	if (code == ERR_NONE && job_has_int(o->sampling.seed))
		json_object_del(sampling_of(body, api), api->seed);
	for (size_t i = 0; i < o->n_members && code == ERR_NONE; i++) {
		const struct request_member *m = &o->member[i];
		char *name = mem_dup_text((const char *)m->name.data, m->name.len);
		json_t *value = json_loadb((const char *)m->value.data, m->value.len,
			JSON_DECODE_ANY, NULL);
		const char *why = "is retort's own affair";

		if (!value || is_ours(api, name) ||
			!api->add_member(body, name, value, &why))
			code = err_set(err, ERR_INVALID,
				"the prompt's request: '%s' %s", name,
				value ? why : "is not JSON");
		json_decref(value);
		free(name);
	}
	return code;
}

static double number_or_nan(const json_t *v)
{
	return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static void note_sent(struct request_form *form, const struct tree_api *api)
{
	const json_t *in = sampling_of(form->tree, api);
	const json_t *seed = api->seed ? json_object_get(in, api->seed) : NULL;

	form->takes_seed = api->seed && !seed;
	form->seed = json_is_integer(seed) && json_integer_value(seed) >= 0
			     ? (uint64_t)json_integer_value(seed)
			     : SEED_NONE;
	form->temperature =
		api->temperature ? number_or_nan(json_object_get(in, api->temperature))
				 : (double)NAN;
}

enum err_code tree_form_init(struct request_form *form, const struct tree_api *api,
	const struct request_terms *terms, struct err *err)
{
	enum err_code code;

	*form = (struct request_form){.tree = json_object(), .api = api};
	code = check_logprobs(api, terms, err);
	if (code == ERR_NONE && terms->prefill && !api->prefills)
		code = unknown(terms, "prefill", err);
	if (code == ERR_NONE)
		code = add_sampling(form->tree, api, terms, terms->sampling, err);
	if (code == ERR_NONE)
		api->add_fixed(form->tree, terms);
	if (code == ERR_NONE)
		code = merge_extra_body(form->tree, api, terms, err);
	if (code == ERR_NONE)
		code = add_overrides(form->tree, api, terms, err);
	if (code == ERR_NONE && api->max_tokens_required &&
		!json_object_get(sampling_of(form->tree, api), api->max_tokens))
		code = err_set(err, ERR_INVALID,
			"teacher '%s': the api '%s' needs sampling.max_tokens",
			terms->teacher->name, terms->teacher->api);
	if (code == ERR_NONE)
		note_sent(form, api);
	else
		request_form_release(form);
	return code;
}

enum err_code tree_write_request(const struct request_form *form, struct bytes messages,
	uint64_t seed, struct buf *out, struct err *err)
{
	const struct tree_api *api = form->api;
	json_t *turns = json_loadb((const char *)messages.data, messages.len, 0, NULL);
	json_t *body = json_deep_copy(form->tree);
	const char *why = "are not JSON";
	enum err_code code = ERR_NONE;
	char *text;

	if (seed != SEED_NONE && form->takes_seed)
		json_object_set_new(sampling_of(body, api), api->seed,
			json_integer(request_seed(seed)));
	if (!turns || !api->add_messages(body, turns, &why))
		code = err_set(err, ERR_INVALID, "the prompt's messages %s", why);
	text = code == ERR_NONE ? json_dumps(body, DUMP_FLAGS) : NULL;
	if (text)
		buf_add_str(out, text);
	free(text);
	json_decref(body);
	json_decref(turns);
	return code;
}
