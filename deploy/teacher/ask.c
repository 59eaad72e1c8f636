/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/banned.h"
#include "common/limits.h"
#include "common/mem.h"

#define MESSAGES_MAX 4096

static bool complain(struct complaint *why, const char *param, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static bool complain(struct complaint *why, const char *param, const char *fmt, ...)
{
	va_list ap;

	snprintf(why->param, sizeof(why->param), "%s", param);
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return false;
}

/* The value under a name; NULL also if it is null. */
static const json_t *field(const struct ask *a, const char *name)
{
	const json_t *value = json_object_get(a->json, name);

	return json_is_null(value) ? NULL : value;
}

static bool read_integer(const struct ask *a, const char *name, int64_t min,
	int64_t max, int64_t *out, struct complaint *why)
{
	const json_t *value = field(a, name);

	if (!value)
		return true;
	if (!json_is_integer(value))
		return complain(why, name, "%s must be an integer", name);
	*out = json_integer_value(value);
	if (*out < min || *out > max)
		return complain(why, name, "%s must be from %lld to %lld, got %lld",
			name, (long long)min, (long long)max, (long long)*out);
	return true;
}

static bool read_real(const struct ask *a, const char *name, double min, double max,
	double *out, struct complaint *why)
{
	const json_t *value = field(a, name);

	if (!value)
		return true;
	if (!json_is_number(value))
		return complain(why, name, "%s must be a number", name);
	*out = json_number_value(value);
	if (!(*out >= min && *out <= max))
		return complain(why, name, "%s must be from %g to %g", name, min, max);
	return true;
}

static bool read_bool(
	const struct ask *a, const char *name, bool *out, struct complaint *why)
{
	const json_t *value = field(a, name);

	if (!value)
		return true;
	if (!json_is_boolean(value))
		return complain(why, name, "%s must be true or false", name);
	*out = json_is_true(value);
	return true;
}

static struct bytes text_of(const json_t *value)
{
	return bytes_of(json_string_value(value), json_string_length(value));
}

/* Text in parts, joined by line breaks. The buffer does not move: it is as
 * large as the body from the start. */
static bool join_parts(const json_t *parts, struct buf *joined, struct bytes *out)
{
	size_t from = joined->len, n = 0, i;
	const json_t *part;

	json_array_foreach(parts, i, part) {
		const char *type = json_string_value(json_object_get(part, "type"));
		const json_t *text = json_object_get(part, "text");

		if (!type || strcmp(type, "text") != 0 || !json_is_string(text))
			return false;
		if (n++ > 0)
			buf_add_byte(joined, '\n');
		buf_add(joined, json_string_value(text), json_string_length(text));
	}
	*out = bytes_of(joined->data + from, joined->len - from);
	return !joined->over;
}

static bool read_message(
	struct ask *a, const json_t *json, struct message *out, struct complaint *why)
{
	const json_t *content = json_object_get(json, "content");

	out->role = text_of(json_object_get(json, "role"));
	if (out->role.len == 0)
		return complain(why, "messages", "every message needs a role");
	if (json_is_string(content))
		out->content = text_of(content);
	else if (!content || json_is_null(content))
		out->content = bytes_of("", 0);
	else if (!json_is_array(content) ||
		 !join_parts(content, &a->joined, &out->content))
		return complain(
			why, "messages", "content must be text, or parts of type text");
	return true;
}

static bool read_messages(struct ask *a, struct complaint *why)
{
	const json_t *list = field(a, "messages"), *one;
	size_t n = json_array_size(list), i;

	if (n == 0 || n > MESSAGES_MAX)
		return complain(why, "messages", "messages must be a list of 1 to %d",
			MESSAGES_MAX);
	a->message = mem_zalloc(n, sizeof(*a->message));
	a->n_messages = n;
	json_array_foreach(list, i, one)
		if (!read_message(a, one, &a->message[i], why))
			return false;
	return true;
}

/* A prompt of token ids becomes the text that they stand for. */
static bool read_prompt_ids(struct ask *a, const json_t *list,
	const struct vocabulary *vocabulary, struct complaint *why)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		json_int_t id = json_integer_value(one);
		struct bytes word;

		if (!json_is_integer(one) || id < 0 ||
			id >= (json_int_t)VOCABULARY_SIZE)
			return complain(
				why, "prompt", "prompt has an unknown token id");
		id_list_add(&a->prompt_ids, (unsigned)id);
		word = teacher_vocabulary_bytes(vocabulary, (unsigned)id);
		buf_add(&a->joined, word.data, word.len);
	}
	a->message->content = buf_bytes(&a->joined);
	if (a->joined.over)
		return complain(why, "prompt", "prompt is too long");
	return true;
}

