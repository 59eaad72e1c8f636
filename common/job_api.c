/* SPDX-License-Identifier: Apache-2.0 */
/* The protocols that a job may name. */
#include <stdlib.h>
#include <string.h>

#include "common/job_keys.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"

/* What `api` may be, and what it is called from then on. */
static const struct {
	const char *name, *meant;
	bool raw;
} apis[] = {
	{"openai-chat", "openai-chat", false},
	{"openai", "openai-chat", false},
	{"openai-responses", "openai-responses", false},
	{"gemini", "gemini", false},
	{"vertex", "vertex", false},
	{"anthropic", "anthropic", false},
	{"ollama", "ollama", false},
	{"completions", "completions", true},
	{"openai-completions", "completions", true},
	{"sglang", "sglang", true},
	{"llamacpp", "llamacpp", true},
	{"trl", "trl", true},
};
#define N_APIS (sizeof(apis) / sizeof(apis[0]))

bool job_api_is_raw(const char *api)
{
	for (size_t i = 0; i < N_APIS; i++)
		if (strcmp(api, apis[i].meant) == 0)
			return apis[i].raw;
	return false;
}

bool job_read_api(struct job_reader *r, const char *path, json_t *v, void *to)
{
	const char *name = json_string_value(v), *nearest, *names[N_APIS + 1] = {NULL};

	if (!name)
		return job_complain(r, path, "must be a text");
	for (size_t i = 0; i < N_APIS; i++) {
		names[i] = apis[i].name;
		if (strcmp(name, apis[i].name) == 0) {
			free(*(char **)to);
			*(char **)to = mem_dup_str(apis[i].meant);
			return true;
		}
	}
	nearest = text_nearest(name, names);
	return job_complain(r, path, "%s is not a protocol of ours%s%s%s",
		log_quote(name).text, nearest ? " (did you mean '" : "",
		nearest ? nearest : "",
		nearest ? "'?)"
			: "; this build has openai-chat, openai-responses, gemini, "
			  "vertex, anthropic, ollama, completions, sglang, "
			  "llamacpp and trl");
}

json_t *job_api_json(const void *from)
{
	return json_string(*(char *const *)from);
}
