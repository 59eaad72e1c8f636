/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/anthropic.h"
#include "worker/tree_request.h"

static json_t *text_block(const char *text)
{
	return json_pack("{s:s,s:s}", "type", "text", "text", text);
}

static json_t *image_block(const char *url)
{
	const char *data;
	char type[100];

	if (data_url_split(url, type, sizeof(type), &data))
		return json_pack("{s:s,s:{s:s,s:s,s:s}}", "type", "image", "source",
			"type", "base64", "media_type", type, "data", data);
	return json_pack("{s:s,s:{s:s,s:s}}", "type", "image", "source", "type", "url",
		"url", url);
}

/* Content as OpenAI has it, text or parts, behind the blocks of a turn. */
static bool add_content(json_t *blocks, const json_t *content, const char **why)
{
	const json_t *part;
	size_t i;

	if (!content || json_is_null(content))
		return true;
	if (json_is_string(content)) {
		/* Empty text blocks are refused by the server. */
		if (json_string_length(content) > 0)
			json_array_append_new(
				blocks, text_block(json_string_value(content)));
		return true;
	}
	if (!json_is_array(content))
		return tree_refuse(why, "have content that is neither text nor parts");
	json_array_foreach(content, i, part) {
		const char *type = tree_text(part, "type"),
			   *text = tree_text(part, "text");
		const char *url = tree_text(json_object_get(part, "image_url"), "url");

		if (tree_is(type, "text") && text)
			json_array_append_new(blocks, text_block(text));
		else if (tree_is(type, "image_url") && url)
			json_array_append_new(blocks, image_block(url));
		else
			return tree_refuse(
				why, "have a part that is neither text nor image");
	}
	return true;
}

static bool add_tool_calls(json_t *blocks, const json_t *calls, const char **why)
{
	const json_t *call;
	size_t i;

	json_array_foreach(calls, i, call) {
		const json_t *function = json_object_get(call, "function");
		const char *arguments = tree_text(function, "arguments");
		json_t *input = arguments ? json_loads(arguments, 0, NULL) : NULL;

		if (!json_is_object(input) || !tree_text(call, "id") ||
			!tree_text(function, "name")) {
			json_decref(input);
			return tree_refuse(
				why, "have a tool call whose arguments are no object");
		}
		json_array_append_new(
			blocks, json_pack("{s:s,s:s,s:s,s:o}", "type", "tool_use", "id",
					tree_text(call, "id"), "name",
					tree_text(function, "name"), "input", input));
	}
	return true;
}

/* The blocks of the turn to write to: a new one, unless the last has the same
 * role, since turns of one role must not follow each other. */
static json_t *turn_of(json_t *turns, const char *role)
{
	size_t n = json_array_size(turns);
	json_t *last = n ? json_array_get(turns, n - 1) : NULL, *blocks;

	if (last && tree_is(tree_text(last, "role"), role))
		return json_object_get(last, "content");
	blocks = json_array();
	json_array_append_new(
		turns, json_pack("{s:s,s:o}", "role", role, "content", blocks));
	return blocks;
}

static bool add_tool_result(json_t *turns, const json_t *message, const char **why)
{
	const char *id = tree_text(message, "tool_call_id");
	json_t *content = json_array(), *block;

	if (!id || !add_content(content, json_object_get(message, "content"), why)) {
		json_decref(content);
		return id ? false
			  : tree_refuse(why, "have a tool turn without tool_call_id");
	}
	block = json_pack("{s:s,s:s,s:o}", "type", "tool_result", "tool_use_id", id,
		"content", content);
	json_array_append_new(turn_of(turns, "user"), block);
	return true;
}

