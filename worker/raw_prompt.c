/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/raw_prompt.h"

#include <string.h>

#include "store/jmember.h"
#include "worker/openai_ids.h"

static bool find(
	struct bytes object, const char *name, unsigned char first, struct bytes *value)
{
	return jmember_find(object, bytes_of(name, strlen(name)), value) &&
	       value->data[0] == first;
}

static bool read_message(struct bytes messages, struct raw_prompt *out)
{
	const unsigned char *at = NULL;
	struct bytes message, more;

	if (!jmember_next(messages, &at, &message) ||
		jmember_next(messages, &at, &more))
		return false;
	out->kind = RAW_TEXT;
	return find(message, "content", '"', &out->value);
}

static void read_prompt_len(struct bytes messages, uint32_t *len)
{
	struct bytes value;
	uint32_t n = 0;

	if (!jmember_find(messages, bytes_of("prompt_len", 10), &value))
		return;
	for (size_t i = 0;
		i < value.len && value.data[i] >= '0' && value.data[i] <= '9'; i++)
		n = n * 10 + (uint32_t)(value.data[i] - '0');
	*len = n;
}

bool raw_prompt_read(struct bytes messages, struct raw_prompt *out)
{
	*out = (struct raw_prompt){0};
	if (messages.len > 0 && messages.data[0] == '[')
		return read_message(messages, out);
	out->kind = RAW_IDS;
	out->prompt_len = 1;
	if (!find(messages, "text", '"', &out->text))
		out->text = bytes_of(NULL, 0);
	read_prompt_len(messages, &out->prompt_len);
	if (find(messages, "input_ids", '[', &out->value))
		return true;
	out->kind = RAW_TEXT;
	out->value = out->text;
	return out->text.data != NULL;
}

void raw_prompt_text(const struct raw_prompt *prompt, struct answer_text *out)
{
	buf_clear(&out->text);
	out->present = prompt->text.data != NULL;
	if (out->present)
		jt_unescape(prompt->text.data + 1,
			prompt->text.data + prompt->text.len - 1, &out->text);
}

bool raw_prompt_ids(struct bytes list, struct answer_ids *out)
{
	const unsigned char *next;
	struct openai_ids reading;

	openai_ids_begin(&reading, out);
	return list.len > 0 &&
	       openai_ids_read(&reading, list.data + 1, list.data + list.len, &next) ==
		       JT_OK &&
	       !reading.wrong_shape;
}
