/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/corpus_line.h"

#include <string.h>

#include "common/limits.h"
#include "coordinator/shape.h"

void corpus_judge_init(struct corpus_judge *judge, const struct prompt_rules *rules)
{
	judge->rules = rules;
	row_init(&judge->row);
}

void corpus_judge_release(struct corpus_judge *judge)
{
	row_release(&judge->row);
	judge->rules = NULL;
}

static enum reject_reason verdict(
	struct corpus_judge *judge, const void *line, size_t len)
{
	enum reject_reason reason;
	struct shape shape;

	reason = row_read(&judge->row, &judge->rules->names, line, len);
	if (reason != REJECT_NONE)
		return reason;
	return shape_find(judge->rules, &judge->row, line, len, &shape);
}

void corpus_line_judge(struct corpus_judge *judge, const void *line, size_t len,
	struct corpus_line *out)
{
	const unsigned char *p = line;

	*out = (struct corpus_line){.reason = REJECT_NONE};
	out->hash = corpus_line_hash(line, len);
	out->blank = jt_space(p, p + len) == p + len;
	if (out->blank)
		return;
	out->reason =
		len > LIMIT_CORPUS_LINE ? REJECT_TOO_LONG : verdict(judge, line, len);
	if (out->reason == REJECT_NONE)
		out->id = hash128(judge->row.id.data, judge->row.id.len);
}
