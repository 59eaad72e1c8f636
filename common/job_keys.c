/* SPDX-License-Identifier: Apache-2.0 */
#include "common/job_keys.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"

#define AT(member) offsetof(struct job, member)
#define TEACHER_AT(member) offsetof(struct job_teacher, member)
#define ANY_COUNT 9e15

static const char *const server_names[] = {
	"auto", "openai", "vllm", "sglang", "llamacpp", "trtllm", "ollama", NULL};
static const char *const mode_names[] = {"unknown", "raw", "processed", NULL};
static const char *const role_names[] = {"sample", "score", NULL};
static const char *const profile_names[] = {"exact", "fine", "compact", NULL};
static const char *const task_names[] = {"sample", "score", NULL};
static const char *const keep_raw_names[] = {"none", "failed", NULL};

static const struct {
	const char *name;
	enum job_score bit;
} score_names[] = {
	{"length", JOB_SCORE_LENGTH},
	{"repetition", JOB_SCORE_REPETITION},
	{"finish", JOB_SCORE_FINISH},
	{"refusal", JOB_SCORE_REFUSAL},
	{"confidence", JOB_SCORE_CONFIDENCE},
	{"answer", JOB_SCORE_ANSWER},
};
#define N_SCORES (sizeof(score_names) / sizeof(score_names[0]))

const char *job_server_name(enum job_server server)
{
	return server_names[server];
}

/* A list of texts, or one text standing for a list of one. */
struct text_list {
	char **at;
	size_t n;
};

static bool read_texts(struct job_reader *r, const char *path, json_t *v, size_t max,
	bool single_ok, struct text_list *to)
{
	json_t *one;
	size_t i;

	if (single_ok && json_is_string(v)) {
		to->at = mem_zalloc(1, sizeof(*to->at));
		to->at[0] = mem_dup_str(json_string_value(v));
		to->n = 1;
		return true;
	}
	if (!json_is_array(v))
		return job_complain(r, path, "must be a list of texts");
	if (json_array_size(v) == 0 || json_array_size(v) > max)
		return job_complain(r, path, "must have from 1 to %zu entries", max);
	to->at = mem_zalloc(json_array_size(v), sizeof(*to->at));
	json_array_foreach(v, i, one) {
		char *entry = mem_printf("%s[%zu]", path, i);
		bool ok = json_is_string(one) && *json_string_value(one);

		if (ok)
			to->at[to->n++] = mem_dup_str(json_string_value(one));
		else
			job_complain(r, entry, "must be a text that is not empty");
		free(entry);
		if (!ok)
			return false;
	}
	return true;
}

static json_t *texts_json(char *const *at, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(at[i]));
	return list;
}

/* corpus: paths as seen from the job file. */
static bool read_corpus(struct job_reader *r, const char *path, json_t *v, void *to)
{
	struct job *job = (struct job *)((char *)to - AT(corpus));
	struct text_list list = {0};
	bool ok = read_texts(r, path, v, LIMIT_CORPUS_FILES, true, &list);

	job->corpus = list.at;
	job->n_corpus = list.n;
	for (size_t i = 0; i < list.n; i++) {
		char *relative = list.at[i];

		list.at[i] = file_beside(r->path, relative);
		free(relative);
	}
	return ok;
}

static json_t *corpus_json(const void *from)
{
	const struct job *job = (const struct job *)((const char *)from - AT(corpus));

	return texts_json(job->corpus, job->n_corpus);
}

static bool read_teachers(struct job_reader *r, const char *path, json_t *v, void *to)
{
	struct job *job = (struct job *)((char *)to - AT(teacher));
	json_t *one;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) == 0 ||
		json_array_size(v) > LIMIT_TEACHERS)
		return job_complain(
			r, path, "must be a list of 1 to %d teachers", LIMIT_TEACHERS);
	job->teacher = mem_zalloc(json_array_size(v), sizeof(*job->teacher));
	json_array_foreach(v, i, one) {
		char *entry = mem_printf("%s[%zu]", path, i);
		bool ok;

		job->n_teachers++;
		if (json_is_object(one))
			ok = job_read_members(
				r, entry, one, job_teacher_keys, &job->teacher[i]);
		else
			ok = job_complain(r, entry, "must be an object");
		for (size_t k = 0; k < i && ok; k++)
			if (strcmp(job->teacher[k].name, job->teacher[i].name) == 0)
				ok = job_complain(r, entry,
					"has the same name as teachers[%zu]", k);
		free(entry);
		if (!ok)
			return false;
	}
	if (job_n_endpoints(job) > LIMIT_ENDPOINTS)
		return job_complain(r, path, "have more than %d urls", LIMIT_ENDPOINTS);
	return true;
}