static bool read_prompt(
	struct ask *a, const struct vocabulary *vocabulary, struct complaint *why)
{
	const json_t *prompt = field(a, "prompt");

	a->message = mem_zalloc(1, sizeof(*a->message));
	a->n_messages = 1;
	a->message->role = bytes_of("prompt", 6);
	if (json_array_size(prompt) == 1 && json_is_string(json_array_get(prompt, 0)))
		prompt = json_array_get(prompt, 0);
	if (json_is_string(prompt)) {
		a->message->content = text_of(prompt);
		return true;
	}
	if (json_array_size(prompt) > 0)
		return read_prompt_ids(a, prompt, vocabulary, why);
	return complain(
		why, "prompt", "prompt must be one text, or a list of token ids");
}

static bool read_stop(struct ask *a, struct complaint *why)
{
	const json_t *stop = field(a, "stop"), *one;
	size_t i;

	if (json_is_string(stop)) {
		a->stop[a->n_stop++] = text_of(stop);
		return true;
	}
	if (stop && (!json_is_array(stop) || json_array_size(stop) > ASK_STOPS_MAX))
		return complain(why, "stop",
			"stop must be a text or a list of at most %d", ASK_STOPS_MAX);
	json_array_foreach(stop, i, one) {
		if (!json_is_string(one))
			return complain(why, "stop", "stop must be a list of texts");
		a->stop[a->n_stop++] = text_of(one);
	}
	return true;
}

/* In chat: logprobs is a yes or no, top_logprobs the number. In the older
 * completions logprobs is the number. */
static bool read_logprobs(
	struct ask *a, const struct style *style, struct complaint *why)
{
	const char *name = a->is_chat ? "top_logprobs" : "logprobs";
	bool has_number = field(a, name) != NULL;

	if (a->is_chat && !read_bool(a, "logprobs", &a->logprobs, why))
		return false;
	if (a->is_chat && a->logprobs)
		a->top_logprobs = style->dialect->default_top;
	if (!read_integer(a, name, -1, INT32_MAX, &a->top_logprobs, why))
		return false;
	if (!a->is_chat)
		a->logprobs = has_number;
	if (a->is_chat && has_number && !a->logprobs && a->top_logprobs != 0)
		return complain(
			why, name, "when using top_logprobs, logprobs must be true");
	if (style->max_logprobs >= 0 &&
		(a->top_logprobs > style->max_logprobs || a->top_logprobs < 0))
		return complain(why, name,
			"requested sample logprobs of %lld, which is greater than max "
			"allowed: %lld",
			(long long)a->top_logprobs, (long long)style->max_logprobs);
	if (a->top_logprobs < 0 || a->top_logprobs > (int64_t)VOCABULARY_SIZE)
		a->top_logprobs = VOCABULARY_SIZE;
	return true;
}

/* vLLM's, which scores what it is given. */
static bool read_given(struct ask *a, const struct style *style, struct complaint *why)
{
	static const char name[] = "prompt_logprobs";

	a->given_logprobs = -1;
	if (!style->dialect->gives_ids)
		return true;
	if (!read_integer(a, name, -1, INT32_MAX, &a->given_logprobs, why))
		return false;
	if (a->given_logprobs < 0)
		return true;
	if (a->prompt_ids.n == 0 || a->stream)
		return complain(why, name,
			"this server has prompt_logprobs for prompts of token ids, and "
			"not in streams");
	if (style->max_logprobs >= 0 && a->given_logprobs > style->max_logprobs)
		return complain(why, name,
			"requested prompt logprobs of %lld, which is greater than max "
			"allowed: %lld",
			(long long)a->given_logprobs, (long long)style->max_logprobs);
	return true;
}

static bool read_sampling(struct ask *a, struct complaint *why)
{
	double ignored;

	a->sampling = (struct sampling){.temperature = 1, .top_p = 1};
	return read_real(a, "temperature", 0, 1000, &a->sampling.temperature, why) &&
	       read_real(a, "top_p", 0, 1, &a->sampling.top_p, why) &&
	       read_real(a, "min_p", 0, 1, &a->sampling.min_p, why) &&
	       read_integer(a, "top_k", -1, INT32_MAX, &a->sampling.top_k, why) &&
	       read_real(a, "presence_penalty", -2, 2, &ignored, why) &&
	       read_real(a, "frequency_penalty", -2, 2, &ignored, why) &&
	       read_real(a, "repetition_penalty", 0, 10, &ignored, why);
}

