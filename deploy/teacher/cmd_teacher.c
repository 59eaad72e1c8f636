/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_teacher.c - `retort teacher`: from the command line to a server
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/banned.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/options.h"
#include "deploy/commands.h"
#include "deploy/teacher/server.h"

/* The options as they are written, before they mean anything. */
struct words {
	const char *host, *port_file, *api_key, *ledger, *retry_after, *references;
	const char *dialect, *logprobs, *down_status, *quota, *quota_headers;
	const char *faults, *faults_file;
	struct option_list models, fault_files, down;
	int64_t port, seed, slots, queue, latency_ms, overload, max_logprobs,
		fault_seed, fault_attempts, drip_ms;
	double correct, loops, length, tokens_per_second, fault_file_rate;
	bool strict_model, no_reasoning_parser, reasoning_parser, no_open_think,
		no_eos_row, eos_row, bytes_of_ids, null_bytes, list_faults;
};

static enum err_code read_style(
	const struct words *w, struct style *out, struct err *err)
{
	const struct dialect *d = dialect_find(w->dialect);
	bool processed = strcmp(w->logprobs, "processed") == 0;

	if (!d)
		return err_set(err, ERR_INVALID, "--dialect: %s is none of %s",
			log_quote(w->dialect).text, dialect_names());
	if (!processed && strcmp(w->logprobs, "raw") != 0)
		return err_set(err, ERR_INVALID, "--logprobs: say raw or processed");
	*out = (struct style){.dialect = d,
		.splits = (d->splits || w->reasoning_parser) && !w->no_reasoning_parser,
		.opens = !w->no_open_think,
		.eos_row = (d->eos_row || w->eos_row) && !w->no_eos_row,
		.bytes_of_ids = w->bytes_of_ids,
		.null_bytes = w->null_bytes,
		.processed = processed,
		.max_logprobs = w->max_logprobs};
	return ERR_NONE;
}

static enum err_code read_down(
	const struct words *w, struct server_settings *out, struct err *err)
{
	if (strcmp(w->down_status, "refuse") == 0)
		out->down_status = DOWN_REFUSE;
	else if (strcmp(w->down_status, "429") == 0 ||
		 strcmp(w->down_status, "503") == 0)
		out->down_status = (int)strtol(w->down_status, NULL, 10);
	else
		return err_set(
			err, ERR_INVALID, "--down-status: say 429, 503 or refuse");
	for (size_t i = 0; i < w->down.n; i++) {
		struct down_window window;
		char rest;

		if (out->n_down == DOWN_WINDOWS_MAX ||
			sscanf(w->down.at[i], "%lf:%lf%c", &window.from_s, &window.to_s,
				&rest) != 2 ||
			!(window.from_s >= 0 && window.to_s >= window.from_s))
			return err_set(err, ERR_INVALID,
				"--down: %s is not FROM:TO in seconds, or there are too many",
				log_quote(w->down.at[i]).text);
		out->down[out->n_down++] = window;
	}
	return ERR_NONE;
}

static enum err_code read_quota(
	const struct words *w, struct quota *out, struct err *err)
{
	static const char *const headers[] = {"none", "openai", "anthropic"};
	char rest;

	for (int i = 0; i < 3; i++)
		if (strcmp(w->quota_headers, headers[i]) == 0)
			out->headers = (enum quota_headers)i;
	if (strcmp(w->quota_headers, headers[out->headers]) != 0)
		return err_set(err, ERR_INVALID,
			"--quota-headers: say none, openai or anthropic");
	if (w->quota && (sscanf(w->quota, "%lf:%lf%c", &out->requests, &out->seconds,
				 &rest) != 2 ||
				!(out->requests >= 1 && out->seconds > 0)))
		return err_set(err, ERR_INVALID, "--quota: %s is not REQUESTS:SECONDS",
			log_quote(w->quota).text);
	return ERR_NONE;
}

static enum err_code read_faults(
	const struct words *w, struct fault_plan *out, struct err *err)
{
	struct buf file;
	enum err_code code = ERR_NONE;

	out->seed = (uint64_t)w->fault_seed;
	out->attempts = (unsigned)w->fault_attempts;
	if (w->faults)
		code = fault_plan_read(out, w->faults, err);
	if (code != ERR_NONE || !w->faults_file)
		return code;
	buf_init(&file, MIB(1));
	code = file_read(w->faults_file, &file, err);
	if (code == ERR_NONE)
		code = fault_plan_read(out, buf_text(&file), err);
	buf_release(&file);
	return code;
}

