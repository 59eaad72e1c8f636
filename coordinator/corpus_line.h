/* SPDX-License-Identifier: Apache-2.0 */
/*
 * corpus_line.h - is this line a prompt, and which one
 *
 * The verdict on one physical line, in one pass and without allocation: what
 * the index needs to know of it, and no more. It depends on nothing but the
 * rules and the bytes, and is good exactly when prompt_build accepts the
 * line.
 *
 * Identity: `id` is the hash of the id's text; `hash` is that of the line, to
 * notice later that it was changed.
 *
 * Pure. Threads: one judge each. Ownership: the judge owns its memory; the
 * rules are lent and must outlive it.
 */
#ifndef RETORT_COORDINATOR_CORPUS_LINE_H
#define RETORT_COORDINATOR_CORPUS_LINE_H

#include "common/hash.h"
#include "coordinator/prompt_rules.h"
#include "coordinator/reject.h"
#include "coordinator/row.h"

struct corpus_judge {
	const struct prompt_rules *rules;
	struct row row;
};

struct corpus_line {
	bool blank;                /* neither a prompt nor rejected */
	enum reject_reason reason; /* REJECT_NONE and not blank: a prompt */
	struct hash128 id;         /* of the id's text; only for a prompt */
	uint32_t hash;             /* of the line's bytes */
};

void corpus_judge_init(struct corpus_judge *judge, const struct prompt_rules *rules);
void corpus_judge_release(struct corpus_judge *judge);

/* A line without its line end. Lines over LIMIT_CORPUS_LINE are too long. */
void corpus_line_judge(struct corpus_judge *judge, const void *line, size_t len,
	struct corpus_line *out);

static inline bool corpus_line_is_prompt(const struct corpus_line *line)
{
	return !line->blank && line->reason == REJECT_NONE;
}

static inline uint32_t corpus_line_hash(const void *line, size_t len)
{
	return (uint32_t)hash64(line, len);
}

#endif
