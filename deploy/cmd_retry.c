/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retort retry: makes samples eligible again.
 *
 * Failed samples are known to the ledger; samples that are stored are chosen by
 * a filter over the dataset, which is why this command stands above both. A
 * coordinator that is at work is asked; else its ledger is written here, under
 * its lock.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/options.h"
#include "common/reason.h"
#include "common/rundir.h"
#include "common/signals.h"
#include "coordinator/control.h"
#include "coordinator/coordinator.h"
#include "deploy/commands.h"
#include "store/cut_off.h"
#include "store/reader.h"

#define KEYS_A_REQUEST 50000
#define ASK_MS 30000

/* The samples that a filter passes, as (prompt, sample). */
static enum err_code choose(
	const char *dir, const char *where, struct wire_key_list *keys, struct err *err)
{
	char *path = file_join(dir, "dataset");
	struct dataset *d = NULL;
	struct filter *filter = NULL;
	struct reader *reader = NULL;
	struct sample *s;
	size_t cap = 0, column;
	enum err_code code;

	cut_off_explain(path);
	code = dataset_open(path, ENV_READ, &d, err);
	free(path);
	if (code == ERR_NONE)
		code = filter_compile(where, &filter, &column, err);
	if (code == ERR_NONE)
		code = reader_open(
			d, &(struct reader_query){.where = filter}, &reader, err);
	while (code == ERR_NONE && (code = reader_next(reader, &s, err)) == ERR_NONE) {
		MEM_GROW(keys->at, cap, (size_t)keys->n + 1);
		keys->at[keys->n++] = (struct wire_key){
			s->head.key.prompt, s->head.key.sample, s->head.key.revision};
	}
	if (code == ERR_NOT_FOUND && reader)
		code = ERR_NONE;
	reader_close(reader);
	filter_free(filter);
	dataset_close(d);
	return code;
}

static json_t *request_for(const struct retry_choice *choice, uint32_t from, uint32_t n)
{
	json_t *request = json_pack("{s:s}", "do", "retry"), *keys;

	if (!choice->use_keys) {
		json_object_set_new(request, "reason",
			choice->reason ? json_string(choice->reason) : json_null());
		return request;
	}
	keys = json_array();
	for (uint32_t i = from; i < from + n; i++)
		json_array_append_new(
			keys, json_pack("[I,I]", (json_int_t)choice->keys.at[i].prompt,
				      (json_int_t)choice->keys.at[i].sample));
	json_object_set_new(request, "keys", keys);
	return request;
}

/* ERR_NOT_FOUND: no coordinator is at work. */
static enum err_code ask_coordinator(
	const char *dir, const struct retry_choice *choice, int64_t *n, struct err *err)
{
	uint32_t at = 0, total = choice->use_keys ? choice->keys.n : 1;
	enum err_code code = ERR_NONE;

	while (code == ERR_NONE && at < total) {
		uint32_t part =
			total - at < KEYS_A_REQUEST ? total - at : KEYS_A_REQUEST;
		json_t *request = request_for(choice, at, part), *answer = NULL;

		code = control_ask(dir, request, ASK_MS, &answer, err);
		if (code == ERR_NONE)
			*n += json_integer_value(json_object_get(answer, "samples"));
		json_decref(answer);
		json_decref(request);
		at += part;
	}
	return code;
}

static enum err_code write_ledger(
	const char *dir, const struct retry_choice *choice, int64_t *n, struct err *err)
{
	char *path = file_join(dir, "ledger.sqlite");
	struct ledger *l = NULL;
	bool is_new;
	int lock;
	enum err_code code =
		file_exists(path)
			? ERR_NONE
			: err_set(err, ERR_NOT_FOUND, "there is no run in '%s'", dir);

	if (code == ERR_NONE)
		code = rundir_take(dir, LOCK_COORDINATOR, 2000, &lock, err);
	if (code == ERR_NONE)
		code = ledger_open(path, &l, &is_new, err);
	if (code == ERR_NONE) {
		*n = retry_samples(l, choice);
		if (!ledger_commit(l, clock_wall_ms()))
			code = err_set(err, ERR_IO, "the ledger cannot be written");
		ledger_close(l);
		file_unlock(lock);
	}
	free(path);
	return code;
}

int cmd_retry(int argc, char **argv)
{
	const char *where = NULL, *reason = NULL;
	const struct option options[] = {
		{"where", 0, OPTION_TEXT, "EXPR",
			"stored samples that this filter passes", &where, 0, 0},
		{"reason", 0, OPTION_TEXT, "R", "failed samples of this reason only",
			&reason, 0, 0},
	};
	struct command_line line = {"retort retry", "RUN",
		"Makes failed samples, or those that a filter chooses, eligible again as a new\n"
		"revision. A run that is not at work does it when it is run again.",
		options, sizeof(options) / sizeof(options[0]), 1, 1, {NULL}, 0};
	struct retry_choice choice = {0};
	struct err err = {0};
	enum err_code code = ERR_NONE;
	int64_t n = 0;
	int exit_code;

	if (!options_read(&line, argc, argv, &exit_code))
		return exit_code;
	signals_install();
	if (where && reason) {
		fprintf(stderr,
			"retort retry: --where is for stored samples, --reason for "
			"failed ones; give one of them\n");
		return EXIT_USAGE;
	}
	if (reason && reason_by_name(reason) == REASON_N) {
		fprintf(stderr,
			"retort retry: %s is not a reason; see the view 'failures'\n",
			log_quote(reason).text);
		return EXIT_USAGE;
	}
	choice.reason = reason;
	choice.use_keys = where != NULL;
	if (where)
		code = choose(line.operand[0], where, &choice.keys, &err);
	if (code == ERR_NONE) {
		code = ask_coordinator(line.operand[0], &choice, &n, &err);
		if (code == ERR_NOT_FOUND)
			code = write_ledger(line.operand[0], &choice, &n, &err);
	}
	free(choice.keys.at);
	if (code != ERR_NONE) {
		fprintf(stderr, "retort retry: %s\n", err.msg);
		return code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
	}
	printf("%lld samples are eligible again\n", (long long)n);
	return EXIT_OK;
}
