/* SPDX-License-Identifier: Apache-2.0 */
#include "common/chat_prompt.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/hash.h"
#include "common/jinja.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/text_encoder.h"

struct chat_prompt {
	struct text_encoder *encoder;
	struct jinja *plain, *with_tools; /* the second may be NULL */
	uint64_t digest;
	json_t *names; /* bos_token and the like */
	struct buf text;
};

void chat_prompt_free(struct chat_prompt *c)
{
	if (!c)
		return;
	text_encoder_free(c->encoder);
	jinja_free(c->plain);
	jinja_free(c->with_tools);
	json_decref(c->names);
	buf_release(&c->text);
	free(c);
}

uint64_t chat_prompt_tokenizer(const struct chat_prompt *c)
{
	return text_encoder_digest(c->encoder);
}

uint64_t chat_prompt_template(const struct chat_prompt *c)
{
	return c->digest;
}

/* -- Files -- */

static enum err_code read_json(const char *path, json_t **out, struct err *err)
{
	struct buf file;
	json_error_t at;
	enum err_code code;

	buf_init(&file, LIMIT_TOKENIZER_FILE);
	code = file_read(path, &file, err);
	*out = NULL;
	if (code == ERR_NONE) {
		*out = json_loadb(file.len ? (const char *)file.data : "", file.len,
			JSON_ALLOW_NUL, &at);
		if (!*out)
			code = err_set(err, ERR_INVALID, "%s:%d:%d: %s", path, at.line,
				at.column, at.text);
	}
	buf_release(&file);
	return code;
}

/* "bos_token": "<s>", or an object with a content. */
static void read_names(struct chat_prompt *c, const json_t *config)
{
	static const char *const names[] = {"bos_token", "eos_token", "unk_token",
		"sep_token", "pad_token", "cls_token", "mask_token"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *v = json_object_get(config, names[i]);

		if (json_is_object(v))
			v = json_object_get(v, "content");
		if (json_is_string(v))
			json_object_set(c->names, names[i], v);
	}
}

static enum err_code compile(struct chat_prompt *c, const char *path,
	struct bytes source, bool has_config, struct jinja **out, struct err *err)
{
	if (!has_config && memmem(source.data, source.len, "_token", 6))
		return err_set(err, ERR_INVALID,
			"%s: the template speaks of a token by its name (say, bos_token), and "
			"there is no tokenizer_config.json beside the tokenizer to say which "
			"it is",
			path);
	c->digest ^= hash64(source.data, source.len);
	return jinja_compile(source, path, out, err);
}

static const json_t *find_named(const json_t *list, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (json_is_string(json_object_get(one, "name")) &&
			strcmp(json_string_value(json_object_get(one, "name")), name) ==
				0)
			return json_object_get(one, "template");
	return NULL;
}

static struct bytes bytes_of_json(const json_t *v)
{
	return bytes_of(json_string_value(v), json_string_length(v));
}

/* The member `chat_template`: a text, or a list of named ones. */
static enum err_code take_member(struct chat_prompt *c, const char *path,
	const json_t *root, bool has_config, struct err *err)
{
	const json_t *v = json_object_get(root, "chat_template"), *tools = NULL;
	enum err_code code;

	if (json_is_array(v)) {
		tools = find_named(v, "tool_use");
		v = find_named(v, "default");
	}
	if (!json_is_string(v) || (tools && !json_is_string(tools)))
		return err_set(err, ERR_INVALID,
			"%s: chat_template must be a text, or a list of them by name with a "
			"'default'",
			path);
	code = compile(c, path, bytes_of_json(v), has_config, &c->plain, err);
	if (code == ERR_NONE && tools)
		code = compile(
			c, path, bytes_of_json(tools), has_config, &c->with_tools, err);
	return code;
}

static bool ends_with(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && strcmp(path + n - m, end) == 0;
}

static enum err_code read_template(
	struct chat_prompt *c, const char *path, bool has_config, struct err *err)
{
	json_t *root = NULL;
	struct buf source;
	enum err_code code;

	if (ends_with(path, ".json")) {
		code = read_json(path, &root, err);
		if (code == ERR_NONE)
			code = take_member(c, path, root, has_config, err);
		json_decref(root);
		return code;
	}
	buf_init(&source, LIMIT_TEMPLATE);
	code = file_read(path, &source, err);
	if (code == ERR_NONE)
		code = compile(c, path, buf_bytes(&source), has_config, &c->plain, err);
	buf_release(&source);
	return code;
}

/* What lies beside the tokenizer. */
static enum err_code find_template(struct chat_prompt *c, const char *tokenizer,
	const json_t *config, const char *config_path, struct err *err)
{
	static const char *const names[] = {
		"chat_template.jinja", "chat_template.json"};

	for (size_t i = 0; i < 2; i++) {
		char *path = file_beside(tokenizer, names[i]);
		bool there = file_exists(path);
		enum err_code code =
			there ? read_template(c, path, config != NULL, err) : ERR_NONE;

		free(path);
		if (there)
			return code;
	}
	if (json_object_get(config, "chat_template"))
		return take_member(c, config_path, config, true, err);
	return err_set(err, ERR_INVALID,
		"%s: there is no chat template beside it (chat_template.jinja, "
		"chat_template.json, or in tokenizer_config.json); --chat-template names "
		"one",
		tokenizer);
}

enum err_code chat_prompt_read(const char *tokenizer_path, const char *template_path,
	struct chat_prompt **out, struct err *err)
{
	struct chat_prompt *c = mem_zalloc(1, sizeof(*c));
	char *config_path = file_beside(tokenizer_path, "tokenizer_config.json");
	json_t *config = NULL;
	enum err_code code;

