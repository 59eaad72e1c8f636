/* SPDX-License-Identifier: Apache-2.0 */
#include "common/job.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/job_keys.h"
#include "common/jplace.h"
#include "common/limits.h"
#include "common/mem.h"

static bool name_is_sane(const char *name)
{
	return *name && strlen(name) <= LIMIT_JOB_NAME && name[0] != '.' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789._-") == strlen(name);
}

/* Whether a url's host, behind "http://", is this machine: a name that only
 * begins like one of ours is somebody else's. */
static bool is_loopback(const char *host)
{
	size_t len = strcspn(host, host[0] == '[' ? "/" : ":/");

	if (strncmp(host, "127.", 4) == 0)
		return strspn(host, "0123456789.") == len;
	return (len == 9 && strncmp(host, "localhost", 9) == 0) ||
	       (strncmp(host, "[::1]", 5) == 0 && (len == 5 || host[5] == ':'));
}

/* A key over plain http off loopback must be asked for by name. */
static bool key_stays_safe(struct job_reader *r, const struct job_teacher *t, size_t i)
{
	char path[64];

	if (!t->api_key_env && !t->api_key_file)
		return true;
	snprintf(path, sizeof(path), "teachers[%zu].url", i);
	for (size_t u = 0; u < t->n_urls; u++) {
		if (strncmp(t->url[u], "http://", 7) != 0 || t->insecure_key ||
			is_loopback(t->url[u] + 7))
			continue;
		return job_complain(r, path,
			"the key would travel unencrypted; use https, or set "
			"\"insecure_key\": true on this teacher");
	}
	return true;
}

/* A teacher that takes raw prompts has no place for what makes a conversation. */
static bool raw_is_consistent(struct job_reader *r, const struct job *job, size_t i)
{
	const struct job_teacher *t = &job->teacher[i];
	/* What scores is given what others were told, whatever their prompts are. */
	bool is_told = t->role != JOB_ROLE_SCORE;
	char path[64];

	if (!job_api_is_raw(t->api))
		return true;
	snprintf(path, sizeof(path), "teachers[%zu].server", i);
	if (job->system && *job->system && is_told)
		return job_complain(r, "system",
			"teacher '%s' (api %s) takes raw prompts, which have no system "
			"text; put it into the prompts or into template",
			t->name, t->api);
	if (job->prefill && is_told)
		return job_complain(r, "prefill",
			"teacher '%s' (api %s) takes raw prompts, which have no turns; "
			"put all of the text into the prompts",
			t->name, t->api);
	if ((strcmp(t->api, "sglang") == 0 && t->server != SERVER_AUTO &&
		    t->server != SERVER_SGLANG) ||
		(strcmp(t->api, "llamacpp") == 0 && t->server != SERVER_AUTO &&
			t->server != SERVER_LLAMACPP) ||
		(strcmp(t->api, "trl") == 0 && t->server != SERVER_AUTO))
		return job_complain(r, path,
			"the api %s is that server's own; leave this key out", t->api);
	if (strcmp(t->api, "trl") == 0 && job->task != JOB_TASK_SCORE && is_told) {
		snprintf(path, sizeof(path), "teachers[%zu].api", i);
		return job_complain(r, path,
			"trl only scores what it is given: set \"mode\": \"score\", or "
			"this teacher's \"role\" to it");
	}
	return true;
}

/* What is only scored is given, and nothing is sampled. */
static bool score_is_consistent(struct job_reader *r, const struct job *job)
{
	const struct job_sampling *s = &job->sampling;

	if (job->task != JOB_TASK_SCORE)
		return true;
	for (size_t i = 0; i < job->n_teachers; i++)
		if (!job_api_scores(job->teacher[i].api))
			return job_complain(r, "mode",
				"teacher '%s' cannot score by the api %s; completions "
				"(of vLLM), sglang and trl can",
				job->teacher[i].name, job->teacher[i].api);
	if (job->top_logprobs == 0)
		return job_complain(r, "mode",
			"score needs logits.top_logprobs: how many candidates a token");
	if (s->n != 1 || s->n_per_request != 1 || job_has_real(s->temperature) ||
		job_has_real(s->top_p) || job_has_int(s->top_k) ||
		job_has_real(s->min_p) || job_has_real(s->presence_penalty) ||
		job_has_real(s->repetition_penalty) || job_has_int(s->max_tokens) ||
		s->stop || job_has_int(s->seed))
		return job_complain(r, "sampling",
			"has nothing to say where mode is score: nothing is sampled; "
			"leave it out");
	if (job->template)
		return job_complain(r, "template",
			"is not for mode score, which takes input_ids or text");
	return true;
}

