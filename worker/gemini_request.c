/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/gemini.h"
#include "worker/tree_request.h"

#define CONFIG "generationConfig"

static json_t *image_part(const char *url)
{
	const char *data;
	char type[100];

	if (data_url_split(url, type, sizeof(type), &data))
		return json_pack(
			"{s:{s:s,s:s}}", "inlineData", "mimeType", type, "data", data);
	return json_pack("{s:{s:s}}", "fileData", "fileUri", url);
}

static bool add_content(json_t *parts, const json_t *content, const char **why)
{
	const json_t *part;
	size_t i;

	if (!content || json_is_null(content))
		return true;
	if (json_is_string(content)) {
		json_array_append_new(
			parts, json_pack("{s:s}", "text", json_string_value(content)));
		return true;
	}
	if (!json_is_array(content))
		return tree_refuse(why, "have content that is neither text nor parts");
	json_array_foreach(content, i, part) {
		const char *type = tree_text(part, "type"),
			   *text = tree_text(part, "text");
		const char *url = tree_text(json_object_get(part, "image_url"), "url");

		if (tree_is(type, "text") && text)
			json_array_append_new(parts, json_pack("{s:s}", "text", text));
		else if (tree_is(type, "image_url") && url)
			json_array_append_new(parts, image_part(url));
		else
			return tree_refuse(
				why, "have a part that is neither text nor image");
	}
	return true;
}

static bool add_tool_calls(json_t *parts, const json_t *calls, const char **why)
{
	const json_t *call;
	size_t i;

	json_array_foreach(calls, i, call) {
		const json_t *function = json_object_get(call, "function");
		const char *arguments = tree_text(function, "arguments");
		json_t *args = arguments ? json_loads(arguments, 0, NULL) : NULL;

		if (!json_is_object(args) || !tree_text(function, "name")) {
			json_decref(args);
			return tree_refuse(
				why, "have a tool call whose arguments are no object");
		}
		json_array_append_new(
			parts, json_pack("{s:{s:s,s:o}}", "functionCall", "name",
				       tree_text(function, "name"), "args", args));
	}
	return true;
}

/* Turns of one role are one turn. */
static json_t *turn_of(json_t *turns, const char *role)
{
	size_t n = json_array_size(turns);
	json_t *last = n ? json_array_get(turns, n - 1) : NULL, *parts;

	if (last && tree_is(tree_text(last, "role"), role))
		return json_object_get(last, "parts");
	parts = json_array();
	json_array_append_new(
		turns, json_pack("{s:s,s:o}", "role", role, "parts", parts));
	return parts;
}

/* The name of the call that a tool turn answers. */
static const char *called(const json_t *messages, const char *id)
{
	const json_t *message, *call;
	size_t i, j;

	json_array_foreach(messages, i, message)
		json_array_foreach(json_object_get(message, "tool_calls"), j, call)
			if (id && tree_is(tree_text(call, "id"), id))
				return tree_text(
					json_object_get(call, "function"), "name");
	return NULL;
}

static bool add_tool_result(
	json_t *turns, const json_t *messages, const json_t *message, const char **why)
{
	const char *name = tree_text(message, "name");
	const char *result = tree_text(message, "content");

	if (!name)
		name = called(messages, tree_text(message, "tool_call_id"));
	if (!name || !result)
		return tree_refuse(
			why, "have a tool turn that answers no call with a text");
	json_array_append_new(turn_of(turns, "user"),
		json_pack("{s:{s:s,s:{s:s}}}", "functionResponse", "name", name,
			"response", "result", result));
	return true;
}

