/* SPDX-License-Identifier: Apache-2.0 */
#include "store/export_rows.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/mem.h"
#include "store/templated.h"

/* A further file after so much: small enough to be moved and read by itself. */
#define FILE_BYTES MIB(512)
#define NOTES_MAX 6

struct rows_export {
	const struct rows_format *of;
	struct causal_rules rules;
	struct capture_choice capture;
	unsigned captures; /* bit c: some rows are of capture c */
	struct causal placed;
	uint64_t positions, rows, unknown, left_out[CAUSAL_VERDICTS];
	uint64_t meant[LOGPROBS_PROCESSED + 1]; /* samples, by enum logprobs_mode */
	uint64_t tokenizer;                     /* digest; 0: not known yet */
	struct templated *templated;            /* NULL: no ids are made */
	uint64_t file_bytes;

	struct parquet_note note[NOTES_MAX];
	char *note_text[NOTES_MAX]; /* those that are made here */
	size_t n_notes;
	struct parquet *file;
	size_t n_files;
	char *aside;
	bool finished;
};

/* The job's teacher that gave a capture from 1 on; NULL if there is none. */
static const json_t *scorer(const json_t *job, unsigned capture)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(job, "teachers"), i, one) {
		const char *role = json_string_value(json_object_get(one, "role"));

		if (role && strcmp(role, "score") == 0 && --capture == 0)
			return one;
	}
	return NULL;
}

static json_int_t asked_for(const json_t *of)
{
	return json_integer_value(
		json_object_get(json_object_get(of, "logits"), "top_logprobs"));
}

/* The job as it was last: the newest settings. */
static const json_t *newest_job(const struct export *e)
{
	const json_t *list = json_object_get(e->manifest.origin, "settings");
	const json_t *one, *newest = NULL;
	json_int_t highest = -1;
	size_t i;

	json_array_foreach(list, i, one) {
		json_int_t generation =
			json_integer_value(json_object_get(one, "generation"));

		if (generation > highest) {
			highest = generation;
			newest = json_object_get(one, "job");
		}
	}
	return newest;
}

static enum err_code choose_k(
	const struct export *e, const json_t *job, uint32_t *k, struct err *err)
{
	const struct capture_choice *capture = &e->options->capture;
	json_int_t asked = asked_for(job), own = 0;

	/* Where the samples' teacher gives none, the first that scores does. */
	if (capture->named ? capture->number > 0 : asked == 0)
		own = asked_for(scorer(job, capture->named ? capture->number : 1));
	if (own > 0)
		asked = own;
	*k = e->options->k;
	if (*k == 0 && asked > 0 && asked <= LIMIT_TOP_K)
		*k = (uint32_t)asked;
	if (*k > 0)
		return ERR_NONE;
	return err_set(err, ERR_INVALID,
		"the job asks for no logprobs (logits.top_logprobs); --k says how many "
		"candidates a position is to have");
}

static void add_note(struct rows_export *x, const char *key, char *value)
{
	x->note_text[x->n_notes] = value;
	x->note[x->n_notes++] = (struct parquet_note){key, value};
}

static char *text_of(const json_t *v)
{
	return mem_dup_str(json_is_string(v) ? json_string_value(v) : "");
}

static const char *shift_name(const struct rows_export *x)
{
	return x->rules.shift == CAUSAL_NEXT ? "next" : "same";
}

static void make_notes(struct rows_export *x, const struct export *e, const json_t *job)
{
	add_note(x, "retort.job", text_of(json_object_get(job, "name")));
	add_note(x, "retort.run", text_of(json_object_get(e->manifest.origin, "run")));
	add_note(x, "retort.sequence",
		mem_printf("%llu", (unsigned long long)e->manifest.until));
	add_note(x, "retort.format", mem_dup_str(e->manifest.format));
	add_note(x, "retort.shift", mem_dup_str(shift_name(x)));
	add_note(x, "retort.k", mem_printf("%u", x->rules.k));
}