static json_t *teachers_json(const void *from)
{
	const struct job *job = (const struct job *)((const char *)from - AT(teacher));
	json_t *list = json_array();

	for (size_t i = 0; i < job->n_teachers; i++)
		json_array_append_new(
			list, job_write_members(job_teacher_keys, &job->teacher[i]));
	return list;
}

static bool read_scores(struct job_reader *r, const char *path, json_t *v, void *to)
{
	const char *names[N_SCORES + 1] = {NULL};
	unsigned *bits = to;
	json_t *one;
	size_t i;

	for (i = 0; i < N_SCORES; i++)
		names[i] = score_names[i].name;
	*bits = 0;
	if (!json_is_array(v))
		return job_complain(r, path, "must be a list of score names");
	json_array_foreach(v, i, one) {
		const char *name = json_string_value(one), *nearest;
		char entry[64];
		size_t k = 0;

		while (name && k < N_SCORES && strcmp(score_names[k].name, name) != 0)
			k++;
		if (name && k < N_SCORES) {
			*bits |= score_names[k].bit;
			continue;
		}
		snprintf(entry, sizeof(entry), "%s[%zu]", path, i);
		nearest = name ? text_nearest(name, names) : NULL;
		if (nearest)
			return job_complain(r, entry,
				"no such score (did you mean '%s'?)", nearest);
		return job_complain(r, entry,
			"no such score; this build has length, repetition, finish, refusal, "
			"confidence, answer");
	}
	return true;
}

static json_t *scores_json(const void *from)
{
	const unsigned *bits = from;
	json_t *list = json_array();

	for (size_t i = 0; i < N_SCORES; i++)
		if (*bits & score_names[i].bit)
			json_array_append_new(list, json_string(score_names[i].name));
	return list;
}

static bool read_stop(struct job_reader *r, const char *path, json_t *v, void *to)
{
	struct text_list list = {0};
	bool ok = read_texts(r, path, v, 16, true, &list);

	if (ok)
		*(json_t **)to = texts_json(list.at, list.n);
	for (size_t i = 0; i < list.n; i++)
		free(list.at[i]);
	free(list.at);
	return ok;
}

static json_t *tree_json(const void *from)
{
	json_t *tree = *(json_t *const *)from;

	return tree ? json_incref(tree) : json_null();
}

static bool read_stream(struct job_reader *r, const char *path, json_t *v, void *to)
{
	if (!json_is_boolean(v))
		return job_complain(r, path, "must be true, false or null");
	*(int64_t *)to = json_is_true(v) ? JOB_STREAM_YES : JOB_STREAM_NO;
	return true;
}

static json_t *stream_json(const void *from)
{
	int64_t stream = *(const int64_t *)from;

	return stream == JOB_STREAM_AUTO ? json_null()
					 : json_boolean(stream == JOB_STREAM_YES);
}

static bool read_urls(struct job_reader *r, const char *path, json_t *v, void *to)
{
	struct job_teacher *t = (struct job_teacher *)((char *)to - TEACHER_AT(url));
	struct text_list list = {0};
	bool ok = read_texts(r, path, v, LIMIT_ENDPOINTS, true, &list);

	t->url = list.at;
	t->n_urls = list.n;
	for (size_t i = 0; i < list.n && ok; i++) {
		char *url = list.at[i];
		size_t len = strlen(url);

		while (len > 0 && url[len - 1] == '/')
			url[--len] = '\0';
		if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
			ok = job_complain(r, path,
				"%s must begin with http:// or https://",
				log_quote(url).text);
		else if (strpbrk(url, "?#@ \t\r\n"))
			ok = job_complain(r, path,
				"%s must not hold a query, a fragment, a user or a space",
				log_quote(url).text);
	}
	return ok;
}