static bool is_consistent(struct job_reader *r, const struct job *job)
{
	if (!name_is_sane(job->name))
		return job_complain(r, "name",
			"must be 1 to %d letters, digits, '.', '_' or '-'",
			LIMIT_JOB_NAME);
	if (!score_is_consistent(r, job) || !job_roles_are_consistent(r, job))
		return false;
	if (strlen(job->accept) > LIMIT_FILTER_TEXT)
		return job_complain(r, "accept", "is too long");
	for (size_t i = 0; i < job->n_teachers; i++) {
		const struct job_teacher *t = &job->teacher[i];
		char path[64];

		snprintf(path, sizeof(path), "teachers[%zu].api_key_file", i);
		if (t->api_key_env && t->api_key_file)
			return job_complain(
				r, path, "give api_key_env or this, not both");
		if (!key_stays_safe(r, t, i) || !raw_is_consistent(r, job, i))
			return false;
		snprintf(path, sizeof(path), "teachers[%zu].stream", i);
		if (t->stream == JOB_STREAM_YES && job->sampling.n_per_request > 1)
			return job_complain(r, path,
				"several samples of one request do not come as a stream; "
				"set sampling.n_per_request to 1, or this to false");
	}
	return true;
}

enum err_code job_parse(const char *text, size_t len, const char *path, struct job *job,
	struct err *err)
{
	struct job_reader r = {path, text, len, err};
	json_error_t where;
	json_t *tree = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	bool ok;

	*job = (struct job){0};
	if (!tree)
		return err_set(err, ERR_INVALID, "%s:%d:%d: %s", path,
			where.line > 0 ? where.line : 1,
			where.column > 0 ? where.column : 1, where.text);
	if (json_is_object(tree))
		ok = job_read_members(&r, "", tree, job_keys, job) &&
		     is_consistent(&r, job);
	else
		ok = job_complain(&r, "the job", "must be an object");
	json_decref(tree);
	if (ok)
		return ERR_NONE;
	job_release(job);
	return ERR_INVALID;
}

enum err_code job_read(const char *path, struct job *job, struct err *err)
{
	struct buf text;
	enum err_code code;

	size_t skip;

	buf_init(&text, LIMIT_JOB_FILE);
	*job = (struct job){0};
	code = file_read(path, &text, err);
	/* Editors on Windows begin with a byte order mark. */
	skip = code == ERR_NONE && strncmp(buf_text(&text), "\xef\xbb\xbf", 3) == 0 ? 3
										    : 0;
	if (code == ERR_NONE)
		code = job_parse(
			buf_text(&text) + skip, text.len - skip, path, job, err);
	buf_release(&text);
	return code;
}

char *job_write(const struct job *job, bool indent)
{
	json_t *tree = job_write_members(job_keys, job);
	char *text = json_dumps(tree,
		(indent ? JSON_INDENT(2) : JSON_COMPACT) | JSON_REAL_PRECISION(15));

	json_decref(tree);
	if (!text)
		abort();
	return text;
}

char *job_write_public(const struct job *job)
{
	json_t *tree = job_write_members(job_keys, job), *teacher;
	char *text;
	size_t i;

	json_array_foreach(json_object_get(tree, "teachers"), i, teacher) {
		json_object_set_new(teacher, "extra_headers", json_object());
		json_object_set_new(teacher, "proxy", json_null());
	}
	text = json_dumps(tree, JSON_COMPACT | JSON_REAL_PRECISION(15));
	json_decref(tree);
	if (!text)
		abort();
	return text;
}

static void free_texts(char **at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(at[i]);
	free(at);
}

static void release_teacher(struct job_teacher *t)
{
	job_release_members(job_teacher_keys, t);
	free(t->api);
	free(t->api_key_file);
	free(t->ca_file);
	free(t->tokenizer);
	free_texts(t->url, t->n_urls);
	json_decref(t->extra_body);
	for (size_t i = 0; i < t->n_extra_headers; i++) {
		free(t->extra_header[i].name);
		free(t->extra_header[i].value);
	}
	free(t->extra_header);
}