static enum err_code open_file(struct rows_export *x, struct err *err)
{
	struct parquet_schema schema = {.column = x->of->column,
		.n_columns = x->of->n_columns,
		.note = x->note,
		.n_notes = x->n_notes};
	char name[40], *path;
	enum err_code code;

	snprintf(name, sizeof(name), "data_%zu.parquet", x->n_files);
	path = file_join(x->aside, name);
	code = parquet_open(path, &schema, &x->file, err);
	free(path);
	x->n_files += code == ERR_NONE;
	return code;
}

static enum err_code close_file(struct export *e, struct err *err)
{
	struct rows_export *x = e->state;
	struct parquet *file = x->file;
	struct outfile_sum sum;
	enum err_code code;

	x->file = NULL;
	code = parquet_finish(file, &sum, err);
	if (code == ERR_NONE)
		manifest_add_file(&e->manifest, &sum);
	return code;
}

enum err_code export_rows_open(
	struct export *e, const struct rows_format *of, struct err *err)
{
	struct rows_export *x = mem_zalloc(1, sizeof(*x));
	const json_t *job = newest_job(e);
	enum err_code code;

	e->state = x;
	e->manifest.with_logits = true;
	x->of = of;
	x->capture = e->options->capture;
	x->rules = (struct causal_rules){
		.shift = e->options->shift_same ? CAUSAL_SAME : CAUSAL_NEXT,
		.labels = of->labels,
		.length = e->options->length,
		.normalise = of->normalise,
		.with_misaligned = e->options->with_misaligned};
	x->file_bytes = e->options->file_bytes ? e->options->file_bytes : FILE_BYTES;
	code = choose_k(e, job, &x->rules.k, err);
	if (code == ERR_NONE && e->options->tokenizer)
		code = templated_open(e->options->tokenizer, e->options->chat_template,
			&x->templated, err);
	if (code != ERR_NONE)
		return code;
	make_notes(x, e, job);
	code = outfolder_open(e->options->out, e->options->force, &x->aside, err);
	return code == ERR_NONE ? open_file(x, err) : code;
}

/* Ids of two vocabularies in one data set would mean nothing. */
static enum err_code check_tokenizer(
	struct rows_export *x, const struct logits *l, struct err *err)
{
	if (x->tokenizer == 0)
		x->tokenizer = l->tokenizer;
	if (l->tokenizer == 0 || l->tokenizer == x->tokenizer)
		return ERR_NONE;
	return err_set(err, ERR_INVALID,
		"the samples are of more than one tokenizer; take one teacher's with "
		"--where, say, \"provenance.teacher == 'NAME'\"");
}

static enum err_code place(struct rows_export *x, struct sample *s,
	enum causal_verdict *verdict, struct err *err)
{
	struct logits logits = {0};
	struct bytes prompt_ids;
	int capture = CAPTURE_NONE;
	enum err_code code = sample_prompt_ids(s, &prompt_ids, err);

	if (code == ERR_NONE && x->templated)
		code = templated_choose(x->templated, s, &prompt_ids, err);
	if (code == ERR_NONE)
		code = sample_capture(s, x->capture, &capture, err);
	if (code == ERR_NONE && capture != CAPTURE_NONE)
		code = sample_logits(s, (uint8_t)capture, &logits, err);
	if (code != ERR_NONE)
		return code;
	*verdict = causal_place(&x->rules, s->head.flags, prompt_ids,
		capture != CAPTURE_NONE ? &logits : NULL, &x->placed);
	if (*verdict == CAUSAL_PLACED) {
		code = check_tokenizer(x, &logits, err);
		if (code == ERR_NONE && x->templated)
			code = templated_check(x->templated, logits.tokenizer, err);
		x->meant[logits.mode <= LOGPROBS_PROCESSED ? logits.mode : 0]++;
		x->captures |= 1u << capture;
	}
	if (x->templated &&
		(*verdict == CAUSAL_PLACED || *verdict == CAUSAL_NO_PROMPT_IDS))
		templated_count(x->templated);
	logits_release(&logits);
	return code;
}

