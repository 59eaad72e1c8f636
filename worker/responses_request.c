/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/responses.h"
#include "worker/tree_request.h"

/* The parts of a turn have names of their own here. */
static json_t *turn_parts(const json_t *content, bool is_answer, const char **why)
{
	const char *kind = is_answer ? "output_text" : "input_text";
	json_t *parts = json_array();
	const json_t *part;
	size_t i;

	json_array_foreach(content, i, part) {
		const char *type = tree_text(part, "type"),
			   *text = tree_text(part, "text");
		const json_t *image = json_object_get(part, "image_url");
		json_t *turned = NULL;

		if (tree_is(type, "text") && text)
			turned = json_pack("{s:s,s:s}", "type", kind, "text", text);
		else if (tree_is(type, "image_url") && tree_text(image, "url"))
			turned = json_pack("{s:s,s:s,s:s*}", "type", "input_image",
				"image_url", tree_text(image, "url"), "detail",
				tree_text(image, "detail"));
		if (!turned) {
			json_decref(parts);
			tree_refuse(why, "have a part that is neither text nor image");
			return NULL;
		}
		json_array_append_new(parts, turned);
	}
	return parts;
}

static bool add_calls(json_t *input, const json_t *calls, const char **why)
{
	const json_t *call;
	size_t i;

	json_array_foreach(calls, i, call) {
		const json_t *f = json_object_get(call, "function");
		json_t *item = json_pack("{s:s,s:s,s:s,s:s}", "type", "function_call",
			"call_id", tree_text(call, "id"), "name", tree_text(f, "name"),
			"arguments", tree_text(f, "arguments"));

		if (!item)
			return tree_refuse(
				why, "have a tool call without id, name or arguments");
		json_array_append_new(input, item);
	}
	return true;
}

static bool add_message(json_t *input, const json_t *message, const char **why)
{
	const char *role = tree_text(message, "role");
	json_t *content = json_object_get(message, "content");

	if (tree_is(role, "tool")) {
		json_t *item = json_pack("{s:s,s:s,s:O}", "type",
			"function_call_output", "call_id",
			tree_text(message, "tool_call_id"), "output", content);

		if (!item)
			return tree_refuse(
				why, "have a tool turn without id or content");
		json_array_append_new(input, item);
		return true;
	}
	if (!role)
		return tree_refuse(why, "have a turn without role");
	if (json_is_string(content))
		json_array_append_new(input,
			json_pack("{s:s,s:O}", "role", role, "content", content));
	else if (json_is_array(content)) {
		json_t *parts = turn_parts(content, tree_is(role, "assistant"), why);

		if (!parts)
			return false;
		json_array_append_new(
			input, json_pack("{s:s,s:o}", "role", role, "content", parts));
	}
	return add_calls(input, json_object_get(message, "tool_calls"), why);
}

static bool add_messages(json_t *body, const json_t *messages, const char **why)
{
	json_t *input = json_array();
	const json_t *message;
	bool ok = true;
	size_t i;

	json_object_set_new(body, "input", input);
	json_array_foreach(messages, i, message)
		ok = ok && add_message(input, message, why);
	return ok;
}

static void add_fixed(json_t *body, const struct request_terms *terms)
{
	json_object_set_new(body, "model", json_string(terms->teacher->model));
	/* Nothing of a job is to stay with the provider. */
	json_object_set_new(body, "store", json_false());
	if (terms->stream)
		json_object_set_new(body, "stream", json_true());
	if (terms->top_logprobs == 0)
		return;
	json_object_set_new(
		body, "include", json_pack("[s]", "message.output_text.logprobs"));
	json_object_set_new(body, "top_logprobs",
		json_integer(terms->top_logprobs < RESPONSES_K_MAX ? terms->top_logprobs
								   : RESPONSES_K_MAX));
}

/* {"type":"function","function":{...}}: the members stand one level higher. */
static bool add_tools(json_t *body, const json_t *tools, const char **why)
{
	json_t *list = json_array();
	const json_t *tool;
	size_t i;

	json_object_set_new(body, "tools", list);
	json_array_foreach(tools, i, tool) {
		json_t *one = json_deep_copy(json_object_get(tool, "function"));

		if (!json_is_object(one))
			one = json_deep_copy(tool);
		else
			json_object_set_new(one, "type", json_string("function"));
		json_array_append_new(list, one);
	}
	return json_is_array(tools) || tree_refuse(why, "is no list");
}

static bool add_format(json_t *body, const json_t *format, const char **why)
{
	json_t *turned = json_deep_copy(json_object_get(format, "json_schema"));
	const char *type = tree_text(format, "type");

	if (json_is_object(turned))
		json_object_set_new(turned, "type", json_string("json_schema"));
	else if (tree_is(type, "text") || tree_is(type, "json_object"))
		turned = json_pack("{s:s}", "type", type);
	else
		return tree_refuse(why, "is no format that this api knows");
	json_object_set_new(tree_object(body, "text"), "format", turned);
	return true;
}

static bool add_member(json_t *body, const char *name, json_t *value, const char **why)
{
	const char *function = tree_text(json_object_get(value, "function"), "name");

	if (tree_is(name, "tools"))
		return add_tools(body, value, why);
	if (tree_is(name, "response_format"))
		return add_format(body, value, why);
	if (tree_is(name, "reasoning_effort"))
		json_object_set(tree_object(body, "reasoning"), "effort", value);
	else if (tree_is(name, "tool_choice") && function)
		json_object_set_new(body, name,
			json_pack("{s:s,s:s}", "type", "function", "name", function));
	else
		json_object_set(body, name, value);
	return true;
}

static const char *const ours[] = {
	"model", "input", "messages", "stream", "top_logprobs", NULL};

static const struct tree_api api = {
	.temperature = "temperature",
	.top_p = "top_p",
	.max_tokens = "max_output_tokens",
	.k_max = RESPONSES_K_MAX,
	.ours = ours,
	.add_fixed = add_fixed,
	.add_member = add_member,
	.add_messages = add_messages,
};

enum err_code responses_form_init(
	struct request_form *form, const struct request_terms *terms, struct err *err)
{
	return tree_form_init(form, &api, terms, err);
}