void job_release(struct job *job)
{
	for (size_t i = 0; i < job->n_teachers; i++)
		release_teacher(&job->teacher[i]);
	free(job->teacher);
	free_texts(job->corpus, job->n_corpus);
	json_decref(job->sampling.stop);
	job_release_members(job_keys, job);
	*job = (struct job){0};
}

void job_place(const char *path, const char *key, char *out, size_t size)
{
	struct buf text;
	int line = 1, column = 1;

	buf_init(&text, LIMIT_JOB_FILE);
	if (file_read(path, &text, NULL) == ERR_NONE)
		jplace_find(buf_text(&text), text.len, key, &line, &column);
	snprintf(out, size, "%s:%d:%d", path, line, column);
	buf_release(&text);
}

size_t job_n_endpoints(const struct job *job)
{
	size_t n = 0;

	for (size_t i = 0; i < job->n_teachers; i++)
		n += job->teacher[i].n_urls;
	return n;
}

/* A tokenizer whose digest is known may lie anywhere. */
static json_t *what_file(json_t *tokenizer)
{
	json_t *digest = json_object_get(tokenizer, "digest");

	return digest ? digest : tokenizer;
}

/* The parts of a job whose change gives the answers a new meaning. */
static json_t *meaning(const struct job *job)
{
	static const char *const top[] = {
		"system", "template", "prefill", "logits", "mode", NULL};
	static const char *const of_teacher[] = {"name", "api", "server", "model",
		"extra_body", "tokenizer", "role", "logits", NULL};
	json_t *all = job_write_members(job_keys, job), *kept = json_object(), *teacher;
	json_t *sampling = json_object_get(all, "sampling");
	size_t i;

	for (int k = 0; top[k]; k++)
		json_object_set(kept, top[k], json_object_get(all, top[k]));
	json_object_del(sampling, "n");
	json_object_del(sampling, "n_per_request");
	json_object_set(kept, "sampling", sampling);
	json_array_foreach(json_object_get(all, "teachers"), i, teacher) {
		for (int k = 0; of_teacher[k]; k++) {
			char name[64];

			snprintf(name, sizeof(name), "teachers[%zu].%s", i,
				of_teacher[k]);
			json_object_set(kept, name,
				strcmp(of_teacher[k], "tokenizer") == 0
					? what_file(
						  json_object_get(teacher, "tokenizer"))
					: json_object_get(teacher, of_teacher[k]));
		}
	}
	json_decref(all);
	return kept;
}

/* The first member in which a and b differ, one level down for objects that
 * both have; NULL if none. The caller frees it. */
static char *first_difference(json_t *a, json_t *b)
{
	const char *name;
	json_t *v;

	json_object_foreach(a, name, v) {
		json_t *other = json_object_get(b, name);
		char *inner;

		if (other && json_equal(v, other))
			continue;
		if (!json_is_object(v) || !json_is_object(other) ||
			!strcmp(name + (strlen(name) > 10 ? strlen(name) - 10 : 0),
				"extra_body"))
			return mem_dup_str(name);
		inner = first_difference(v, other);
		if (inner) {
			char *path = mem_printf("%s.%s", name, inner);

			free(inner);
			return path;
		}
	}
	json_object_foreach(b, name, v)
		if (!json_object_get(a, name))
			return mem_dup_str(name);
	return NULL;
}

enum err_code job_compare(const struct job *was, const struct job *now, struct err *err)
{
	json_t *a = meaning(was), *b = meaning(now);
	char *changed = first_difference(a, b);
	enum err_code code = ERR_NONE;

	json_decref(a);
	json_decref(b);
	if (now->sampling.n < was->sampling.n)
		code = err_set(err, ERR_INVALID,
			"sampling.n was %lld and may only grow; %lld is fewer",
			(long long)was->sampling.n, (long long)now->sampling.n);
	else if (now->dedup_exact != was->dedup_exact)
		code = err_set(err, ERR_INVALID,
			"dedup.exact cannot change in a run; a filter at export can tell "
			"duplicates from others at any time");
	else if (changed)
		code = err_set(err, ERR_REFUSED,
			"%s has changed, which gives the answers a new meaning; change it back, "
			"or give --new-settings to ask what is left with the new value",
			changed);
	free(changed);
	return code;
}
