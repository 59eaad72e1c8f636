/* SPDX-License-Identifier: Apache-2.0 */
/* The protocols that a job may name. */
#include <stdlib.h>
#include <string.h>

#include "common/job_keys.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"

enum { RAW = 1 << 0, SCORES = 1 << 1, TELLS_IDS = 1 << 2 };

/* What `api` may be, and what it is called from then on. */
static const struct {
	const char *name, *meant;
	unsigned has;
} apis[] = {
	{"openai-chat", "openai-chat", TELLS_IDS},
	{"openai", "openai-chat", TELLS_IDS},
	{"openai-responses", "openai-responses", 0},
	{"gemini", "gemini", 0},
	{"vertex", "vertex", 0},
	{"anthropic", "anthropic", 0},
	{"ollama", "ollama", 0},
	{"completions", "completions", RAW | SCORES | TELLS_IDS},
	{"openai-completions", "completions", RAW | SCORES | TELLS_IDS},
	{"sglang", "sglang", RAW | SCORES | TELLS_IDS},
	{"llamacpp", "llamacpp", RAW | TELLS_IDS},
	{"trl", "trl", RAW | SCORES},
};
#define N_APIS (sizeof(apis) / sizeof(apis[0]))

static bool has(const char *api, unsigned what)
{
	for (size_t i = 0; i < N_APIS; i++)
		if (strcmp(api, apis[i].meant) == 0)
			return apis[i].has & what;
	return false;
}

bool job_api_is_raw(const char *api)
{
	return has(api, RAW);
}

bool job_api_scores(const char *api)
{
	return has(api, SCORES);
}

bool job_api_tells_ids(const char *api)
{
	return has(api, TELLS_IDS);
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
