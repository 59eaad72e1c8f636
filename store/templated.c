/* SPDX-License-Identifier: Apache-2.0 */
#include "store/templated.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/chat_prompt.h"
#include "common/job.h"
#include "common/limits.h"
#include "common/mem.h"

/* What there is for the sample at hand. */
struct choice {
	bool from_server, made, same, count_differs;
};

struct templated {
	struct chat_prompt *chat;
	bool held; /* `made` and `why` are of this prompt: */
	uint64_t prompt;
	uint32_t settings;
	uint16_t teacher;
	struct buf made; /* empty: none, and why */
	struct err why;

	struct choice last;
	uint64_t server, templated, compared, differ, count_differs, failed;
	struct err first; /* why the first one failed */
	uint64_t first_prompt, first_differs;
};

enum err_code templated_open(const char *tokenizer, const char *chat_template,
	struct templated **out, struct err *err)
{
	struct templated *t = mem_zalloc(1, sizeof(*t));
	enum err_code code = chat_prompt_read(tokenizer, chat_template, &t->chat, err);

	buf_init(&t->made, 4 * (size_t)LIMIT_RENDERED);
	*out = t;
	if (code != ERR_NONE) {
		templated_close(t);
		*out = NULL;
	}
	return code;
}

void templated_close(struct templated *t)
{
	if (!t)
		return;
	chat_prompt_free(t->chat);
	buf_release(&t->made);
	free(t);
}

/* -- Making -- */

static const json_t *teacher_of(const struct sample *s)
{
	return s->settings
		       ? json_array_get(json_object_get(s->settings->json, "teachers"),
				 s->head.teacher)
		       : NULL;
}

/* A prompt that no template goes over: one message, a text, or ids. */
static enum err_code make_raw(struct templated *t, const json_t *prompt)
{
	const json_t *ids = json_object_get(prompt, "input_ids"), *text, *id;
	size_t i;

	json_array_foreach(ids, i, id) {
		json_int_t n = json_integer_value(id);

		if (!json_is_integer(id) || n < 0 || n > INT32_MAX)
			return err_set(&t->why, ERR_INVALID, "an id is out of range");
		buf_add_u32(&t->made, (uint32_t)n);
	}
	if (ids)
		return ERR_NONE;
	text = json_is_array(prompt)
		       ? json_object_get(json_array_get(prompt, 0), "content")
		       : json_object_get(prompt, "text");
	if (!json_is_string(text))
		return err_set(&t->why, ERR_INVALID, "the prompt is not one text");
	return chat_prompt_text_ids(t->chat,
		bytes_of(json_string_value(text), json_string_length(text)), &t->made,
		&t->why);
}

static enum err_code make_from(
	struct templated *t, const struct sample *s, json_t *prompt, const json_t *own)
{
	const json_t *teacher = teacher_of(s);
	const char *api = json_string_value(json_object_get(teacher, "api"));
	struct chat_request request = {.messages = prompt,
		.body = json_object_get(teacher, "extra_body"),
		.own = own,
		.prefill = s->settings &&
			   json_is_true(json_object_get(s->settings->json, "prefill"))};

	if (!prompt)
		return err_set(&t->why, ERR_INVALID, "the prompt is no JSON");
	if ((api && job_api_is_raw(api)) || json_is_object(prompt))
		return make_raw(t, prompt);
	return chat_prompt_ids(t->chat, &request, &t->made, &t->why);
}

static json_t *load(struct bytes text)
{
	return text.data ? json_loadb((const char *)text.data, text.len, JSON_ALLOW_NUL,
				   NULL)
			 : NULL;
}

/* The ids of the sample's prompt, into t->made. */
static enum err_code make(struct templated *t, struct sample *s, struct err *err)
{
	json_t *prompt, *own;
	enum err_code code;