	c->names = json_object();
	buf_init(&c->text, LIMIT_RENDERED);
	code = text_encoder_read_file(tokenizer_path, &c->encoder, err);
	if (code == ERR_NONE && file_exists(config_path))
		code = read_json(config_path, &config, err);
	if (code == ERR_NONE) {
		read_names(c, config);
		code = template_path
			       ? read_template(c, template_path, config != NULL, err)
			       : find_template(
					 c, tokenizer_path, config, config_path, err);
	}
	c->digest += c->digest == 0;
	json_decref(config);
	free(config_path);
	*out = code == ERR_NONE ? c : NULL;
	if (code != ERR_NONE)
		chat_prompt_free(c);
	return code;
}

/* -- A request -- */

/* A text of JSON, as OpenAI has them, or nothing at all, becomes an object. */
static enum err_code mend_arguments(json_t *function, struct err *err)
{
	json_t *v = json_object_get(function, "arguments"), *made;

	if (json_is_object(v))
		return ERR_NONE;
	if (!v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0))
		made = json_object();
	else
		made = json_is_string(v)
			       ? json_loadb(json_string_value(v), json_string_length(v),
					 JSON_DECODE_ANY, NULL)
			       : NULL;
	if (!made || json_object_set_new(function, "arguments", made) < 0)
		return err_set(err, ERR_INVALID,
			"the arguments of a tool call are no JSON object");
	return ERR_NONE;
}

static enum err_code mend_content(json_t *message, struct err *err)
{
	json_t *content = json_object_get(message, "content");
	json_t *part = json_array_get(content, 0),
	       *text = json_object_get(part, "text");

	if (!json_is_array(content))
		return ERR_NONE;
	if (json_array_size(content) != 1 || !json_is_string(text))
		return err_set(err, ERR_INVALID,
			"a message's content is not one text; what the server makes of "
			"several parts is not known");
	json_object_set(message, "content", text);
	return ERR_NONE;
}

static enum err_code mend_message(json_t *message, struct err *err)
{
	const json_t *calls = json_object_get(message, "tool_calls"), *call;
	enum err_code code = mend_content(message, err);
	size_t i;

	json_array_foreach(calls, i, call) {
		json_t *function = json_object_get(call, "function");

		if (code == ERR_NONE && json_is_object(function))
			code = mend_arguments(function, err);
	}
	return code;
}

/* What a member of a request means for the prompt. */
static enum err_code take_request(
	json_t *variables, const char *name, json_t *v, struct err *err)
{
	static const char *const refused[] = {"chat_template", "continue_final_message",
		"add_generation_prompt", "reasoning_effort", "messages"};

	if (strcmp(name, "tools") == 0 || strcmp(name, "documents") == 0) {
		json_object_set(variables, name, v);
	} else if (strcmp(name, "chat_template_kwargs") == 0) {
		json_object_update(variables, v);
	} else if (strcmp(name, "tool_choice") == 0 && json_is_string(v) &&
		   strcmp(json_string_value(v), "none") == 0) {
		return err_set(err, ERR_INVALID,
			"the request has tool_choice \"none\"; whether the server leaves the "
			"tools out is not known");
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (strcmp(name, refused[i]) == 0)
			return err_set(err, ERR_INVALID,
				"the request has '%s'; what the server makes of it is not "
				"known",
				name);
	return ERR_NONE;
}

static enum err_code take_members(
	json_t *variables, const json_t *members, struct err *err)
{
	enum err_code code = ERR_NONE;
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)members, name, v)
		if (code == ERR_NONE)
			code = take_request(variables, name, v, err);
	return code;
}

static enum err_code check_last(const struct chat_request *request, struct err *err)
{
	size_t n = json_array_size(request->messages);
	const char *role = json_string_value(json_object_get(
		json_array_get(request->messages, n ? n - 1 : 0), "role"));

	if (n == 0 || !role)
		return err_set(err, ERR_INVALID, "the prompt is no list of messages");
	if (request->prefill && strcmp(role, "assistant") == 0)
		return err_set(err, ERR_INVALID,
			"the last message is to be continued, which no template says");
	return ERR_NONE;
}

static enum err_code make_variables(const struct chat_prompt *c,
	const struct chat_request *request, json_t **out, struct err *err)
{
	json_t *messages = json_deep_copy(request->messages), *message;
	enum err_code code = check_last(request, err);
	size_t i;

	*out = json_pack("{s:o, s:n, s:n, s:b}", "messages", messages, "tools",
		"documents", "add_generation_prompt", 1);
	json_array_foreach(messages, i, message)
		if (code == ERR_NONE)
			code = mend_message(message, err);
	json_object_update(*out, c->names);
	if (code == ERR_NONE)
		code = take_members(*out, request->body, err);
	if (code == ERR_NONE)
		code = take_members(*out, request->own, err);
	return code;
}

enum err_code chat_prompt_ids(struct chat_prompt *c, const struct chat_request *request,
	struct buf *ids, struct err *err)
{
	json_t *variables;
	enum err_code code = make_variables(c, request, &variables, err);
	bool has_tools = json_array_size(json_object_get(variables, "tools")) > 0;

	buf_clear(&c->text);
	if (code == ERR_NONE)
		code = jinja_render(
			has_tools && c->with_tools ? c->with_tools : c->plain,
			variables, &c->text, err);
	json_decref(variables);
	if (code == ERR_NONE)
		code = text_encoder_encode(
			c->encoder, buf_bytes(&c->text), false, ids, err);
	return code;
}

enum err_code chat_prompt_text_ids(
	struct chat_prompt *c, struct bytes text, struct buf *ids, struct err *err)
{
	return text_encoder_encode(c->encoder, text, true, ids, err);
}
