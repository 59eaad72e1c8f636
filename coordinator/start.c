/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing ledger, job and corpus together: a new run, or one that goes on. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rundir.h"
#include "coordinator/coordinator.h"
#include "coordinator/run_state.h"

static enum err_code see_shard(void *to, const struct index_shard *s, struct err *err)
{
	struct coordinator *c = to;

	ledger_add_shard(c->l, s);
	return ledger_failed(c->l)
		       ? err_set(err, ERR_IO, "the ledger cannot be written")
		       : ERR_NONE;
}

static enum err_code see_reject(void *to, const struct index_reject *r, struct err *err)
{
	struct coordinator *c = to;

	(void)err;
	ledger_add_reject(c->l, r);
	return ERR_NONE;
}

static enum err_code see_corpus(
	void *to, const struct index_corpus *file, struct err *err)
{
	struct coordinator *c = to;

	(void)err;
	ledger_put_corpus(c->l, file);
	log_info("coordinator", "indexed", "file=%s lines=%" PRIu64 " bytes=%" PRIu64,
		log_quote(file->path).text, file->n_lines, file->text_size);
	return ERR_NONE;
}

static enum err_code known_shard(void *to, uint32_t corpus, uint64_t first_line,
	struct index_shard *out, struct err *err)
{
	struct coordinator *c = to;

	(void)err;
	return ledger_shard_at_line(c->l, corpus, first_line, out);
}

static enum err_code locate(
	void *to, uint64_t number, uint32_t *corpus, uint64_t *line, struct err *err)
{
	struct coordinator *c = to;
	uint64_t shard;

	(void)err;
	return ledger_locate(c->l, number, &shard, corpus, line);
}

/* Names in RUN/corpus alternate, so that the old stays until the commit. */
static const char *other_name(const char *was, const char *a, const char *b)
{
	return strcmp(was, a) == 0 ? b : a;
}

static enum err_code index_corpus_files(
	struct coordinator *c, bool reindex, struct err *err)
{
	struct totals *t = &c->l->totals;
	struct index_corpus *known;
	size_t n_known = ledger_corpora(c->l, &known);
	const char *ids_name = other_name(t->ids_file, "ids.a", "ids.b");
	const char *spool_name = reindex || !t->spool[0]
					 ? other_name(t->spool, "spool.a", "spool.b")
					 : t->spool;
	char *dir = file_join(c->options->dir, "corpus");
	char *ids_old = t->ids_file[0] ? file_join(dir, t->ids_file) : NULL;
	char *ids_new = file_join(dir, ids_name), *spool = file_join(dir, spool_name);
	struct index_options options = {
		.rules = &c->rules,
		.paths = (const char *const *)c->job.corpus,
		.n_paths = c->job.n_corpus,
		.known = known,
		.n_known = n_known,
		.next_prompt = t->next_prompt,
		.next_shard = t->next_shard,
		.reindex = reindex,
		.temp_dir = dir,
		.spool_dir = spool,
		.ids_old = ids_old,
		.ids_new = ids_new,
	};
	struct index_events events = {
		c, see_shard, see_reject, see_corpus, NULL, known_shard, locate};
	struct index_totals totals;
	enum err_code code = file_make_dir(spool, 0750, err);

	ledger_begin(c->l);
	if (reindex) {
		ledger_retire_shards(c->l);
		ledger_forget_corpora(c->l);
	}
	if (code == ERR_NONE)
		code = index_run(&options, &events, &totals, err);
	if (code == ERR_NONE) {
		t->next_prompt = totals.next_prompt;
		t->next_shard = totals.next_shard;
		if (totals.ids == ids_new)
			snprintf(t->ids_file, sizeof(t->ids_file), "%s", ids_name);
		if (spool_name != t->spool)
			snprintf(t->spool, sizeof(t->spool), "%s", spool_name);
		c->l->totals_changed = true;
		if (totals.n_rejected)
			log_warn("coordinator",
				"lines were rejected, see the view 'rejects'",
				"lines=%" PRIu64, totals.n_rejected);
	}
	free(dir);
	free(ids_old);
	free(ids_new);
	free(spool);
	return code;
}

/* Compares the job with the one that the run began with. */
static enum err_code take_job(struct coordinator *c, bool is_new, struct err *err)
{
	struct totals *t = &c->l->totals;
	int64_t now = clock_wall_ms();
	struct job was;
	char *text;
	enum err_code code;

