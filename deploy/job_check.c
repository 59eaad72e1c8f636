/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/job_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/tokenizer.h"
#include "coordinator/prompt_rules.h"
#include "store/accept.h"
#include "worker/key.h"

/* Puts file, line, column and key before the message. */
static enum err_code at_key(const char *path, const char *key, struct err *err)
{
	char place[1024];

	job_place(path, key, place, sizeof(place));
	err_prefix(err, "%s: %s", place, key);
	return ERR_INVALID;
}

static enum err_code check_files(
	const char *path, const struct job *job, struct err *err)
{
	for (size_t i = 0; i < job->n_corpus; i++) {
		char key[64];

		if (access(job->corpus[i], R_OK) == 0)
			continue;
		snprintf(key, sizeof(key), "corpus[%zu]", i);
		err_set(err, ERR_INVALID, "cannot read '%s': %s", job->corpus[i],
			strerror(errno));
		return at_key(path, key, err);
	}
	return ERR_NONE;
}

/* The files that give ids to tokens, read to their ends. */
static enum err_code check_tokenizers(
	const char *path, const struct job *job, struct err *err)
{
	struct job_teacher teacher[LIMIT_TEACHERS];
	struct job with_digests = *job;

	memcpy(teacher, job->teacher, job->n_teachers * sizeof(*teacher));
	with_digests.teacher = teacher;
	for (size_t i = 0; i < job->n_teachers; i++) {
		const struct job_teacher *t = &job->teacher[i];
		struct tokenizer tokenizer;
		enum err_code code;
		char key[64];

		if (!t->tokenizer)
			continue;
		code = tokenizer_read_file(t->tokenizer, &tokenizer, err);
		if (code == ERR_NONE && t->tokenizer_digest != 0 &&
			t->tokenizer_digest != tokenizer.digest)
			code = err_set(err, ERR_INVALID,
				"the digest of '%s' is %016" PRIx64, t->tokenizer,
				tokenizer.digest);
		teacher[i].tokenizer_digest = tokenizer.digest;
		tokenizer_release(&tokenizer);
		if (code == ERR_NONE)
			continue;
		snprintf(key, sizeof(key), "teachers[%zu].tokenizer", i);
		return at_key(path, key, err);
	}
	return job_tokenizers_agree(path, &with_digests, err);
}

static enum err_code check_keys(
	const char *path, const struct job *job, struct err *err)
{
	for (size_t i = 0; i < job->n_teachers; i++) {
		const struct job_teacher *t = &job->teacher[i];
		char key[64], *text;

		if (key_read(t, &text, err) != ERR_NONE) {
			snprintf(key, sizeof(key), "teachers[%zu].%s", i,
				t->api_key_env ? "api_key_env" : "api_key_file");
			return at_key(path, key, err);
		}
		key_forget(text);
		if (t->ca_file && access(t->ca_file, R_OK) != 0) {
			snprintf(key, sizeof(key), "teachers[%zu].ca_file", i);
			err_set(err, ERR_INVALID, "cannot read '%s': %s", t->ca_file,
				strerror(errno));
			return at_key(path, key, err);
		}
	}
	return ERR_NONE;
}

/* A budget in money is no guard where nothing has a price. */
static enum err_code check_budget(
	const char *path, const struct job *job, struct err *err)
{
	if (!job_has_real(job->budget_usd))
		return ERR_NONE;
	for (size_t i = 0; i < job->n_teachers; i++) {
		const struct job_teacher *t = &job->teacher[i];

		if (t->prompt_usd_per_mtok > 0 || t->completion_usd_per_mtok > 0)
			return ERR_NONE;
	}
	err_set(err, ERR_INVALID,
		"no teacher has a price, so nothing would ever be spent; give "
		"teachers[].price, or budget.tokens instead");
	return at_key(path, "budget.usd", err);
}

enum err_code job_check_read(const char *path, struct job *job, struct err *err)
{
	struct accept *accept = NULL;
	struct prompt_rules rules;
	enum err_code code = job_read(path, job, err);

	if (code != ERR_NONE)
		return code;
	code = accept_compile(job->accept, &accept, err);
	accept_free(accept);
	if (code != ERR_NONE)
		code = at_key(path, "accept", err);
	if (code == ERR_NONE) {
		code = prompt_rules_of_job(&rules, job, err);
		if (code == ERR_NONE)
			prompt_rules_release(&rules);
		else
			code = at_key(path, "template", err);
	}
	if (code == ERR_NONE)
		code = check_budget(path, job, err);
	if (code == ERR_NONE)
		code = check_files(path, job, err);
	if (code == ERR_NONE)
		code = check_tokenizers(path, job, err);
	if (code == ERR_NONE)
		code = check_keys(path, job, err);
	if (code != ERR_NONE)
		job_release(job);
	return code;
}