static json_t *urls_json(const void *from)
{
	const struct job_teacher *t =
		(const struct job_teacher *)((const char *)from - TEACHER_AT(url));

	return texts_json(t->url, t->n_urls);
}

static bool read_extra_body(struct job_reader *r, const char *path, json_t *v, void *to)
{
	static const char *const ours[] = {
		"model", "messages", "n", "stream", "logprobs", "top_logprobs", NULL};

	if (!json_is_object(v))
		return job_complain(r, path, "must be an object");
	for (int i = 0; ours[i]; i++) {
		char member[64];

		snprintf(member, sizeof(member), "%.40s.%s", path, ours[i]);
		if (json_object_get(v, ours[i]))
			return job_complain(
				r, member, "has a place of its own in the job");
	}
	json_decref(*(json_t **)to);
	*(json_t **)to = json_incref(v);
	return true;
}

static bool header_is_sane(const char *name, const char *value)
{
	static const char *const ours[] = {"authorization", "content-type",
		"content-length", "host", "transfer-encoding", "connection",
		"accept-encoding", "expect", NULL};

	for (int i = 0; ours[i]; i++)
		if (strcasecmp(name, ours[i]) == 0)
			return false;
	return *name &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789-_") == strlen(name) &&
	       !text_has_control(value, strlen(value)) && !strpbrk(value, "\r\n\f");
}

static bool read_headers(struct job_reader *r, const char *path, json_t *v, void *to)
{
	struct job_teacher *t =
		(struct job_teacher *)((char *)to - TEACHER_AT(extra_header));
	const char *name;
	json_t *value;

	if (!json_is_object(v))
		return job_complain(r, path, "must be an object of texts");
	t->extra_header = mem_zalloc(json_object_size(v), sizeof(*t->extra_header));
	json_object_foreach(v, name, value) {
		const char *text = json_string_value(value);

		if (!text || !header_is_sane(name, text))
			return job_complain(r, path,
				"%s: not a header that can be added (a plain name, a text of one "
				"line, none of those that retort sets)",
				log_quote(name).text);
		t->extra_header[t->n_extra_headers++] =
			(struct job_header){mem_dup_str(name), mem_dup_str(text)};
	}
	return true;
}

static json_t *headers_json(const void *from)
{
	const struct job_teacher *t =
		(const struct job_teacher *)((const char *)from -
					     TEACHER_AT(extra_header));
	json_t *object = json_object();

	for (size_t i = 0; i < t->n_extra_headers; i++)
		json_object_set_new(object, t->extra_header[i].name,
			json_string(t->extra_header[i].value));
	return object;
}

static bool read_file_name(struct job_reader *r, const char *path, json_t *v, void *to)
{
	if (!json_is_string(v))
		return job_complain(r, path, "must be a path");
	free(*(char **)to);
	*(char **)to = file_beside(r->path, json_string_value(v));
	return true;
}

static json_t *text_json(const void *from)
{
	return *(char *const *)from ? json_string(*(char *const *)from) : json_null();
}

#define TEXT(name_, at)                                                                \
	{                                                                              \
		.name = name_, .kind = KEY_TEXT, .offset = at                          \
	}
#define INTEGER(name_, at, min_, max_, default_)                                       \
	{                                                                              \
		.name = name_, .kind = KEY_INTEGER, .offset = at, .min = min_,         \
		.max = max_, .fallback = default_                                      \
	}
#define REAL(name_, at, min_, max_, default_)                                          \
	{                                                                              \
		.name = name_, .kind = KEY_REAL, .offset = at, .min = min_,            \
		.max = max_, .fallback = default_                                      \
	}
#define BOOL(name_, at, default_)                                                      \
	{                                                                              \
		.name = name_, .kind = KEY_BOOL, .offset = at, .fallback = default_    \
	}
#define OBJECT(name_, members_)                                                        \
	{                                                                              \
		.name = name_, .kind = KEY_OBJECT_OF, .members = members_,             \
		.fallback = "{}"                                                       \
	}
#define SPECIAL(name_, at, read_, write_, default_)                                    \
	{                                                                              \
		.name = name_, .kind = KEY_SPECIAL, .offset = at, .special = read_,    \
		.special_json = write_, .fallback = default_                           \
	}