static enum err_code read_settings(
	const struct words *w, struct server_settings *out, struct err *err)
{
	static const char *const default_models[] = {"teacher"};
	enum err_code code = read_style(w, &out->style, err);

	if (code == ERR_NONE)
		code = read_down(w, out, err);
	if (code == ERR_NONE)
		code = read_quota(w, &out->quota, err);
	if (code == ERR_NONE)
		code = read_faults(w, &out->faults, err);
	if (code == ERR_NONE && w->overload != 429 && w->overload != 503)
		code = err_set(err, ERR_INVALID, "--overload: say 429 or 503");
	out->host = w->host;
	out->port = (unsigned)w->port;
	out->port_file = w->port_file;
	out->api_key = w->api_key;
	out->ledger = w->ledger;
	out->models = w->models.n > 0 ? w->models.at : default_models;
	out->n_models = w->models.n > 0 ? w->models.n : 1;
	out->strict_model = w->strict_model;
	out->teacher.correct = w->correct;
	out->teacher.loops = w->loops;
	out->teacher.length = w->length;
	out->load = (struct load_settings){
		w->slots, w->queue, w->tokens_per_second, w->latency_ms * 1000};
	out->overload_status = (int)w->overload;
	out->retry_after = w->retry_after;
	out->fault_files = w->fault_files.at;
	out->n_fault_files = w->fault_files.n;
	out->fault_file_rate = w->fault_file_rate;
	out->drip_us = w->drip_ms * 1000;
	out->seed = (uint64_t)w->seed;
	return code;
}

static int serve(const struct words *w)
{
	struct server_settings settings = {0};
	struct references *references = NULL;
	struct err err;

	if (read_settings(w, &settings, &err) != ERR_NONE) {
		fprintf(stderr, "retort teacher: %s\n", err.msg);
		return EXIT_USAGE;
	}
	if (sodium_init() < 0) {
		fprintf(stderr, "retort teacher: libsodium does not start\n");
		return EXIT_FAILED;
	}
	if (w->references &&
		references_load(w->references, &references, &err) != ERR_NONE) {
		fprintf(stderr, "retort teacher: %s\n", err.msg);
		return EXIT_FAILED;
	}
	settings.teacher.references = references;
	if (teacher_server_run(&settings, &err) != ERR_NONE) {
		fprintf(stderr, "retort teacher: %s\n", err.msg);
		references_free(references);
		return EXIT_FAILED;
	}
	references_free(references);
	return EXIT_OK;
}

/* What the command line says; these are the defaults. */
static struct words words = {.host = "127.0.0.1",
	.port = 8089,
	.dialect = "vllm",
	.logprobs = "raw",
	.down_status = "503",
	.quota_headers = "openai",
	.queue = -1,
	.overload = 503,
	.max_logprobs = 20,
	.drip_ms = 1000,
	.correct = 0.8,
	.loops = 0.02,
	.length = 1};

/* clang-format off */
#define FLAG(name, to, help) {name, 0, OPTION_FLAG, NULL, help, to, 0, 0}
#define TEXT(name, value, to, help) {name, 0, OPTION_TEXT, value, help, to, 0, 0}
#define LIST(name, value, to, help) {name, 0, OPTION_LIST, value, help, to, 0, 0}
#define INTEGER(name, value, to, min, max, help) {name, 0, OPTION_INTEGER, value, help, to, min, max}
#define REAL(name, value, to, min, max, help) {name, 0, OPTION_REAL, value, help, to, min, max}