enum err_code export_rows_add(struct export *e, struct sample *s,
	const struct key_entry *entry, struct err *err)
{
	struct rows_export *x = e->state;
	enum causal_verdict verdict = CAUSAL_PLACED;
	enum err_code code = ERR_NONE;

	(void)entry;
	if (parquet_rows(x->file) > 0 && parquet_written(x->file) >= x->file_bytes)
		code = close_file(e, err);
	if (code == ERR_NONE && !x->file)
		code = open_file(x, err);
	if (code == ERR_NONE)
		code = place(x, s, &verdict, err);
	if (code != ERR_NONE)
		return code;
	e->left_out = verdict != CAUSAL_PLACED;
	if (e->left_out) {
		x->left_out[verdict]++;
		return ERR_NONE;
	}
	x->positions += x->placed.n;
	x->rows += x->placed.rows;
	x->unknown += x->placed.unknown;
	x->of->put(x->file, &x->placed);
	return parquet_end_row(x->file, err);
}

/* `rows` of the manifest. */
static json_t *describe(const struct rows_export *x)
{
	json_t *left_out = json_object(), *meant = json_object(),
	       *captures = json_array();

	for (int i = 0; i <= LOGPROBS_PROCESSED; i++)
		json_object_set_new(meant, logprobs_mode_name((enum logprobs_mode)i),
			json_integer((json_int_t)x->meant[i]));
	for (int i = CAUSAL_PLACED + 1; i < CAUSAL_VERDICTS; i++)
		json_object_set_new(left_out,
			causal_verdict_name((enum causal_verdict)i),
			json_integer((json_int_t)x->left_out[i]));
	for (int i = 0; i < 16; i++)
		if (x->captures >> i & 1)
			json_array_append_new(captures, json_integer(i));
	return json_pack("{s:i, s:o, s:s, s:o, s:I, s:I, s:I, s:o, s:o}", "k",
		(int)x->rules.k, "captures", captures, "shift", shift_name(x), "length",
		x->rules.length ? json_integer(x->rules.length) : json_null(),
		"positions", (json_int_t)x->positions, "distributions",
		(json_int_t)x->rows, "unknown_candidates", (json_int_t)x->unknown,
		"logprobs", meant, "left_out", left_out);
}

static enum err_code write_manifest(
	const struct export *e, const struct rows_export *x, struct err *err)
{
	char *text = manifest_text(&e->manifest, true);
	char *path = file_join(x->aside, "manifest.json");
	enum err_code code = file_write(path, text, strlen(text), 0666, err);

	free(path);
	free(text);
	return code;
}

enum err_code export_rows_finish(struct export *e, struct err *err)
{
	struct rows_export *x = e->state;
	enum err_code code = close_file(e, err);

	if (code != ERR_NONE)
		return code;
	e->manifest.rows = describe(x);
	if (x->templated) {
		json_object_set_new(
			e->manifest.rows, "prompt_ids", templated_json(x->templated));
		templated_say(x->templated, e->manifest.said, sizeof(e->manifest.said));
	}
	code = write_manifest(e, x, err);
	if (code == ERR_NONE)
		code = outfolder_finish(e->options->out, x->aside, err);
	x->finished = code == ERR_NONE;
	return code;
}

void export_rows_close(struct export *e)
{
	struct rows_export *x = e->state;

	if (!x)
		return;
	parquet_abort(x->file);
	if (x->aside && !x->finished && file_remove_all(x->aside, NULL) != ERR_NONE)
		x->finished = false; /* what is left says by its name that it is junk */
	free(x->aside);
	for (size_t i = 0; i < x->n_notes; i++)
		free(x->note_text[i]);
	causal_release(&x->placed);
	templated_close(x->templated);
	free(x);
	e->state = NULL;
}