	if (t->held && t->prompt == s->head.key.prompt &&
		t->settings == s->head.settings && t->teacher == s->head.teacher)
		return ERR_NONE;
	t->held = false;
	buf_clear(&t->made);
	t->made.over = false;
	t->why = (struct err){0};
	code = sample_load_prompt(s, err);
	if (code == ERR_NONE)
		code = sample_load_settings(s, err);
	if (code != ERR_NONE)
		return code;
	prompt = load(s->prompt.at[PROMPT_MESSAGES]);
	own = load(s->prompt.at[PROMPT_REQUEST]);
	if (make_from(t, s, prompt, own) != ERR_NONE)
		buf_clear(&t->made);
	json_decref(prompt);
	json_decref(own);
	t->held = true;
	t->prompt = s->head.key.prompt;
	t->settings = s->head.settings;
	t->teacher = s->head.teacher;
	return ERR_NONE;
}

/* -- Choosing -- */

enum err_code templated_choose(
	struct templated *t, struct sample *s, struct bytes *ids, struct err *err)
{
	enum err_code code = make(t, s, err);
	struct bytes made = buf_bytes(&t->made);

	if (code != ERR_NONE)
		return code;
	t->last = (struct choice){.from_server = ids->len > 0,
		.made = made.len > 0,
		.same = ids->len == made.len && made.len > 0 &&
			memcmp(ids->data, made.data, made.len) == 0,
		.count_differs = made.len > 0 &&
				 s->head.prompt_tokens != COUNT_UNKNOWN &&
				 s->head.prompt_tokens != made.len / 4};
	if (!t->last.from_server)
		*ids = made.len ? made : bytes_of(NULL, 0);
	return ERR_NONE;
}

void templated_count(struct templated *t)
{
	struct choice c = t->last;

	if (c.from_server) {
		t->server++;
		t->compared += c.made;
		if (c.made && !c.same && t->differ++ == 0)
			t->first_differs = t->prompt;
	} else {
		t->templated += c.made;
		t->count_differs += c.made && c.count_differs;
	}
	if (!c.made && t->failed++ == 0) {
		t->first = t->why;
		t->first_prompt = t->prompt;
	}
}

enum err_code templated_check(
	const struct templated *t, uint64_t digest, struct err *err)
{
	uint64_t own = chat_prompt_tokenizer(t->chat);

	if (digest == 0 || digest == own)
		return ERR_NONE;
	return err_set(err, ERR_INVALID,
		"the samples' token ids are of a tokenizer.json with the digest %016" PRIx64
		", that of --tokenizer is %016" PRIx64,
		digest, own);
}

/* -- Telling -- */

json_t *templated_json(const struct templated *t)
{
	char tokenizer[17], template[17];

	snprintf(tokenizer, sizeof(tokenizer), "%016" PRIx64,
		chat_prompt_tokenizer(t->chat));
	snprintf(template, sizeof(template), "%016" PRIx64,
		chat_prompt_template(t->chat));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "server",
		(json_int_t)t->server, "templated", (json_int_t)t->templated,
		"compared", (json_int_t)t->compared, "differ", (json_int_t)t->differ,
		"count_differs", (json_int_t)t->count_differs, "failed",
		(json_int_t)t->failed, "tokenizer", tokenizer, "chat_template",
		template);
}

void templated_say(const struct templated *t, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	if (t->differ > 0)
		at += (size_t)snprintf(out + at, size - at,
			"the template's prompt ids are not those that the server told, for "
			"%" PRIu64 " of %" PRIu64 " samples (first: prompt %" PRIu64
			"): it is not the server's template, or not its tokenizer\n",
			t->differ, t->compared, t->first_differs);
	if (t->count_differs > 0 && at < size)
		at += (size_t)snprintf(out + at, size - at,
			"of %" PRIu64
			" samples with templated prompt ids the server counted "
			"another number of prompt tokens for %" PRIu64 "\n",
			t->templated, t->count_differs);
	if (t->failed > 0 && at < size)
		snprintf(out + at, size - at,
			"the template gives no prompt ids for %" PRIu64
			" samples (first: prompt %" PRIu64 ": %s)\n",
			t->failed, t->first_prompt, t->first.msg);
}
