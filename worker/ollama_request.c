/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ollama.h"
#include "worker/tree_request.h"

#define OPTIONS "options"

/* Parts become one text and a list of images. */
static bool turn_parts(json_t *message, const json_t *parts, const char **why)
{
	json_t *images = json_array(), *all = json_string("");
	const json_t *part;
	bool ok = true;
	size_t i;

	json_array_foreach(parts, i, part) {
		const char *type = tree_text(part, "type"),
			   *text = tree_text(part, "text");
		const char *url = tree_text(json_object_get(part, "image_url"), "url");
		const char *data;
		char media[100];

		if (tree_is(type, "text") && text) {
			json_t *more =
				json_sprintf("%s%s", json_string_value(all), text);

			json_decref(all);
			all = more;
		} else if (tree_is(type, "image_url") && url &&
			   data_url_split(url, media, sizeof(media), &data)) {
			json_array_append_new(images, json_string(data));
		} else {
			ok = tree_refuse(why,
				"have a part that is neither text nor an image "
				"as a data: URL");
		}
	}
	json_object_set_new(message, "content", all);
	if (json_array_size(images) > 0)
		json_object_set(message, "images", images);
	json_decref(images);
	return ok;
}

/* Arguments are an object here, a text at OpenAI. */
static bool turn_calls(json_t *calls, const char **why)
{
	json_t *call;
	size_t i;

	json_array_foreach(calls, i, call) {
		json_t *function = json_object_get(call, "function");
		const char *text = tree_text(function, "arguments");
		json_t *arguments = text ? json_loads(text, 0, NULL) : NULL;

		if (!json_is_object(arguments)) {
			json_decref(arguments);
			return tree_refuse(
				why, "have a tool call whose arguments are no object");
		}
		json_object_set_new(function, "arguments", arguments);
	}
	return true;
}

static bool add_messages(json_t *body, const json_t *messages, const char **why)
{
	json_t *turns = json_deep_copy(messages), *message;
	bool ok = true;
	size_t i;

	json_object_set_new(body, "messages", turns);
	json_array_foreach(turns, i, message) {
		json_t *content = json_incref(json_object_get(message, "content"));

		if (json_is_array(content))
			ok = ok && turn_parts(message, content, why);
		else if (json_is_null(content))
			json_object_set_new(message, "content", json_string(""));
		json_decref(content);
		ok = ok && turn_calls(json_object_get(message, "tool_calls"), why);
	}
	return ok;
}

static void add_fixed(json_t *body, const struct request_terms *terms)
{
	json_t *options = tree_object(body, OPTIONS);
	int64_t most = terms->sampling->max_tokens;
	int64_t context = OLLAMA_CONTEXT;

	if (job_has_int(most) && most + most / 2 > context)
		context = most + most / 2;
	json_object_set_new(options, "num_ctx", json_integer(context));
	json_object_set_new(body, "model", json_string(terms->teacher->model));
	json_object_set_new(body, "stream", json_boolean(terms->stream));
	if (terms->top_logprobs == 0)
		return;
	json_object_set_new(body, "logprobs", json_true());
	json_object_set_new(body, "top_logprobs",
		json_integer(terms->top_logprobs < OLLAMA_K_MAX ? terms->top_logprobs
								: OLLAMA_K_MAX));
}

static bool add_format(json_t *body, const json_t *format, const char **why)
{
	const json_t *schema =
		json_object_get(json_object_get(format, "json_schema"), "schema");
	const char *type = tree_text(format, "type");

	if (tree_is(type, "text"))
		return true;
	if (tree_is(type, "json_object"))
		json_object_set_new(body, "format", json_string("json"));
	else if (schema)
		tree_set_copy(body, "format", schema);
	else
		return tree_refuse(why, "is no format that this api knows");
	return true;
}

static bool add_member(json_t *body, const char *name, json_t *value, const char **why)
{
	if (tree_is(name, "tool_choice"))
		return tree_is(json_string_value(value), "auto") ||
		       tree_refuse(why, "is not offered by this api");
	if (tree_is(name, "response_format"))
		return add_format(body, value, why);
	json_object_set(body, name, value);
	return true;
}

static const char *const ours[] = {
	"model", "messages", "stream", "logprobs", "top_logprobs", NULL};

static const struct tree_api api = {
	.inside = OPTIONS,
	.temperature = "temperature",
	.top_p = "top_p",
	.top_k = "top_k",
	.min_p = "min_p",
	.presence_penalty = "presence_penalty",
	.repetition_penalty = "repeat_penalty",
	.max_tokens = "num_predict",
	.stop = "stop",
	.seed = "seed",
	.prefills = true,
	.k_max = OLLAMA_K_MAX,
	.ours = ours,
	.add_fixed = add_fixed,
	.add_member = add_member,
	.add_messages = add_messages,
};

enum err_code ollama_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	return tree_form_init(form, &api, terms, err);
}