	if (is_new || !(text = ledger_job(c->l, t->settings))) {
		t->n = (uint32_t)c->job.sampling.n;
		ledger_set_job(c->l, t->settings, c->public_text, now);
		return ERR_NONE;
	}
	code = job_parse(text, strlen(text), "the run's job", &was, err);
	free(text);
	if (code != ERR_NONE)
		return code;
	code = job_compare(&was, &c->job, err);
	if (code == ERR_REFUSED && c->options->new_settings) {
		t->settings++;
		ledger_event(
			c->l, "new_settings", -1, -1, "generation %u", t->settings);
		ledger_forget_calibration(c->l);
		code = ERR_NONE;
	}
	if (code == ERR_NONE && c->job.sampling.n > was.sampling.n) {
		ledger_event(c->l, "more_samples", -1, -1, "n was %u, is %u", t->n,
			(uint32_t)c->job.sampling.n);
		ledger_grow_samples(c->l, t->n);
		t->n = (uint32_t)c->job.sampling.n;
	}
	if (code == ERR_NONE) {
		ledger_set_job(c->l, t->settings, c->public_text, now);
		c->l->totals_changed = true;
	} else {
		err_prefix(err, "%s", c->options->job_path);
	}
	job_release(&was);
	return code;
}

static void list_endpoints(struct coordinator *c)
{
	c->n_endpoints = job_n_endpoints(&c->job);
	c->endpoint = mem_zalloc(c->n_endpoints, sizeof(*c->endpoint));
	for (size_t t = 0, e = 0; t < c->job.n_teachers; t++) {
		const struct job_teacher *teacher = &c->job.teacher[t];

		for (size_t u = 0; u < teacher->n_urls; u++, e++) {
			c->endpoint[e].teacher = (uint16_t)t;
			c->endpoint[e].endpoint = (uint16_t)u;
			c->endpoint[e].proven =
				ledger_endpoint_answered(c->l, (uint16_t)t, (uint16_t)u,
					teacher->url[u], teacher->model);
			ledger_forget_calibration_unless(c->l, (uint16_t)t, (uint16_t)u,
				teacher->url[u], teacher->model);
			c->endpoint[e].calibration =
				ledger_calibration(c->l, (uint16_t)t, (uint16_t)u);
			verdict_begin(c, &c->endpoint[e]);
			ledger_put_endpoint(c->l, (uint16_t)t, (uint16_t)u,
				teacher->name, teacher->url[u], teacher->model,
				teacher->max_in_flight);
		}
	}
}