static const struct option options[] = {
	TEXT("host", "ADDRESS", &words.host, "where to listen (127.0.0.1)"),
	INTEGER("port", "PORT", &words.port, 0, 65535, "0: any free one (8089)"),
	TEXT("port-file", "FILE", &words.port_file, "write the port there once it listens"),
	TEXT("api-key", "KEY", &words.api_key, "refuse requests without it"),
	LIST("model", "NAME", &words.models, "a model's name; may be given again (teacher)"),
	FLAG("strict-model", &words.strict_model, "refuse models that are not named so"),
	INTEGER("seed", "N", &words.seed, 0, 1e15, "for requests without a seed (0)"),
	TEXT("dialect", "NAME", &words.dialect, "vllm, openai, llamacpp, sglang, ollama (vllm)"),
	REAL("correct", "RATE", &words.correct, 0, 1, "how often it is right (0.8)"),
	REAL("loops", "RATE", &words.loops, 0, 0.7, "how often a trace goes round in circles (0.02)"),
	REAL("length", "FACTOR", &words.length, 0, 1000, "of the trace (1)"),
	TEXT("references", "FILE", &words.references, "JSON lines of questions and their answers"),
	TEXT("logprobs", "MODE", &words.logprobs, "raw, or processed: after temperature and cuts (raw)"),
	INTEGER("max-logprobs", "K", &words.max_logprobs, -1, 32768, "most candidates; -1: all (20)"),
	FLAG("reasoning-parser", &words.reasoning_parser, "take the trace out of the content"),
	FLAG("no-reasoning-parser", &words.no_reasoning_parser, "leave it there, in its tags"),
	FLAG("no-open-think", &words.no_open_think, "the opening tag is part of the prompt"),
	FLAG("eos-row", &words.eos_row, "show a row for the end of the sequence"),
	FLAG("no-eos-row", &words.no_eos_row, "show none"),
	FLAG("bytes-of-ids", &words.bytes_of_ids, "bytes of the string token_id:N, as older vLLMs"),
	FLAG("null-bytes", &words.null_bytes, "the bytes of some tokens are null"),
	INTEGER("slots", "N", &words.slots, 0, 1e6, "requests answered at once; 0: any number (0)"),
	INTEGER("queue", "N", &words.queue, -1, 1e9, "how many may wait; -1: any number (-1)"),
	REAL("tokens-per-second", "R", &words.tokens_per_second, 0, 1e9, "of a slot; 0: at once (0)"),
	INTEGER("latency-ms", "MS", &words.latency_ms, 0, 1e7, "before every answer (0)"),
	INTEGER("overload", "STATUS", &words.overload, 429, 503, "when too many wait: 503 or 429 (503)"),
	TEXT("retry-after", "VALUE", &words.retry_after, "header of every 429 and 503"),
	TEXT("quota", "N:S", &words.quota, "refuse with 429 more than N requests in S seconds"),
	TEXT("quota-headers", "STYLE", &words.quota_headers, "tell of it: openai, anthropic or none (openai)"),
	LIST("down", "FROM:TO", &words.down, "down between these seconds; may be given again"),
	TEXT("down-status", "STATUS", &words.down_status, "503, 429, or refuse: do not listen (503)"),
	TEXT("faults", "NAME=RATE,...", &words.faults, "misbehave so often; see --list-faults"),
	TEXT("faults-file", "FILE", &words.faults_file, "the same, from a file"),
	INTEGER("fault-seed", "N", &words.fault_seed, 0, 1e15, "which requests are struck (0)"),
	INTEGER("fault-attempts", "N", &words.fault_attempts, 0, 1e6, "only the first so many of a prompt; 0: all (0)"),
	LIST("fault-file", "FILE", &words.fault_files, "a raw HTTP response to play; may be given again"),
	REAL("fault-file-rate", "RATE", &words.fault_file_rate, 0, 1, "how often one of these is played (0)"),
	INTEGER("drip-ms", "MS", &words.drip_ms, 1, 1e7, "between the bytes of the fault drip (1000)"),
	FLAG("list-faults", &words.list_faults, "print every fault: name, group, expected outcome"),
	TEXT("ledger", "FILE", &words.ledger, "append a line for every answer, before it is sent"),
};
/* clang-format on */

int cmd_teacher(int argc, char **argv)
{
	struct command_line line = {.command = "retort teacher",
		.operands = "",
		.summary =
			"Serves a made-up model over the OpenAI API, for first runs and for "
			"tests.",
		.options = options,
		.n_options = sizeof(options) / sizeof(options[0])};
	int code;

	if (!options_read(&line, argc, argv, &code))
		return code;
	if (words.list_faults) {
		faults_print(stdout);
		return EXIT_OK;
	}
	return serve(&words);
}
