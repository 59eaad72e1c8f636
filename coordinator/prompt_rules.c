/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/prompt_rules.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/text.h"
#include "coordinator/json_copy.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The place of `at` in the template, as an editor counts it. */
static size_t column_of(const char *template, const char *at)
{
	size_t n = 1;

	for (; template <at; template ++)
		n += ((unsigned char)*template & 0xc0) != 0x80;
	return n;
}

static void add_piece(
	struct prompt_rules *rules, int slot, const char *from, size_t len)
{
	struct template_piece *piece;
	size_t before = rules->literals.len;

	json_copy_escaped(from, len, &rules->literals);
	MEM_GROW(rules->piece, rules->cap_pieces, rules->n_pieces + 1);
	piece = &rules->piece[rules->n_pieces++];
	*piece = (struct template_piece){slot, before, rules->literals.len - before};
}

/* Reads the name behind the "{{" at `open`; *behind is what follows its "}}". */
static enum err_code read_name(struct prompt_rules *rules, const char *open, int *slot,
	const char **behind, struct err *err)
{
	const char *from = open + 2, *close = strstr(from, "}}"), *to = close;
	size_t column = column_of(rules->template, open);

	if (!close)
		return err_set(err, ERR_INVALID,
			"template, character %zu: this '{{' is not closed with '}}'",
			column);
	*behind = close + 2;
	while (from < to && is_space(*from))
		from++;
	while (to > from && is_space(to[-1]))
		to--;
	if (from == to)
		return err_set(err, ERR_INVALID,
			"template, character %zu: no column name between '{{' and '}}'",
			column);
	if (to - from > ROW_NAME_MAX || memchr(from, '{', (size_t)(to - from)))
		return err_set(err, ERR_INVALID,
			"template, character %zu: what follows this '{{' is no column name",
			column);
	*slot = row_names_add(&rules->names, from, (size_t)(to - from));
	if (*slot == ROW_NO_SLOT)
		return err_set(err, ERR_INVALID,
			"template, character %zu: more than %d different columns",
			column, ROW_TEMPLATE_COLUMNS);
	rules->in_template[*slot] = true;
	return ERR_NONE;
}

static enum err_code read_template(struct prompt_rules *rules, struct err *err)
{
	const char *at = rules->template;
	int slot = ROW_NO_SLOT;

	for (;;) {
		const char *open = strstr(at, "{{");
		enum err_code code;

		add_piece(rules, slot, at, open ? (size_t)(open - at) : strlen(at));
		if (!open)
			return ERR_NONE;
		code = read_name(rules, open, &slot, &at, err);
		if (code != ERR_NONE)
			return code;
	}
}

enum err_code prompt_rules_init(struct prompt_rules *rules, const char *template,
	const char *system, bool prefill, struct err *err)
{
	enum err_code code = ERR_NONE;

	*rules = (struct prompt_rules){.prefill = prefill, .top_logprobs = LIMIT_TOP_K};
	row_names_init(&rules->names);
	/* Both come from the job file; an escape is at most six bytes for one. */
	buf_init(&rules->literals, 6 * LIMIT_JOB_FILE);
	buf_init(&rules->system_message, 6 * LIMIT_JOB_FILE);
	buf_reserve(&rules->literals, 1); /* pieces point into it, empty ones too */
	if (system && *system) {
		rules->system = mem_dup_str(system);
		buf_add_str(
			&rules->system_message, "{\"role\":\"system\",\"content\":\"");
		json_copy_escaped(system, strlen(system), &rules->system_message);
		buf_add_str(&rules->system_message, "\"}");
	}
	if (template) {
		rules->template = mem_dup_str(template);
		rules->names.wants_turns = false;
		code = read_template(rules, err);
	}
	if (code == ERR_NONE && (rules->literals.over || rules->system_message.over))
		code = err_set(err, ERR_INVALID, "template or system: too long");
	if (code != ERR_NONE)
		prompt_rules_release(rules);
	return code;
}

enum err_code prompt_rules_of_job(
	struct prompt_rules *rules, const struct job *job, struct err *err)
{
	enum err_code code =
		prompt_rules_init(rules, job->template, job->system, job->prefill, err);

	if (code != ERR_NONE)
		return code;
	rules->top_logprobs = job->top_logprobs;
	rules->all_raw = true;
	rules->scores = job->task == JOB_TASK_SCORE;
	rules->model = mem_zalloc(job->n_teachers, sizeof(*rules->model));
	for (size_t i = 0; i < job->n_teachers; i++) {
		bool raw = job_api_is_raw(job->teacher[i].api);

		/* Who only scores what others say is asked none of the prompts. */
		if (job->teacher[i].role == JOB_ROLE_SCORE)
			continue;
		rules->model[rules->n_models++] = mem_dup_str(job->teacher[i].model);
		rules->some_raw = rules->some_raw || raw;
		rules->all_raw = rules->all_raw && raw;
	}
	return ERR_NONE;
}

void prompt_rules_release(struct prompt_rules *rules)
{
	for (size_t i = 0; i < rules->n_models; i++)
		free(rules->model[i]);
	free(rules->model);
	free(rules->template);
	free(rules->system);
	free(rules->piece);
	buf_release(&rules->literals);
	buf_release(&rules->system_message);
	memset(rules, 0, sizeof(*rules));
}
