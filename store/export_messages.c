/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations as OpenAI's chat format has them, for supervised training. */
#include "store/export.h"
#include "store/jmember.h"
#include "store/jwrite.h"

static enum err_code open_messages(struct export *e, struct err *err)
{
	(void)e;
	(void)err;
	return ERR_NONE;
}

static enum err_code check(const struct sample *s, struct bytes json,
	unsigned char open, const char *what, struct err *err)
{
	if (json.len > 0 && json.data[0] == open && jmember_is_whole(json))
		return ERR_NONE;
	return err_set(err, ERR_CORRUPT, "sequence %llu: %s is not a JSON list",
		(unsigned long long)s->sequence, what);
}

/* {"role":"assistant",...}; what is absent is left out, content is null. */
static enum err_code add_answer(struct sample *s, struct buf *out, struct err *err)
{
	const struct sections *text = &s->text;

	buf_add_str(out, "{\"role\":\"assistant\",\"content\":");
	if (sections_has(text, TEXT_CONTENT))
		jwrite_text(out, text->at[TEXT_CONTENT]);
	else
		buf_add_str(out, "null");
	if (text->at[TEXT_REASONING].len > 0) {
		buf_add_str(out, ",\"reasoning_content\":");
		jwrite_text(out, text->at[TEXT_REASONING]);
	}
	if (sections_has(text, TEXT_TOOL_CALLS)) {
		enum err_code code =
			check(s, text->at[TEXT_TOOL_CALLS], '[', "tool_calls", err);

		if (code != ERR_NONE)
			return code;
		buf_add_str(out, ",\"tool_calls\":");
		jwrite_json(out, text->at[TEXT_TOOL_CALLS]);
	}
	buf_add_byte(out, '}');
	return ERR_NONE;
}

static enum err_code add_messages(struct export *e, struct sample *s,
	const struct key_entry *entry, struct err *err)
{
	struct buf *out = &e->out.buf;
	const unsigned char *at = NULL;
	struct bytes asked, first;
	enum err_code code = sample_load_prompt(s, err);

	(void)entry;
	if (code == ERR_NONE)
		code = sample_load_text(s, err);
	if (code != ERR_NONE)
		return code;
	asked = s->prompt.at[PROMPT_MESSAGES];
	if (asked.len > 0 && asked.data[0] == '{')
		return err_set(err, ERR_INVALID,
			"sequence %llu: its prompt is token ids, which make no "
			"conversation; export it as jsonl",
			(unsigned long long)s->sequence);
	code = check(s, asked, '[', "prompt", err);
	if (code != ERR_NONE)
		return code;
	buf_add_str(out, "{\"messages\":");
	/* As sent, without its last bracket, and one more message. */
	while (asked.data[asked.len - 1] != ']')
		asked.len--;
	jwrite_json(out, bytes_of(asked.data, asked.len - 1));
	if (jmember_next(asked, &at, &first))
		buf_add_byte(out, ',');
	code = add_answer(s, out, err);
	if (code != ERR_NONE)
		return code;
	buf_add_str(out, "]}\n");
	return outfile_relieve(&e->out, err);
}

static void close_messages(struct export *e)
{
	(void)e;
}

const struct export_format export_messages = {
	.name = "openai-messages",
	.summary = "one conversation a line: {\"messages\": [..., the answer]}",
	.open = open_messages,
	.add = add_messages,
	.close = close_messages,
};
