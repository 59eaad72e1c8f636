/* SPDX-License-Identifier: Apache-2.0 */
#include "answer_bodies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
	struct buf *out;
	const struct body_shape *shape;
	uint64_t chance;
};

static uint64_t chance(struct writer *w)
{
	uint64_t z = w->chance += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* What a JSON text means, and the id that stands for it. */
static const char *const words[] = {"the", " of", " and", " to", " answer", " is",
	" 42", " we", " multiply", " total", "\n", " =", "\"", ".", ",", " number",
	" three", " caf\xc3\xa9", "\n\n", " eggs", "ing", " therefore", " 7", " +",
	"\xe2\x82\xac", " so", " each", " price", " day", " she", " sells", " dollars"};
#define N_WORDS (sizeof(words) / sizeof(words[0]))
#define VOCABULARY 151000

static void put(struct writer *w, const char *text)
{
	buf_add_str(w->out, text);
}

/* Between two members or entries. */
static void comma(struct writer *w)
{
	put(w, w->shape->spaced ? ", " : ",");
}

static void key(struct writer *w, const char *name)
{
	buf_printf(w->out, w->shape->spaced ? "\"%s\": " : "\"%s\":", name);
}

static void put_text(struct writer *w, const char *text)
{
	put(w, "\"");
	for (; *text; text++) {
		if (*text == '\n')
			put(w, "\\n");
		else if (*text == '"')
			put(w, "\\\"");
		else
			buf_add_byte(w->out, (unsigned char)*text);
	}
	put(w, "\"");
}

/* OpenAI rounds to some digits; vLLM and llama.cpp have a float and write the
 * shortest text of the double that it becomes. */
static void put_logprob(struct writer *w, double logprob)
{
	char text[40];
	double of_float = (double)(float)logprob;
	int digits = 15;

	if (w->shape->style == BODY_OPENAI) {
		buf_printf(w->out, "%.*g", 6 + (int)(chance(w) % 12), logprob);
		return;
	}
	do
		snprintf(text, sizeof(text), "%.*g", digits, of_float);
	while (digits++ < 17 && strtod(text, NULL) != of_float);
	put(w, text);
}

static void put_bytes(struct writer *w, const char *text)
{
	put(w, "[");
	for (const char *p = text; *p; p++) {
		if (p > text)
			comma(w);
		buf_printf(w->out, "%u", (unsigned char)*p);
	}
	put(w, "]");
}

/* The members of a token but for its list, without a brace. */
static void put_token(struct writer *w, size_t which, double logprob)
{
	const char *word = words[which % N_WORDS];
	char id[24];

	put(w, "{");
	snprintf(id, sizeof(id), "token_id:%zu", which % VOCABULARY);
	if (w->shape->style == BODY_VLLM)
		word = id;
	if (w->shape->style == BODY_LLAMACPP) {
		key(w, "id");
		put(w, id + 9);
		comma(w);
	}
	key(w, "token");
	put_text(w, word);
	comma(w);
	if (w->shape->style == BODY_LLAMACPP) {
		key(w, "bytes");
		put_bytes(w, word);
		comma(w);
	}
	key(w, "logprob");
	put_logprob(w, logprob);
	if (w->shape->style != BODY_LLAMACPP) {
		comma(w);
		key(w, "bytes");
		put_bytes(w, word);
	}
}

/* The sampled token is listed first; the others have other ids. */
static void put_row(struct writer *w, size_t which)
{
	double logprob = -0.05 - (double)(chance(w) % 1000) / 2000;

	put_token(w, which, logprob);
	comma(w);
	key(w, "top_logprobs");
	put(w, "[");
	for (int i = 0; i < w->shape->k; i++) {
		if (i > 0)
			comma(w);
		put_token(w, which, logprob);
		put(w, "}");
		which += 1 + chance(w) % 100;
		logprob -= i == 0 ? 5 : 0.05 + (double)(chance(w) % 100000) / 200000;
	}
	put(w, "]}");
}

static void put_message(struct writer *w, const size_t *tokens, bool reasoning)
{
	int n = w->shape->tokens, half = n / 2;
	struct buf text;

	buf_init(&text, (size_t)n * 16 + 16);
	key(w, "message");
	put(w, "{");
	key(w, "role");
	put(w, "\"assistant\"");
	comma(w);
	if (reasoning) {
		key(w, "reasoning_content");
		for (int i = 0; i < half; i++)
			buf_add_str(&text, words[tokens[i] % N_WORDS]);
		put_text(w, buf_text(&text));
		comma(w);
		buf_clear(&text);
	}
	key(w, "content");
	for (int i = reasoning ? half : 0; i < n; i++)
		buf_add_str(&text, words[tokens[i] % N_WORDS]);
	put_text(w, buf_text(&text));
	if (w->shape->style == BODY_OPENAI) {
		comma(w);
		key(w, "refusal");
		put(w, "null");
	}
	put(w, "}");
	buf_release(&text);
}

static void put_rows(struct writer *w, const size_t *tokens)
{
	key(w, "logprobs");
	if (!w->shape->rows) {
		put(w, "null");
		return;
	}
	put(w, "{");
	key(w, "content");
	put(w, "[");
	for (int i = 0; i < w->shape->tokens; i++) {
		if (i > 0)
			comma(w);
		put_row(w, tokens[i]);
	}
	put(w, "]");
	if (w->shape->style == BODY_OPENAI) {
		comma(w);
		key(w, "refusal");
		put(w, "null");
	}
	put(w, "}");
}

static void put_ids(struct writer *w, const size_t *tokens)
{
	key(w, "token_ids");
	put(w, "[");
	for (int i = 0; i < w->shape->tokens; i++) {
		if (i > 0)
			comma(w);
		buf_printf(w->out, "%zu", tokens[i] % VOCABULARY);
	}
	put(w, "]");
}

static void put_choice(struct writer *w, const size_t *tokens)
{
	put(w, "{");
	key(w, "index");
	put(w, "0");
	comma(w);
	put_message(w, tokens, w->shape->style != BODY_OPENAI);
	comma(w);
	put_rows(w, tokens);
	comma(w);
	key(w, "finish_reason");
	put(w, "\"stop\"");
	if (w->shape->style == BODY_VLLM) {
		comma(w);
		key(w, "stop_reason");
		put(w, "null");
		comma(w);
		put_ids(w, tokens);
	}
	put(w, "}");
}

static void put_usage(struct writer *w)
{
	key(w, "usage");
	put(w, "{");
	key(w, "prompt_tokens");
	put(w, "90");
	comma(w);
	key(w, "completion_tokens");
	buf_printf(w->out, "%d", w->shape->tokens);
	comma(w);
	key(w, "total_tokens");
	buf_printf(w->out, "%d", 90 + w->shape->tokens);
	put(w, "}");
}

void answer_body(struct buf *out, const struct body_shape *shape)
{
	struct writer writer = {.out = out, .shape = shape, .chance = 1}, *w = &writer;
	size_t *tokens = calloc((size_t)shape->tokens, sizeof(*tokens));

	if (!tokens)
		abort();
	for (int i = 0; i < shape->tokens; i++)
		tokens[i] = chance(w) % 100000;
	put(w, "{");
	key(w, "id");
	put(w, "\"chatcmpl-9f3\"");
	comma(w);
	key(w, "object");
	put(w, "\"chat.completion\"");
	comma(w);
	key(w, "created");
	put(w, "1700000000");
	comma(w);
	key(w, "model");
	put(w, "\"teacher\"");
	comma(w);
	key(w, "choices");
	put(w, "[");
	put_choice(w, tokens);
	put(w, "]");
	comma(w);
	put_usage(w);
	put(w, "}");
	free(tokens);
}
