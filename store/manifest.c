/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/mem.h"
#include "common/text.h"

/* A member per generation: what was asked of whom. */
static json_t *settings_json(const struct settings_cache *settings)
{
	json_t *list = json_array();

	for (size_t i = 0; i < settings->n; i++)
		json_array_append_new(
			list, json_pack("{s:I, s:O}", "generation",
				      (json_int_t)settings->at[i]->generation, "job",
				      settings->at[i]->json));
	return list;
}

static json_t *text_json(struct bytes text)
{
	json_t *v = text.data ? json_stringn((const char *)text.data, text.len) : NULL;

	return v ? v : json_null();
}

enum err_code manifest_begin(struct manifest *m, struct dataset *d,
	struct settings_cache *settings, struct err *err)
{
	unsigned char run[RUN_ID_SIZE] = {0};
	char hex[2 * RUN_ID_SIZE + 1], now[25];
	struct bytes accept = {NULL, 0};
	enum err_code code = dataset_run(d, run, err);

	if (code == ERR_NONE || code == ERR_NOT_FOUND)
		code = dataset_accept(d, &accept, err);
	if (code == ERR_NONE || code == ERR_NOT_FOUND)
		code = settings_load_all(settings, d, err);
	if (code != ERR_NONE)
		return code;
	text_hex(run, sizeof(run), hex);
	clock_text(clock_wall_ms(), now);
	m->last_prompt = UINT64_MAX;
	m->origin = json_pack("{s:s, s:s, s:o, s:o}", "run", hex, "created_at", now,
		"accept", text_json(accept), "settings", settings_json(settings));
	return ERR_NONE;
}

void manifest_release(struct manifest *m)
{
	json_decref(m->origin);
	json_decref(m->rows);
	free(m->file);
	m->origin = m->rows = NULL;
	m->file = NULL;
	m->n_files = m->cap_files = 0;
}

static void count_teacher(struct manifest *m, const struct record *r)
{
	size_t i = 0;

	while (i < m->n_teachers && (m->teacher[i].settings != r->settings ||
					    m->teacher[i].teacher != r->teacher))
		i++;
	if (i == MANIFEST_TEACHERS)
		return;
	if (i == m->n_teachers)
		m->teacher[m->n_teachers++] =
			(struct manifest_teacher){r->settings, r->teacher, 0};
	m->teacher[i].samples++;
}

void manifest_count(struct manifest *m, const struct sample *s)
{
	const struct record *r = &s->head;
	uint32_t flags = sample_flags(s, s->is_duplicate);

	m->samples++;
	m->prompts += m->samples == 1 || r->key.prompt != m->last_prompt;
	m->last_prompt = r->key.prompt;
	m->accepted += s->accepted;
	m->duplicates += s->is_duplicate;
	m->finish[r->finish]++;
	for (int i = 0; i < 32; i++)
		m->flags[i] += flags >> i & 1;
	m->with_tokens += r->captures != 0;
	m->prompt_tokens += count_or_zero(r->prompt_tokens);
	m->cached_prompt_tokens += count_or_zero(r->cached_prompt_tokens);
	m->completion_tokens += count_or_zero(r->completion_tokens);
	m->reasoning_tokens += count_or_zero(r->reasoning_tokens);
	m->cost_nusd += r->cost_nusd;
	m->wasted_nusd += r->wasted_nusd;
	count_teacher(m, r);
}

