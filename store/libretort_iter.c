/* SPDX-License-Identifier: Apache-2.0 */
/* The library: walks over a dataset. */
#include <stdlib.h>

#include "common/mem.h"
#include "store/libretort.h"

static enum err_code open_walk(struct retort_iter *i, const char *where, uint64_t since)
{
	struct retort *r = i->r;
	struct reader_query query = {.since = since, .until = r->until};
	enum err_code code = ERR_NONE;

	if (where)
		code = filter_compile(where, &i->where, NULL, &r->err);
	query.where = i->where;
	if (code == ERR_NONE)
		code = reader_open(r->d, &query, &i->reader, &r->err);
	return code;
}

static enum retort_code open_iter(struct retort *r, const char *where, uint64_t since,
	bool by_sequence, struct retort_iter **out)
{
	struct retort_iter *i;
	enum retort_code entered = retort_enter(r);
	enum err_code code;

	*out = NULL;
	if (entered != RETORT_OK)
		return entered;
	i = mem_zalloc(1, sizeof(*i));
	*i = (struct retort_iter){
		.r = r, .by_sequence = by_sequence, .sequence = since};
	i->sample.r = r;
	code = open_walk(i, where, since);
	if (code == ERR_NONE)
		*out = i;
	else
		retort_iter_close(i);
	return retort_leave(r, code);
}

enum retort_code retort_iter_open(
	struct retort *r, const char *where, uint64_t since, struct retort_iter **out)
{
	return open_iter(r, where, since, false, out);
}

enum retort_code retort_iter_open_by_sequence(
	struct retort *r, uint64_t since, struct retort_iter **out)
{
	return open_iter(r, NULL, since, true, out);
}

void retort_iter_close(struct retort_iter *i)
{
	if (!i)
		return;
	reader_close(i->reader);
	filter_free(i->where);
	free(i);
}

/* The sample stored next, if it is live; else *s is NULL. ERR_NOT_FOUND at the
 * end. Snapshots have gaps. */
static enum err_code next_stored(struct retort_iter *i, struct sample **s)
{
	struct retort *r = i->r;
	struct record head;
	enum err_code code = ERR_NOT_FOUND;

	*s = NULL;
	while (code == ERR_NOT_FOUND && i->sequence < r->until)
		code = dataset_record(r->d, ++i->sequence, &head, &r->err);
	if (code != ERR_NONE)
		return code;
	reader_seek(i->reader, head.key.prompt);
	for (;;) {
		code = reader_next(i->reader, s, &r->err);
		if (code == ERR_NONE && (*s)->sequence == i->sequence)
			return ERR_NONE;
		if (code != ERR_NONE || (*s)->head.key.prompt != head.key.prompt)
			break;
	}
	*s = NULL; /* a later revision took its place */
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

enum retort_code retort_iter_next(struct retort_iter *i, struct retort_sample **out)
{
	struct sample *s = NULL;
	enum retort_code entered;
	enum err_code code = ERR_NONE;

	*out = NULL;
	if (i->r->until == 0) /* what came later is not ours to see */
		return RETORT_END;
	entered = retort_enter(i->r);
	if (entered != RETORT_OK)
		return entered;
	while (code == ERR_NONE && !s)
		code = i->by_sequence ? next_stored(i, &s)
				      : reader_next(i->reader, &s, &i->r->err);
	if (code == ERR_NONE) {
		i->sample.s = s;
		retort_fill_head(&i->sample);
		*out = &i->sample;
	}
	entered = retort_leave(i->r, code);
	return entered == RETORT_NOT_FOUND ? RETORT_END : entered;
}
