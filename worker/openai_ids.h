/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_ids.h - a list of token ids, read as it arrives
 *
 * A prompt may have a hundred thousand of them. Stops behind the last whole
 * number and goes on from there.
 */
#ifndef RETORT_WORKER_OPENAI_IDS_H
#define RETORT_WORKER_OPENAI_IDS_H

#include "common/jtext.h"
#include "worker/answer.h"

struct openai_ids {
	struct answer_ids *ids;
	unsigned place;
	bool wrong_shape; /* an entry is no id; the others are kept */
};

/* Behind the list's '['. */
void openai_ids_begin(struct openai_ids *list, struct answer_ids *ids);

/* As openai_lane_read, up to behind the ']'. */
enum jt openai_ids_read(struct openai_ids *list, const unsigned char *p,
	const unsigned char *end, const unsigned char **next);

#endif