#define LATER(name_, only)                                                             \
	{                                                                              \
		.name = name_, .kind = KEY_LATER, .fallback = only                     \
	}

static const struct job_key limits_keys[] = {
	INTEGER("requests_per_minute", TEACHER_AT(requests_per_minute), 1, 1e9, NULL),
	INTEGER("tokens_per_minute", TEACHER_AT(tokens_per_minute), 1, 1e12, NULL),
	{.name = NULL},
};

static const struct job_key timeouts_keys[] = {
	REAL("connect_s", TEACHER_AT(connect_s), 0.05, 600, "10"),
	REAL("first_byte_s", TEACHER_AT(first_byte_s), 0.05, 86400, "1800"),
	REAL("total_s", TEACHER_AT(total_s), 0.05, 86400, "3600"),
	{.name = NULL},
};

static const struct job_key price_keys[] = {
	REAL("prompt_usd_per_mtok", TEACHER_AT(prompt_usd_per_mtok), 0, 1e6, "0"),
	REAL("cached_prompt_usd_per_mtok", TEACHER_AT(cached_prompt_usd_per_mtok), 0,
		1e6, "0"),
	REAL("completion_usd_per_mtok", TEACHER_AT(completion_usd_per_mtok), 0, 1e6,
		"0"),
	{.name = NULL},
};

static const struct job_key teacher_logits_keys[] = {
	INTEGER("top_logprobs", TEACHER_AT(top_logprobs), 1, LIMIT_TOP_K, NULL),
	{.name = NULL},
};

const struct job_key job_teacher_keys[] = {
	{.name = "name",
		.kind = KEY_TEXT,
		.offset = TEACHER_AT(name),
		.required = true},
	SPECIAL("api", TEACHER_AT(api), job_read_api, job_api_json, "\"openai-chat\""),
	{.name = "server",
		.kind = KEY_CHOICE,
		.offset = TEACHER_AT(server),
		.choices = server_names,
		.fallback = "\"auto\""},
	{.name = "url",
		.kind = KEY_SPECIAL,
		.offset = TEACHER_AT(url),
		.special = read_urls,
		.special_json = urls_json,
		.required = true},
	{.name = "model",
		.kind = KEY_TEXT,
		.offset = TEACHER_AT(model),
		.required = true},
	TEXT("api_key_env", TEACHER_AT(api_key_env)),
	SPECIAL("api_key_file", TEACHER_AT(api_key_file), read_file_name, text_json,
		NULL),
	SPECIAL("extra_body", TEACHER_AT(extra_body), read_extra_body, tree_json, "{}"),
	SPECIAL("extra_headers", TEACHER_AT(extra_header), read_headers, headers_json,
		NULL),
	TEXT("proxy", TEACHER_AT(proxy)),
	SPECIAL("ca_file", TEACHER_AT(ca_file), read_file_name, text_json, NULL),
	BOOL("insecure_key", TEACHER_AT(insecure_key), "false"),
	INTEGER("max_in_flight", TEACHER_AT(max_in_flight), 1, LIMIT_IN_FLIGHT, "64"),
	OBJECT("limits", limits_keys),
	OBJECT("timeouts", timeouts_keys),
	OBJECT("price", price_keys),
	{.name = "logprobs_mode",
		.kind = KEY_CHOICE,
		.offset = TEACHER_AT(logprobs_mode),
		.choices = mode_names,
		.fallback = "\"unknown\""},
	TEXT("license", TEACHER_AT(license)),
	{.name = "role",
		.kind = KEY_CHOICE,
		.offset = TEACHER_AT(role),
		.choices = role_names,
		.fallback = "\"sample\""},
	OBJECT("logits", teacher_logits_keys),
	SPECIAL("stream", TEACHER_AT(stream), read_stream, stream_json, NULL),
	SPECIAL("tokenizer", TEACHER_AT(tokenizer), job_read_tokenizer,
		job_tokenizer_json, NULL),
	{.name = NULL},
};

