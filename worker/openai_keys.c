/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_keys.h"

#include <string.h>

#include "worker/openai_reader.h"

#define KEY(key, kind, to)                                                             \
	{                                                                              \
		.name = (key), .len = sizeof(key) - 1, .value = VALUE_##kind,          \
		.at = (to)                                                             \
	}
#define IN_ANSWER(member) offsetof(struct answer, member)
#define IN_READER(member) offsetof(struct openai_reader, member)
#define IN_ERROR(member) offsetof(struct answer_error, member)

static const struct openai_key root[] = {
	KEY("choices", LIST, PLACE_CHOICES),
	KEY("usage", OBJECT, PLACE_USAGE),
	KEY("model", TEXT, IN_ANSWER(model)),
	KEY("id", TEXT, IN_ANSWER(id)),
	KEY("system_fingerprint", TEXT, IN_ANSWER(system_fingerprint)),
	KEY("prompt_token_ids", IDS, IN_ANSWER(prompt_token_ids)),
	KEY("object", KIND, 0),
	KEY("error", ERROR, 0),
	KEY("message", SHORT, IN_ERROR(message)),
	KEY("type", SHORT, IN_ERROR(type)),
	KEY("code", SHORT, IN_ERROR(code)),
	KEY("detail", OUR_RAW, IN_READER(detail)),
};

static const struct openai_key error[] = {
	KEY("message", SHORT, IN_ERROR(message)),
	KEY("type", SHORT, IN_ERROR(type)),
	KEY("code", SHORT, IN_ERROR(code)),
};

static const struct openai_key usage[] = {
	KEY("prompt_tokens", COUNT, IN_ANSWER(usage.prompt_tokens)),
	KEY("completion_tokens", COUNT, IN_ANSWER(usage.completion_tokens)),
	/* SGLang's and DeepSeek's places for what others put into details. */
	KEY("reasoning_tokens", COUNT, IN_ANSWER(usage.reasoning_tokens)),
	KEY("prompt_cache_hit_tokens", COUNT, IN_ANSWER(usage.cached_prompt_tokens)),
	KEY("prompt_tokens_details", OBJECT, PLACE_PROMPT_DETAILS),
	KEY("completion_tokens_details", OBJECT, PLACE_COMPLETION_DETAILS),
};

static const struct openai_key prompt_details[] = {
	KEY("cached_tokens", COUNT, IN_ANSWER(usage.cached_prompt_tokens)),
};

static const struct openai_key completion_details[] = {
	KEY("reasoning_tokens", COUNT, IN_ANSWER(usage.reasoning_tokens)),
};

static const struct openai_key choice[] = {
	KEY("index", INDEX, 0),
	KEY("message", OBJECT, PLACE_MESSAGE),
	KEY("logprobs", OBJECT, PLACE_LOGPROBS),
	KEY("finish_reason", TEXT, IN_ANSWER(finish_text)),
	KEY("stop_reason", RAW, IN_ANSWER(stop_reason)),
	KEY("matched_stop", OUR_RAW, IN_READER(matched_stop)),
	KEY("token_ids", IDS, IN_ANSWER(token_ids)),
	KEY("prompt_token_ids", IDS, IN_ANSWER(prompt_token_ids)),
};

static const struct openai_key message[] = {
	KEY("content", TEXT, IN_ANSWER(content)),
	KEY("reasoning_content", TEXT, IN_ANSWER(reasoning)),
	KEY("reasoning", OUR_TEXT, IN_READER(other_reasoning)),
	KEY("refusal", TEXT, IN_ANSWER(refusal)),
	KEY("tool_calls", RAW, IN_ANSWER(tool_calls)),
	KEY("function_call", OUR_RAW, IN_READER(function_call)),
};

static const struct openai_key logprobs[] = {
	KEY("content", LIST, PLACE_ROWS),
};

#define PLACE(keys, around)                                                            \
	{                                                                              \
		(keys), sizeof(keys) / sizeof((keys)[0]), (around)                     \
	}

static const struct {
	const struct openai_key *keys;
	size_t n;
	enum openai_place parent;
} places[PLACE_N] = {
	[PLACE_ROOT] = PLACE(root, PLACE_NONE),
	[PLACE_ERROR] = PLACE(error, PLACE_ROOT),
	[PLACE_USAGE] = PLACE(usage, PLACE_ROOT),
	[PLACE_PROMPT_DETAILS] = PLACE(prompt_details, PLACE_USAGE),
	[PLACE_COMPLETION_DETAILS] = PLACE(completion_details, PLACE_USAGE),
	[PLACE_CHOICES] = {NULL, 0, PLACE_ROOT},
	[PLACE_CHOICE] = PLACE(choice, PLACE_CHOICES),
	[PLACE_MESSAGE] = PLACE(message, PLACE_CHOICE),
	[PLACE_LOGPROBS] = PLACE(logprobs, PLACE_CHOICE),
	[PLACE_ROWS] = {NULL, 0, PLACE_LOGPROBS},
};

enum openai_place openai_parent(enum openai_place place)
{
	return places[place].parent;
}

const struct openai_key *openai_find_key(
	enum openai_place place, struct bytes name, uint32_t *bit)
{
	const struct openai_key *keys = places[place].keys;

	for (size_t i = 0; i < places[place].n; i++) {
		if (keys[i].len != name.len || keys[i].name[0] != (char)name.data[0] ||
			memcmp(keys[i].name, name.data, name.len) != 0)
			continue;
		*bit = (uint32_t)1 << i;
		return &keys[i];
	}
	return NULL;
}
