/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/openai_ids.h"

#include "common/limits.h"
#include "common/mem.h"

enum place { AT_FIRST, AT_ID, AT_ID_END };

void openai_ids_begin(struct openai_ids *l, struct answer_ids *ids)
{
	*l = (struct openai_ids){.ids = ids, .place = AT_FIRST};
	ids->n = 0;
	ids->present = true;
}

static void add(struct answer_ids *ids, uint32_t id)
{
	MEM_GROW(ids->at, ids->cap, (size_t)ids->n + 1);
	ids->at[ids->n++] = id;
}

/* Anything but a short number with something behind it. */
static enum jt read_any(struct openai_ids *l, const unsigned char *p,
	const unsigned char *end, const unsigned char **next)
{
	struct jnumber n;
	enum jt got = jt_number(p, end, next, &n);

	if (got == JT_MORE)
		return got;
	if (got == JT_OK && n.is_integer && n.integer >= 0 &&
		n.integer < TOKEN_ID_UNKNOWN) {
		add(l->ids, (uint32_t)n.integer);
		return JT_OK;
	}
	l->wrong_shape = true;
	return jt_skip(p, end, next, LIMIT_JSON_DEPTH - 8);
}

static inline enum jt read_id(struct openai_ids *l, const unsigned char *p,
	const unsigned char *end, const unsigned char **next)
{
	uint32_t id = 0;
	int n = 0;

	if (end - p < 10 || *p == '0')
		return read_any(l, p, end, next);
	while (n < 9 && p[n] >= '0' && p[n] <= '9')
		id = id * 10 + (uint32_t)(p[n++] - '0');
	if (n == 0 || (p[n] != ',' && p[n] != ']'))
		return read_any(l, p, end, next);
	add(l->ids, id);
	*next = p + n;
	return JT_OK;
}

enum jt openai_ids_read(struct openai_ids *l, const unsigned char *p,
	const unsigned char *end, const unsigned char **next)
{
	for (;;) {
		enum jt got;

		*next = p = jt_space(p, end);
		if (p == end)
			return JT_MORE;
		if (l->place != AT_ID && *p == ']') {
			*next = p + 1;
			return JT_OK;
		}
		if (l->place == AT_ID_END) {
			if (*p++ != ',')
				return JT_BAD;
			l->place = AT_ID;
			continue;
		}
		got = read_id(l, p, end, &p);
		if (got != JT_OK)
			return got;
		l->place = AT_ID_END;
	}
}
