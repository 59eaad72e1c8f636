/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/protocol.h"

#include <string.h>

#include "common/mem.h"
#include "worker/openai_request.h"
#include "worker/openai_shape.h"

static const struct protocol protocols[] = {
	{
		.name = "openai-chat",
		.path = "/chat/completions",
		.models_path = "/models",
		.top_logprobs_max = -1,
		.shape = &openai_shape,
		.form_init = openai_form_init,
		.write_request = openai_write_request,
	},
};

const struct protocol *protocol_find(const char *api)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (strcmp(protocols[i].name, api) == 0)
			return &protocols[i];
	return NULL;
}

bool protocol_streams(const struct protocol *p, const struct job_teacher *teacher,
	const struct job_sampling *sampling)
{
	if (p->shape->streamed == FRAMING_WHOLE)
		return false;
	if (teacher->stream != JOB_STREAM_AUTO)
		return teacher->stream == JOB_STREAM_YES;
	(void)sampling;
	return false;
}

char *protocol_url(
	const struct protocol *p, const char *url, const char *model, bool stream)
{
	const char *path = stream && p->stream_path ? p->stream_path : p->path;
	const char *hole = strstr(path, "{model}");

	if (!hole)
		return mem_printf("%s%s", url, path);
	return mem_printf("%s%.*s%s%s", url, (int)(hole - path), path, model,
		hole + strlen("{model}"));
}

void request_form_release(struct request_form *form)
{
	buf_release(&form->head);
	buf_release(&form->tail);
}