const struct job_key job_sampling_keys[] = {
	INTEGER("n", AT(sampling.n), 1, LIMIT_SAMPLES, "1"),
	INTEGER("n_per_request", AT(sampling.n_per_request), 1, LIMIT_CHOICES, "1"),
	REAL("temperature", AT(sampling.temperature), 0, 10, NULL),
	REAL("top_p", AT(sampling.top_p), 0, 1, NULL),
	INTEGER("top_k", AT(sampling.top_k), -1, 1e6, NULL),
	REAL("min_p", AT(sampling.min_p), 0, 1, NULL),
	REAL("presence_penalty", AT(sampling.presence_penalty), -10, 10, NULL),
	REAL("repetition_penalty", AT(sampling.repetition_penalty), 0, 10, NULL),
	INTEGER("max_tokens", AT(sampling.max_tokens), 1, LIMIT_MAX_TOKENS, NULL),
	SPECIAL("stop", AT(sampling.stop), read_stop, tree_json, NULL),
	INTEGER("seed", AT(sampling.seed), -ANY_COUNT, ANY_COUNT, NULL),
	{.name = NULL},
};

static const struct job_key keep_keys[] = {
	INTEGER("k", AT(keep_k), 1, LIMIT_TOP_K, NULL),
	REAL("mass", AT(keep_mass), 0.01, 1, NULL),
	{.name = NULL},
};

static const struct job_key logits_keys[] = {
	INTEGER("top_logprobs", AT(top_logprobs), 0, LIMIT_TOP_K, "0"),
	BOOL("required", AT(logits_required), "true"),
	{.name = "profile",
		.kind = KEY_CHOICE,
		.offset = AT(logits_profile),
		.choices = profile_names,
		.fallback = "\"fine\""},
	OBJECT("keep", keep_keys),
	{.name = NULL},
};

static const struct job_key dedup_keys[] = {
	BOOL("exact", AT(dedup_exact), "true"),
	LATER("near", "null"),
	{.name = NULL},
};

static const struct job_key budget_keys[] = {
	REAL("usd", AT(budget_usd), 0, 1e9, NULL),
	INTEGER("tokens", AT(budget_tokens), 0, ANY_COUNT, NULL),
	{.name = NULL},
};

static const struct job_key retry_keys[] = {
	INTEGER("attempts", AT(attempts), 1, 100, "5"),
	{.name = NULL},
};

static const struct job_key cut_loops_keys[] = {
	INTEGER("repeats", AT(loop_repeats), 0, 1000, "20"),
	INTEGER("bytes", AT(loop_bytes), 256, 4096, "3000"),
	{.name = NULL},
};

const struct job_key job_keys[] = {
	{.name = "name", .kind = KEY_TEXT, .offset = AT(name), .required = true},
	{.name = "corpus",
		.kind = KEY_SPECIAL,
		.offset = AT(corpus),
		.special = read_corpus,
		.special_json = corpus_json,
		.required = true},
	TEXT("system", AT(system)),
	TEXT("template", AT(template)),
	BOOL("prefill", AT(prefill), "false"),
	{.name = "teachers",
		.kind = KEY_SPECIAL,
		.offset = AT(teacher),
		.special = read_teachers,
		.special_json = teachers_json,
		.required = true},
	OBJECT("sampling", job_sampling_keys),
	OBJECT("logits", logits_keys),
	OBJECT("dedup", dedup_keys),
	SPECIAL("score", AT(scores), read_scores, scores_json,
		"[\"length\",\"repetition\",\"finish\",\"refusal\",\"confidence\",\"answer\"]"),
	{.name = "accept",
		.kind = KEY_TEXT,
		.offset = AT(accept),
		.fallback = "\"finish_reason == 'stop' and flags is empty\""},
	OBJECT("budget", budget_keys),
	OBJECT("retry", retry_keys),
	OBJECT("cut_loops", cut_loops_keys),
	{.name = "keep_raw",
		.kind = KEY_CHOICE,
		.offset = AT(keep_raw),
		.choices = keep_raw_names,
		.fallback = "\"failed\""},
	{.name = "mode",
		.kind = KEY_CHOICE,
		.offset = AT(task),
		.choices = task_names,
		.fallback = "\"sample\""},
	BOOL("probe", AT(probe), "true"),
	LATER("judge", "null"),
	{.name = NULL},
};
