/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/dialect.h"

#include <stddef.h>
#include <string.h>

static const struct dialect dialects[] = {
	{.id = DIALECT_VLLM,
		.name = "vllm",
		.owner = "vllm",
		.reasoning_key = "reasoning",
		.splits = true,
		.eos_row = true,
		.gives_ids = true,
		.sampled_first = true,
		.errors = ERRORS_OBJECT_INT},
	{.id = DIALECT_OPENAI,
		.name = "openai",
		.owner = "openai",
		.refuses_unknown = true,
		.errors = ERRORS_OBJECT_TEXT},
	{.id = DIALECT_LLAMACPP,
		.name = "llamacpp",
		.owner = "llamacpp",
		.reasoning_key = "reasoning_content",
		.splits = true,
		.entry_ids = true,
		.cuts_text = true,
		.default_top = 20,
		.errors = ERRORS_OBJECT_INT},
	{.id = DIALECT_SGLANG,
		.name = "sglang",
		.owner = "sglang",
		.reasoning_key = "reasoning_content",
		.splits = true,
		.eos_row = true,
		.text_bytes = true,
		.errors = ERRORS_FLAT},
	{.id = DIALECT_OLLAMA,
		.name = "ollama",
		.owner = "library",
		.reasoning_key = "reasoning",
		.splits = true,
		.errors = ERRORS_OBJECT_TEXT},
};

const struct dialect *dialect_find(const char *name)
{
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
		if (strcmp(dialects[i].name, name) == 0)
			return &dialects[i];
	return NULL;
}

const char *dialect_names(void)
{
	return "vllm, openai, llamacpp, sglang, ollama";
}
