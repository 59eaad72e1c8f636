/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/protocol.h"

#include <string.h>

#include "worker/openai_answer.h"
#include "worker/openai_request.h"

static const struct protocol protocols[] = {
	{
		.name = "openai-chat",
		.path = "/chat/completions",
		.form_init = openai_form_init,
		.write_request = openai_write_request,
		.reader_new = openai_reader_new,
		.reader_free = openai_reader_free,
		.begin = openai_reader_begin,
		.feed = openai_reader_feed,
		.end = openai_reader_end,
	},
};

const struct protocol *protocol_find(const char *api)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(protocols[i].name, api) == 0)
			return &protocols[i];
	return NULL;
}

void request_form_release(struct request_form *form)
{
	buf_release(&form->head);
	buf_release(&form->tail);
}
