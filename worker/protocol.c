/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/protocol.h"

#include <string.h>

#include "common/mem.h"
#include "worker/anthropic.h"
#include "worker/gemini.h"
#include "worker/ollama.h"
#include "worker/openai_request.h"
#include "worker/openai_shape.h"
#include "worker/raw_request.h"
#include "worker/raw_shapes.h"
#include "worker/responses.h"
#include "worker/tree_request.h"

static const char *const anthropic_headers[] = {
	"anthropic-version", "2023-06-01", NULL};

static const struct protocol protocols[] = {
	{
		.name = "openai-chat",
		.path = "/chat/completions",
		.models_path = "/models",
		.shape = &openai_shape,
		.form_init = openai_form_init,
		.write_request = openai_write_request,
		.write_choices = openai_write_choices,
	},
	{
		.name = "openai-responses",
		.path = "/responses",
		.models_path = "/models",
		.server = SERVER_OPENAI,
		.shape = &responses_shape,
		.form_init = responses_form_init,
		.write_request = tree_write_request,
	},
	{
		.name = "gemini",
		.path = "/models/{model}:generateContent",
		.stream_path = "/models/{model}:streamGenerateContent?alt=sse",
		.models_path = "/models",
		.auth = AUTH_X_GOOG_API_KEY,
		.server = SERVER_OPENAI,
		.shape = &gemini_shape,
		.form_init = gemini_form_init,
		.write_request = tree_write_request,
	},
	{
		.name = "vertex",
		.path = "/models/{model}:generateContent",
		.stream_path = "/models/{model}:streamGenerateContent?alt=sse",
		.models_path = "/models",
		.server = SERVER_OPENAI,
		.shape = &gemini_shape,
		.form_init = gemini_form_init,
		.write_request = tree_write_request,
	},
	{
		.name = "ollama",
		.path = "/api/chat",
		.models_path = "/api/tags",
		.server = SERVER_OLLAMA,
		.shape = &ollama_shape,
		.form_init = ollama_form_init,
		.write_request = tree_write_request,
	},
	{
		.name = "anthropic",
		.path = "/messages",
		.models_path = "/models",
		.headers = anthropic_headers,
		.auth = AUTH_X_API_KEY,
		.server = SERVER_OPENAI,
		.shape = &anthropic_shape,
		.form_init = anthropic_form_init,
		.write_request = tree_write_request,
	},
	{
		.name = "completions",
		.path = "/completions",
		.models_path = "/models",
		.raw = true,
		.shape = &completions_shape,
		.form_init = completions_form_init,
		.write_request = completions_write_request,
	},
	{
		.name = "sglang",
		.path = "/generate",
		.models_path = "/v1/models",
		.server = SERVER_SGLANG,
		.raw = true,
		.shape = &sglang_shape,
		.form_init = sglang_form_init,
		.write_request = sglang_write_request,
	},
	{
		.name = "llamacpp",
		.path = "/completion",
		.models_path = "/v1/models",
		.server = SERVER_LLAMACPP,
		.raw = true,
		.shape = &llamacpp_shape,
		.form_init = llamacpp_form_init,
		.write_request = llamacpp_write_request,
	},
	{
		.name = "trl",
		.path = "/get_sequence_logprobs/",
		.models_path = "/health/",
		.server = SERVER_OPENAI,
		.raw = true,
		.shape = &trl_shape,
		.form_init = trl_form_init,
		.write_request = trl_write_request,
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
	if (p->shape->streamed == FRAMING_WHOLE ||
		(p->write_choices && sampling->n_per_request > 1))
		return false;
	if (teacher->stream != JOB_STREAM_AUTO)
		return teacher->stream == JOB_STREAM_YES;
	return !job_has_int(sampling->max_tokens) ||
	       sampling->max_tokens >= PROTOCOL_STREAM_FROM_TOKENS;
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
	json_decref(form->tree);
	form->tree = NULL;
}

enum err_code request_without_ids(const struct request_terms *terms, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"teacher '%s': its server (%s, api %s) does not tell the token ids of "
		"prompt and answer, so that the job's teachers of role score have nothing "
		"to score",
		terms->teacher->name, job_server_name(terms->server),
		terms->teacher->api);
}