static bool add_message(
	json_t *system, json_t *turns, const json_t *message, const char **why)
{
	const char *role = tree_text(message, "role");
	const json_t *content = json_object_get(message, "content");

	if (tree_is(role, "system") || tree_is(role, "developer"))
		return add_content(system, content, why);
	if (tree_is(role, "tool"))
		return add_tool_result(turns, message, why);
	if (tree_is(role, "user"))
		return add_content(turn_of(turns, "user"), content, why);
	if (tree_is(role, "assistant")) {
		json_t *blocks = turn_of(turns, "assistant");

		return add_content(blocks, content, why) &&
		       add_tool_calls(
			       blocks, json_object_get(message, "tool_calls"), why);
	}
	return tree_refuse(why, "have a role that this api does not know");
}

static bool add_messages(json_t *body, const json_t *messages, const char **why)
{
	json_t *system = json_array(), *turns = json_array();
	const json_t *message;
	bool ok = true;
	size_t i;

	json_array_foreach(messages, i, message)
		ok = ok && add_message(system, turns, message, why);
	if (json_array_size(system) > 0)
		json_object_set(body, "system", system);
	json_object_set(body, "messages", turns);
	json_decref(system);
	json_decref(turns);
	return ok;
}

static void add_fixed(json_t *body, const struct request_terms *terms)
{
	json_object_set_new(body, "model", json_string(terms->teacher->model));
	if (terms->stream)
		json_object_set_new(body, "stream", json_true());
}

/* {"type":"function","function":{name, description, parameters}} */
static bool add_tools(json_t *body, const json_t *tools, const char **why)
{
	json_t *list = json_array();
	const json_t *tool;
	size_t i;

	json_object_set_new(body, "tools", list);
	json_array_foreach(tools, i, tool) {
		const json_t *f = json_object_get(tool, "function");
		const json_t *schema = json_object_get(f, "parameters");
		json_t *one = json_object();

		json_array_append_new(list, one);
		if (!tree_text(f, "name"))
			return tree_refuse(why, "has a tool that is no function");
		tree_set_copy(one, "name", json_object_get(f, "name"));
		tree_set_copy(one, "description", json_object_get(f, "description"));
		tree_set_copy(one, "input_schema", schema);
		if (!schema)
			json_object_set_new(one, "input_schema",
				json_pack(
					"{s:s,s:{}}", "type", "object", "properties"));
	}
	return json_is_array(tools) || tree_refuse(why, "is no list");
}

static bool add_tool_choice(json_t *body, const json_t *choice, const char **why)
{
	const char *word = json_string_value(choice);
	const char *name = tree_text(json_object_get(choice, "function"), "name");
	json_t *turned = NULL;

	if (tree_is(word, "auto") || tree_is(word, "none"))
		turned = json_pack("{s:s}", "type", word);
	else if (tree_is(word, "required"))
		turned = json_pack("{s:s}", "type", "any");
	else if (name)
		turned = json_pack("{s:s,s:s}", "type", "tool", "name", name);
	if (!turned)
		return tree_refuse(why, "is no choice that this api knows");
	json_object_set_new(body, "tool_choice", turned);
	return true;
}

static bool add_member(json_t *body, const char *name, json_t *value, const char **why)
{
	if (tree_is(name, "tools"))
		return add_tools(body, value, why);
	if (tree_is(name, "tool_choice"))
		return add_tool_choice(body, value, why);
	if (tree_is(name, "response_format"))
		return tree_is(tree_text(value, "type"), "text") ||
		       tree_refuse(why, "is not offered by this api");
	json_object_set(body, name, value);
	return true;
}

static const char *const ours[] = {"model", "messages", "system", "stream", NULL};

static const struct tree_api api = {
	.temperature = "temperature",
	.top_p = "top_p",
	.top_k = "top_k",
	.max_tokens = "max_tokens",
	.stop = "stop_sequences",
	.max_tokens_required = true,
	.prefills = true,
	.ours = ours,
	.add_fixed = add_fixed,
	.add_member = add_member,
	.add_messages = add_messages,
};

enum err_code anthropic_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	return tree_form_init(form, &api, terms, err);
}