static bool is_listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; len > 0 && (at = strstr(at, name)); at += len)
		if ((at == list || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

/* A worker that may still have requests in flight, of which we know nothing yet. */
static void expect_worker(void *to, uint32_t worker, const char *name)
{
	struct coordinator *c = to;

	if (c->options->alive && !is_listed(c->options->alive, name))
		return;
	MEM_GROW(c->returning, c->cap_returning, c->n_returning + 1);
	c->returning[c->n_returning++] = worker;
}

static void restore_lease(void *to, const struct lease *lease)
{
	struct coordinator *c = to;
	char name[LIMIT_WORKER_NAME * 4 + 1];

	ledger_worker_name(c->l, lease->worker, name, sizeof(name));
	if (c->options->alive && !is_listed(c->options->alive, name))
		return;
	if (live_load(c, lease->shard))
		lease_restore(c->leases, lease, clock_mono_ms());
}

/* What was not restored is no lease any more. */
static void forget_other_leases(struct coordinator *c)
{
	ledger_forget_leases(c->l);
	for (size_t i = 0; i < lease_n(c->leases); i++)
		ledger_add_lease(c->l, lease_at(c->leases, i), clock_wall_ms());
}

/* The job as it runs, for people and for the commands that read a run. */
static enum err_code write_job_file(struct coordinator *c, struct err *err)
{
	char *path = file_join(c->options->dir, "job.json"),
	     *text = job_write(&c->job, true);
	enum err_code code = file_write(path, text, strlen(text), 0640, err);

	free(text);
	free(path);
	return code;
}

static enum err_code open_ledger(struct coordinator *c, bool *is_new, struct err *err)
{
	char *path = file_join(c->options->dir, "ledger.sqlite");
	enum err_code code = ledger_open(path, &c->l, is_new, err);

	free(path);
	return code;
}

/* For a guess of what a sample may cost, where the job does not say it all. */
#define TOKENS_UNSAID 16384
#define PROMPT_TOKENS 1024

static void set_budget(struct coordinator *c)
{
	int64_t most = job_has_int(c->job.sampling.max_tokens)
			       ? c->job.sampling.max_tokens
			       : TOKENS_UNSAID;
	int64_t times = 1 + (int64_t)job_n_scorers(&c->job);
	double nusd = 0, scoring = 0;

	for (size_t i = 0; i < c->job.n_teachers; i++) {
		const struct job_teacher *t = &c->job.teacher[i];

		/* A USD per million tokens is 1000 nano-USD per token. Who scores reads
		 * all of them. */
		if (t->role == JOB_ROLE_SCORE)
			scoring += 1000 * t->prompt_usd_per_mtok *
				   (double)(most + PROMPT_TOKENS);
		else
			nusd = fmax(nusd,
				1000 * (t->completion_usd_per_mtok * (double)most +
					       t->prompt_usd_per_mtok * PROMPT_TOKENS));
	}
	c->budget = budget_of(c->job.budget_usd, c->job.budget_tokens);
	c->budget.sample_nusd = (int64_t)fmin(nusd + scoring, 1e15);
	c->budget.sample_tokens = (uint64_t)(times * (most + PROMPT_TOKENS));
}

enum err_code start_open(struct coordinator *c, struct err *err)
{
	bool is_new, is_first;
	enum err_code code = job_read(c->options->job_path, &c->job, err);

	if (code == ERR_NONE)
		code = tokenizers_read(c, err); /* its digests go into the job */
	if (code != ERR_NONE)
		return code;
	c->job_text = job_write(&c->job, false);
	c->public_text = job_write_public(&c->job);
	set_budget(c);
	code = prompt_rules_of_job(&c->rules, &c->job, err);
	if (code != ERR_NONE)
		return err_prefix(err, "%s: template", c->options->job_path);
	code = rundir_make(c->options->dir, err);
	if (code == ERR_NONE)
		code = rundir_take(
			c->options->dir, LOCK_COORDINATOR, 5000, &c->lock, err);
	if (code == ERR_NONE)
		code = open_ledger(c, &is_new, err);
	if (code != ERR_NONE)
		return code;
	ledger_begin(c->l);
	/* What never had a prompt may be put right in any way. */
	is_first = ledger_forget_empty(c->l);
	code = take_job(c, is_first, err);
	if (code == ERR_NONE)
		code = index_corpus_files(
			c, !is_new && (is_first || c->options->reindex), err);
	if (code == ERR_NONE && c->l->totals.prompts == 0)
		code = err_set(err, ERR_INVALID, "the corpus has no prompt%s",
			c->l->totals.rejects
				? "; the view 'rejects' of the ledger says why"
				: "");
	if (code == ERR_INVALID && is_first && c->l->totals.rejects > 0) {
		/* Keep the rejects, so that the message can be followed. */
		c->l->totals.state = RUN_STOPPED;
		ledger_commit(c->l, clock_wall_ms());
	}
	if (code != ERR_NONE)
		return code;
	ledger_event(c->l, is_first ? "run_began" : "run_goes_on", -1, -1,
		"%lld prompts", (long long)c->l->totals.prompts);
	tokenizers_note(c);
	c->l->totals.state = RUN_RUNNING;
	c->l->totals_changed = true;
	ledger_each_joined(c->l, expect_worker, c);
	ledger_reset_workers(c->l);
	list_endpoints(c);
	c->seen_commit = c->l->totals.store_commit;
	ledger_each_lease(c->l, restore_lease, c);
	forget_other_leases(c);
	if (!ledger_commit(c->l, clock_wall_ms()))
		return err_set(err, ERR_IO, "the ledger cannot be written");
	return write_job_file(c, err);
}

void start_close(struct coordinator *c)
{
	for (size_t i = 0; i < c->n_live; i++)
		free(c->live[i]);
	free(c->live);
	for (size_t i = 0; i < c->n_workers; i++) {
		free(c->worker[i]->endpoint);
		free(c->worker[i]->share);
		free(c->worker[i]);
	}
	free(c->worker);
	free(c->returning);
	for (size_t i = 0; i < c->n_readers; i++)
		shard_reader_close(c->reader[i]);
	free(c->reader);
	free(c->endpoint);
	tokenizers_free(c);
	lease_table_free(c->leases);
	shard_text_release(&c->text);
	prompt_release(&c->prompt);
	if (c->rules.template || c->job_text)
		prompt_rules_release(&c->rules);
	ledger_close(c->l);
	free(c->job_text);
	free(c->public_text);
	job_release(&c->job);
	out_drop(c);
	free(c->out);
}
