/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/index_pass.h"

#include "common/limits.h"
#include "common/mem.h"

enum err_code index_tell_reject(
	struct index_pass *p, const struct index_reject *reject, struct err *err)
{
	p->totals->n_rejected++;
	if (reject->reason == REJECT_DUPLICATE_ID) {
		p->totals->n_duplicates++;
		p->totals->n_prompts--;
	}
	if (!p->events->reject)
		return ERR_NONE;
	return p->events->reject(p->events->to, reject, err);
}

static enum err_code hold(struct index_pass *p, struct err *err)
{
	if (fwrite(&p->shard, sizeof(p->shard), 1, p->held) != 1)
		return err_sys(err, "cannot write a temporary file in '%s'",
			p->options->temp_dir);
	p->n_held++;
	return ERR_NONE;
}

enum err_code index_build_flush(struct index_pass *p, struct err *err)
{
	struct index_shard *shard = &p->shard;
	enum err_code code = ERR_NONE;

	if (shard->n_lines == 0)
		return ERR_NONE;
	shard->shard = p->totals->next_shard++;
	if (p->spool) {
		shard->offset = shard->length = 0;
		/* A shard without prompts is never read. */
		if (shard->present)
			code = spool_add(p->spool, buf_bytes(&p->spool_text),
				&shard->offset, &shard->length, err);
		buf_clear(&p->spool_text);
	}
	if (code == ERR_NONE)
		code = p->held ? hold(p, err)
			       : p->events->shard(p->events->to, shard, err);
	shard->n_lines = 0;
	return code;
}

static void begin_shard(struct index_pass *p, uint32_t corpus, const struct line *line)
{
	p->shard = (struct index_shard){.corpus = corpus,
		.first_line = line->number,
		.first_prompt = p->totals->next_prompt,
		.offset = line->offset};
}

/* True if the line has no room in the shard being filled. One that is too long
 * has room with no other. */
static bool is_full(const struct index_pass *p, const struct line *line)
{
	const struct index_shard *s = &p->shard;

	_Static_assert(LIMIT_CORPUS_LINE > SHARD_BYTES, "too long lines are alone");
	return s->n_lines > 0 &&
	       (s->n_lines == SHARD_PROMPTS || s->length + line->length > SHARD_BYTES);
}

/* Extends the last stretch, or begins one for a new file. */
static void count_line(struct index_pass *p, uint32_t corpus, const struct line *line)
{
	struct stretch *last = p->n_stretches ? &p->stretch[p->n_stretches - 1] : NULL;

	if (!last || last->corpus != corpus) {
		MEM_GROW(p->stretch, p->cap_stretches, p->n_stretches + 1);
		last = &p->stretch[p->n_stretches++];
		*last = (struct stretch){.first_number = p->totals->next_prompt,
			.first_line = line->number,
			.corpus = corpus};
	}
	last->n_lines++;
	p->totals->n_lines++;
	p->totals->next_prompt++;
}

static enum err_code take_verdict(struct index_pass *p, const struct line *line,
	const struct corpus_line *verdict, struct err *err)
{
	struct index_shard *shard = &p->shard;
	uint64_t number = p->totals->next_prompt;

	if (verdict->blank) {
		p->totals->n_blank++;
		return ERR_NONE;
	}
	if (verdict->reason != REJECT_NONE) {
		struct index_reject reject = {.corpus = shard->corpus,
			.line = line->number,
			.number = number,
			.reason = verdict->reason};

		return index_tell_reject(p, &reject, err);
	}
	shard->present |= (uint64_t)1 << shard->n_lines;
	p->totals->n_prompts++;
	p->n_sorted++;
	return idsort_add(p->sort, verdict->id, number, err);
}

enum err_code index_build_line(
	struct index_pass *p, uint32_t corpus, const struct line *line, struct err *err)
{
	struct corpus_line verdict = {
		.reason = REJECT_TOO_LONG, .hash = line->long_hash};
	enum err_code code;

	if (is_full(p, line)) {
		code = index_build_flush(p, err);
		if (code != ERR_NONE)
			return code;
	}
	if (p->shard.n_lines == 0)
		begin_shard(p, corpus, line);
	if (!line->too_long)
		corpus_line_judge(
			&p->judge, line->bytes.data, line->bytes.len, &verdict);
	code = take_verdict(p, line, &verdict, err);
	if (code != ERR_NONE)
		return code;
	p->shard.line_hash[p->shard.n_lines++] = verdict.hash;
	p->shard.length += line->length;
	/* With its end, which lies behind it. */
	if (p->spool && !line->too_long)
		buf_add(&p->spool_text, line->bytes.data, (size_t)line->length);
	count_line(p, corpus, line);
	return ERR_NONE;
}