static bool add_messages(json_t *body, const json_t *messages, const char **why)
{
	json_t *system = json_array(), *turns = json_array();
	const json_t *message;
	bool ok = true;
	size_t i;

	json_array_foreach(messages, i, message) {
		const char *role = tree_text(message, "role");
		const json_t *content = json_object_get(message, "content");

		if (!ok)
			break;
		if (tree_is(role, "system") || tree_is(role, "developer"))
			ok = add_content(system, content, why);
		else if (tree_is(role, "tool"))
			ok = add_tool_result(turns, messages, message, why);
		else if (tree_is(role, "user"))
			ok = add_content(turn_of(turns, "user"), content, why);
		else if (tree_is(role, "assistant"))
			ok = add_content(turn_of(turns, "model"), content, why) &&
			     add_tool_calls(turn_of(turns, "model"),
				     json_object_get(message, "tool_calls"), why);
		else
			ok = tree_refuse(
				why, "have a role that this api does not know");
	}
	if (json_array_size(system) > 0)
		json_object_set_new(
			body, "systemInstruction", json_pack("{s:O}", "parts", system));
	json_object_set(body, "contents", turns);
	json_decref(system);
	json_decref(turns);
	return ok;
}

static void add_fixed(json_t *body, const struct request_terms *terms)
{
	json_t *config = tree_object(body, CONFIG);

	if (terms->top_logprobs == 0)
		return;
	json_object_set_new(config, "responseLogprobs", json_true());
	json_object_set_new(config, "logprobs",
		json_integer(terms->top_logprobs < GEMINI_K_MAX ? terms->top_logprobs
								: GEMINI_K_MAX));
}

static bool add_tools(json_t *body, const json_t *tools, const char **why)
{
	json_t *list = json_array();
	const json_t *tool;
	size_t i;

	json_object_set_new(
		body, "tools", json_pack("[{s:o}]", "functionDeclarations", list));
	json_array_foreach(tools, i, tool) {
		const json_t *f = json_object_get(tool, "function");

		if (!tree_text(f, "name"))
			return tree_refuse(why, "has a tool that is no function");
		json_array_append_new(list, json_deep_copy(f));
	}
	return json_is_array(tools) || tree_refuse(why, "is no list");
}

static bool add_tool_choice(json_t *body, const json_t *choice, const char **why)
{
	const char *word = json_string_value(choice);
	const char *name = tree_text(json_object_get(choice, "function"), "name");
	json_t *turned = NULL;

	if (tree_is(word, "auto") || tree_is(word, "none"))
		turned = json_pack(
			"{s:s}", "mode", tree_is(word, "auto") ? "AUTO" : "NONE");
	else if (tree_is(word, "required"))
		turned = json_pack("{s:s}", "mode", "ANY");
	else if (name)
		turned = json_pack(
			"{s:s,s:[s]}", "mode", "ANY", "allowedFunctionNames", name);
	if (!turned)
		return tree_refuse(why, "is no choice that this api knows");
	json_object_set_new(body, "toolConfig",
		json_pack("{s:o}", "functionCallingConfig", turned));
	return true;
}

static bool add_format(json_t *body, const json_t *format, const char **why)
{
	json_t *config = tree_object(body, CONFIG);
	const json_t *schema =
		json_object_get(json_object_get(format, "json_schema"), "schema");

	if (tree_is(tree_text(format, "type"), "text"))
		return true;
	if (!tree_is(tree_text(format, "type"), "json_object") && !schema)
		return tree_refuse(why, "is no format that this api knows");
	json_object_set_new(
		config, "responseMimeType", json_string("application/json"));
	tree_set_copy(config, "responseJsonSchema", schema);
	return true;
}

static bool add_member(json_t *body, const char *name, json_t *value, const char **why)
{
	if (tree_is(name, "tools"))
		return add_tools(body, value, why);
	if (tree_is(name, "tool_choice"))
		return add_tool_choice(body, value, why);
	if (tree_is(name, "response_format"))
		return add_format(body, value, why);
	json_object_set(body, name, value);
	return true;
}

static const char *const ours[] = {"model", "contents", "systemInstruction", NULL};

static const struct tree_api api = {
	.inside = CONFIG,
	.temperature = "temperature",
	.top_p = "topP",
	.top_k = "topK",
	.presence_penalty = "presencePenalty",
	.max_tokens = "maxOutputTokens",
	.stop = "stopSequences",
	.seed = "seed",
	.k_max = GEMINI_K_MAX,
	.ours = ours,
	.add_fixed = add_fixed,
	.add_member = add_member,
	.add_messages = add_messages,
};

enum err_code gemini_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	return tree_form_init(form, &api, terms, err);
}
