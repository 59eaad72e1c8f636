/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dialect.h - how vLLM, OpenAI, llama.cpp, SGLang and Ollama differ
 *
 * One table of what each of them puts into an answer, and the switches of the
 * command line on top of it. SERVER.md, "Dialects", says it in words.
 */
#ifndef RETORT_DEPLOY_TEACHER_DIALECT_H
#define RETORT_DEPLOY_TEACHER_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

enum dialect_id {
	DIALECT_VLLM,
	DIALECT_OPENAI,
	DIALECT_LLAMACPP,
	DIALECT_SGLANG,
	DIALECT_OLLAMA
};

enum error_style {
	ERRORS_OBJECT_INT,  /* {"error":{..., "code":400}} */
	ERRORS_OBJECT_TEXT, /* {"error":{..., "code":"..."}} */
	ERRORS_FLAT         /* {"object":"error", ...} */
};

struct dialect {
	enum dialect_id id;
	const char *name, *owner;
	const char *reasoning_key; /* in the message; NULL: it has no such key */
	bool splits;               /* the trace leaves the content by default */
	bool eos_row;              /* the end of the sequence has a row */
	bool gives_ids;            /* token_ids on request */
	bool entry_ids;            /* "id" in every entry */
	bool sampled_first;        /* the list begins with the sampled token */
	bool text_bytes;           /* bytes are those of the text, U+FFFD and all */
	bool cuts_text;            /* half a character has an empty text */
	bool refuses_unknown;      /* a field it does not know is an error */
	int64_t default_top;       /* entries if the request does not say */
	enum error_style errors;
};

/* The dialect of that name, or NULL. */
const struct dialect *dialect_find(const char *name);
/* "vllm, openai, ...", for messages. */
const char *dialect_names(void);

/* A dialect with the command line's switches. */
struct style {
	const struct dialect *dialect;
	bool splits;
	bool opens; /* the trace begins with <think> */
	bool eos_row;
	bool bytes_of_ids;    /* bytes of the string token_id:N */
	bool null_bytes;      /* some bytes are null */
	bool processed;       /* report what was sampled from */
	int64_t max_logprobs; /* -1: any */
};

#endif