void manifest_add_file(struct manifest *m, const struct outfile_sum *sum)
{
	MEM_GROW(m->file, m->cap_files, m->n_files + 1);
	m->file[m->n_files++] = *sum;
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *counts_json(const struct manifest *m)
{
	json_t *all = json_object(), *finish = json_object(), *flags = json_object();

	json_object_set_new(all, "samples", number(m->samples));
	json_object_set_new(all, "prompts", number(m->prompts));
	json_object_set_new(all, "accepted", number(m->accepted));
	json_object_set_new(all, "duplicates", number(m->duplicates));
	json_object_set_new(all, "with_tokens", number(m->with_tokens));
	for (int i = 0; i < FINISH_N; i++) {
		const char *name = finish_name((enum finish)i);
		json_int_t so_far = json_integer_value(json_object_get(finish, name));

		/* "stop" stands for two kinds of it. */
		if (so_far + (json_int_t)m->finish[i] > 0)
			json_object_set_new(finish, name,
				json_integer(so_far + (json_int_t)m->finish[i]));
	}
	json_object_set_new(all, "finish_reason", finish);
	for (int i = 0; i < 32; i++)
		if (m->flags[i] && flag_name(i))
			json_object_set_new(flags, flag_name(i), number(m->flags[i]));
	json_object_set_new(all, "flags", flags);
	return all;
}

static json_t *teachers_json(const struct manifest *m)
{
	const json_t *settings = json_object_get(m->origin, "settings");
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_teachers; i++) {
		const struct manifest_teacher *t = &m->teacher[i];
		const json_t *generation, *teacher = NULL;
		json_t *one = json_object();
		size_t g;

		json_array_foreach(settings, g, generation) {
			if (json_integer_value(json_object_get(generation,
				    "generation")) == (json_int_t)t->settings)
				teacher = json_array_get(
					json_object_get(
						json_object_get(generation, "job"),
						"teachers"),
					t->teacher);
		}
		for (int k = 0; k < 3; k++) {
			const char *name = k == 0   ? "name"
					   : k == 1 ? "model"
						    : "license";
			json_t *v = json_object_get(teacher, name);

			json_object_set(one, name, v ? v : json_null());
		}
		json_object_set_new(one, "settings", json_integer(t->settings));
		json_object_set_new(one, "samples", number(t->samples));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *files_json(const struct manifest *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_files; i++) {
		char hex[2 * DIGEST_SIZE + 1];

		text_hex(m->file[i].digest, DIGEST_SIZE, hex);
		json_array_append_new(list,
			json_pack("{s:s, s:I, s:s}", "name", m->file[i].name, "size",
				(json_int_t)m->file[i].size, "blake2b_256", hex));
	}
	return list;
}

char *manifest_text(const struct manifest *m, bool indent)
{
	json_t *all = json_object();
	char *text;

	json_object_set_new(all, "format", json_string(m->format));
	json_object_set_new(all, "retort", json_string(RETORT_VERSION));
	json_object_set(all, "created_at", json_object_get(m->origin, "created_at"));
	json_object_set(all, "run", json_object_get(m->origin, "run"));
	json_object_set_new(all, "sequence", number(m->until));
	json_object_set_new(all, "since", number(m->since));
	json_object_set_new(
		all, "where", m->where ? json_string(m->where) : json_null());
	json_object_set(all, "accept", json_object_get(m->origin, "accept"));
	json_object_set_new(all, "logits", json_boolean(m->with_logits));
	if (m->rows)
		json_object_set(all, "rows", m->rows);
	json_object_set_new(all, "counts", counts_json(m));
	json_object_set_new(all, "tokens",
		json_pack("{s:I, s:I, s:I, s:I}", "prompt",
			(json_int_t)m->prompt_tokens, "cached_prompt",
			(json_int_t)m->cached_prompt_tokens, "completion",
			(json_int_t)m->completion_tokens, "reasoning",
			(json_int_t)m->reasoning_tokens));
	json_object_set_new(all, "cost_usd", json_real((double)m->cost_nusd / 1e9));
	json_object_set_new(all, "failed_attempts_cost_usd",
		json_real((double)m->wasted_nusd / 1e9));
	json_object_set_new(all, "teachers", teachers_json(m));
	json_object_set(all, "settings", json_object_get(m->origin, "settings"));
	if (m->n_files)
		json_object_set_new(all, "files", files_json(m));
	text = json_dumps(all,
		(indent ? JSON_INDENT(2) : JSON_COMPACT) | JSON_REAL_PRECISION(15));
	json_decref(all);
	if (!text)
		abort();
	return text;
}
