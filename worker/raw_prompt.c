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

bool raw_prompt_read(struct bytes messages, struct raw_prompt *out)
{
	*out = (struct raw_prompt){0};
	if (messages.len > 0 && messages.data[0] == '[')
		return read_message(messages, out);
	out->kind = RAW_IDS;
	return find(messages, "input_ids", '[', &out->value);
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
