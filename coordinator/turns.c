/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/turns.h"

#include <string.h>

static const struct {
	const char *name;
	enum turn_role role;
} sharegpt_roles[] = {
	{"human", TURN_USER},
	{"user", TURN_USER},
	{"gpt", TURN_ASSISTANT},
	{"assistant", TURN_ASSISTANT},
	{"chatgpt", TURN_ASSISTANT},
	{"bing", TURN_ASSISTANT},
	{"bard", TURN_ASSISTANT},
	{"model", TURN_ASSISTANT},
	{"system", TURN_SYSTEM},
	{"tool", TURN_TOOL},
	{"observation", TURN_TOOL},
};

const char *turn_role_name(enum turn_role role)
{
	static const char *const names[] = {
		"none", "system", "user", "assistant", "tool"};

	return names[role];
}

static bool is_text(struct bytes text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* In OpenAI's dialect any role may be sent; which ones the server knows is its
 * own affair. In ShareGPT's a role that we cannot translate is bad. */
static enum turn_role role_of(struct bytes text, enum turn_dialect dialect)
{
	if (dialect == TURNS_OPENAI) {
		if (is_text(text, "system") || is_text(text, "developer"))
			return TURN_SYSTEM;
		if (is_text(text, "assistant"))
			return TURN_ASSISTANT;
		return text.len > 0 ? TURN_USER : TURN_NO_ROLE;
	}
	for (size_t i = 0; i < sizeof(sharegpt_roles) / sizeof(sharegpt_roles[0]); i++)
		if (is_text(text, sharegpt_roles[i].name))
			return sharegpt_roles[i].role;
	return TURN_NO_ROLE;
}

/* After JSCAN_KEY: the first byte of its value, or 0 if there is none. */
static unsigned char peek(const struct jscan *s, const unsigned char **at)
{
	const unsigned char *p = jt_space(s->p, s->end);

	if (p < s->end && *p == ':')
		p = jt_space(p + 1, s->end);
	*at = p;
	return p < s->end ? *p : 0;
}

/* Reads to the end of the value that `event` began. */
static enum jscan_event finish(struct jscan *s, enum jscan_event event)
{
	if (event != JSCAN_OBJECT && event != JSCAN_ARRAY)
		return event;
	jscan_skip_rest(s);
	return jscan_next(s);
}

static bool stopped(enum jscan_event event)
{
	return event == JSCAN_ERROR || event == JSCAN_MORE || event == JSCAN_DONE;
}

/* A list of parts: objects, at least one. */
static enum jscan_event read_parts(struct jscan *s, struct turn *out)
{
	enum jscan_event event = jscan_next(s);
	unsigned n = 0;

	if (event != JSCAN_ARRAY)
		return event;
	while ((event = jscan_next(s)) != JSCAN_ARRAY_END) {
		if (event != JSCAN_OBJECT)
			out->bad = true;
		event = finish(s, event);
		if (stopped(event))
			return event;
		n++;
	}
	if (n == 0)
		out->bad = true;
	return event;
}

static enum jscan_event read_content(
	struct jscan *s, const unsigned char *line, struct turn *out)
{
	const unsigned char *at;
	unsigned char first = peek(s, &at);
	enum jscan_event event;

	if (out->content.data)
		out->bad = true;
	if (first == '[') {
		event = read_parts(s, out);
	} else {
		jscan_skip(s);
		event = jscan_next(s);
	}
	if (stopped(event))
		return event;
	if (first == '"' || first == '[')
		out->content = bytes_of(at, (size_t)(line + jscan_offset(s) - at));
	else if (first != 'n')
		out->bad = true;
	if (first != '"')
		out->whole = false;
	return event;
}

static enum jscan_event read_role(
	struct jscan *s, enum turn_dialect dialect, struct turn *out)
{
	enum jscan_event event = jscan_next(s);

	if (event != JSCAN_STRING || out->role != TURN_NO_ROLE) {
		out->bad = true;
		return finish(s, event);
	}
	out->role = role_of(s->text, dialect);
	if (out->role == TURN_NO_ROLE)
		out->bad = true;
	return event;
}

static enum jscan_event read_member(struct jscan *s, const unsigned char *line,
	enum turn_dialect dialect, struct turn *out)
{
	bool share = dialect == TURNS_SHAREGPT;
	const unsigned char *at;

	if (is_text(s->text, "role") || (share && is_text(s->text, "from")))
		return read_role(s, dialect, out);
	if (is_text(s->text, "content") || (share && is_text(s->text, "value")))
		return read_content(s, line, out);
	if (is_text(s->text, "tool_calls") && peek(s, &at) == '[')
		out->has_calls = true;
	out->whole = false;
	jscan_skip(s);
	return jscan_next(s);
}

enum jscan_event turn_read(struct jscan *s, const unsigned char *line,
	enum turn_dialect dialect, struct turn *out)
{
	enum jscan_event event;

	*out = (struct turn){.whole = true};
	while ((event = jscan_next(s)) == JSCAN_KEY) {
		event = read_member(s, line, dialect, out);
		if (stopped(event))
			return event;
	}
	if (out->role == TURN_NO_ROLE)
		out->bad = true;
	if (!out->content.data && (dialect == TURNS_SHAREGPT || !out->has_calls))
		out->bad = true;
	if (dialect == TURNS_SHAREGPT && out->content.data && *out->content.data != '"')
		out->bad = true;
	return event;
}

static void add_turn(
	struct turns *out, const struct turn *turn, const unsigned char *end)
{
	out->n++;
	out->last = *turn;
	if (turn->bad)
		out->bad = true;
	if (!turn->whole)
		out->whole = false;
	if (turn->role == TURN_SYSTEM)
		out->has_system = true;
	if (turn->role == TURN_ASSISTANT) {
		out->n_behind++;
	} else {
		out->n_behind = 0;
		out->sent_to = end;
		out->is_one_text =
			out->n == 1 && turn->role == TURN_USER && turn->whole;
	}
}

enum jscan_event turns_read(struct jscan *s, const unsigned char *line,
	enum turn_dialect dialect, struct turns *out)
{
	const unsigned char *at;
	enum jscan_event event;
	struct turn turn;

	*out = (struct turns){.whole = true};
	if (peek(s, &at) != '[') {
		out->bad = true;
		jscan_skip(s);
		return jscan_next(s);
	}
	jscan_next(s);
	while ((event = jscan_next(s)) == JSCAN_OBJECT) {
		event = turn_read(s, line, dialect, &turn);
		if (event != JSCAN_OBJECT_END)
			return event;
		add_turn(out, &turn, line + jscan_offset(s));
	}
	if (!out->sent_to)
		out->bad = true;
	if (event != JSCAN_ARRAY_END) {
		/* Something that is no message: bad, and the rest with it. */
		out->bad = true;
		event = finish(s, event);
		if (stopped(event))
			return event;
		jscan_skip_rest(s);
		event = jscan_next(s);
	}
	out->text = bytes_of(at, (size_t)(line + jscan_offset(s) - at));
	return event;
}