static bool read_counts(struct ask *a, struct complaint *why)
{
	int64_t n = 1;

	a->max_tokens = a->is_chat ? ASK_TOKENS_DEFAULT : ASK_COMPLETION_TOKENS_DEFAULT;
	if (!read_integer(a, "max_tokens", 1, LIMIT_MAX_TOKENS, &a->max_tokens, why) ||
		!read_integer(a, "max_completion_tokens", 1, LIMIT_MAX_TOKENS,
			&a->max_tokens, why) ||
		!read_integer(a, "n", 1, ASK_CHOICES_MAX, &n, why) ||
		!read_integer(a, "seed", INT64_MIN, INT64_MAX, &a->seed, why))
		return false;
	a->n = (unsigned)n;
	a->has_seed = field(a, "seed") != NULL;
	return true;
}

static bool read_switches(struct ask *a, struct complaint *why)
{
	const json_t *template = field(a, "chat_template_kwargs");
	const json_t *options = field(a, "stream_options");

	a->include_reasoning = a->skip_special = true;
	a->thinks = !json_is_false(json_object_get(template, "enable_thinking")) &&
		    !json_is_false(json_object_get(template, "thinking"));
	a->stream_usage = json_is_true(json_object_get(options, "include_usage"));
	if (!read_bool(a, "stream", &a->stream, why) ||
		!read_bool(a, "return_token_ids", &a->return_token_ids, why) ||
		!read_bool(a, "return_tokens_as_token_ids", &a->tokens_as_ids, why) ||
		!read_bool(a, "include_reasoning", &a->include_reasoning, why) ||
		!read_bool(a, "skip_special_tokens", &a->skip_special, why))
		return false;
	if (a->stream && !a->is_chat)
		return complain(
			why, "stream", "this server streams the answers of chats only");
	return true;
}

/* What OpenAI's own server knows; it refuses anything else. */
static bool refuse_unknown(const struct ask *a, struct complaint *why)
{
	static const char *const known[] = {"model", "messages", "prompt", "max_tokens",
		"max_completion_tokens", "n", "temperature", "top_p",
		"presence_penalty", "frequency_penalty", "seed", "stop", "logprobs",
		"top_logprobs", "stream", "stream_options", "user", "metadata", "store",
		"service_tier", "response_format", "logit_bias", "reasoning_effort",
		"tools", "tool_choice", "parallel_tool_calls", "prompt_cache_key",
		"safety_identifier", "echo", "best_of", "suffix", "verbosity"};
	const char *name;
	json_t *value;

	json_object_foreach(a->json, name, value) {
		bool is_known = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			is_known |= strcmp(known[i], name) == 0;
		if (!is_known)
			return complain(why, name,
				"Unrecognized request argument supplied: %.100s", name);
	}
	return true;
}

bool ask_read(struct bytes body, bool is_chat, const struct style *style,
	const struct vocabulary *vocabulary, struct ask *out, struct complaint *why)
{
	json_error_t error;
	const json_t *model;

	memset(out, 0, sizeof(*out));
	/* A token id is a digit or more in the body and at most 16 bytes of text. */
	buf_init(&out->joined, 16 * body.len + 64);
	out->is_chat = is_chat;
	out->json = json_loadb((const char *)body.data, body.len, 0, &error);
	if (!json_is_object(out->json))
		return complain(why, "", "the body is not a JSON object: %.120s",
			out->json ? "another value" : error.text);
	if (style->dialect->refuses_unknown && !refuse_unknown(out, why))
		return false;
	model = field(out, "model");
	out->model = json_string_value(model);
	if (model && !out->model)
		return complain(why, "model", "model must be a text");
	if (!out->joined.data)
		buf_reserve(&out->joined, body.len + 64);
	return (is_chat ? read_messages(out, why)
			: read_prompt(out, vocabulary, why)) &&
	       read_counts(out, why) && read_sampling(out, why) &&
	       read_stop(out, why) && read_logprobs(out, style, why) &&
	       read_switches(out, why) && read_given(out, style, why);
}

void ask_release(struct ask *a)
{
	json_decref(a->json);
	free(a->message);
	id_list_release(&a->prompt_ids);
	buf_release(&a->joined);
	memset(a, 0, sizeof(*a));
}
