/* SPDX-License-Identifier: Apache-2.0 */
/* One line a sample with everything that is known of it. */
#include <stdlib.h>

#include "common/mem.h"
#include "store/export.h"
#include "store/jline.h"

static enum err_code relieve(void *to, struct err *err)
{
	return outfile_relieve(to, err);
}

static enum err_code open_lines(struct export *e, struct err *err)
{
	struct jline *j = mem_zalloc(1, sizeof(*j));

	(void)err;
	jline_init(j, e->options->with_logits, relieve, &e->out);
	j->choice = e->options->capture;
	e->state = j;
	return ERR_NONE;
}

static enum err_code add_line(struct export *e, struct sample *s,
	const struct key_entry *entry, struct err *err)
{
	enum err_code code = jline_write(e->state, s, &e->out.buf, err);

	(void)entry;
	buf_add_byte(&e->out.buf, '\n');
	return code;
}

static void close_lines(struct export *e)
{
	if (e->state)
		jline_release(e->state);
	free(e->state);
	e->state = NULL;
}

const struct export_format export_jsonl = {
	.name = "jsonl",
	.summary = "one JSON object a line, with all that is known of a sample",
	.open = open_lines,
	.add = add_line,
	.close = close_lines,
};
