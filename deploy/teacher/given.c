/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/given.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "deploy/teacher/fragments.h"
#include "deploy/teacher/json_out.h"

/* Bytes of a token. */
#define TOKEN_MAX 32

static const char *role_of(unsigned id)
{
	switch (id) {
	case ID_SYSTEM:
		return "system";
	case ID_USER:
		return "user";
	case ID_ASSISTANT:
		return "assistant";
	case ID_TOOL:
		return "tool";
	default:
		return NULL;
	}
}

/* Where the message ends that begins at i; n if it does not. */
static size_t message_end(const struct ids *ids, size_t i)
{
	while (i < ids->n && ids->at[i] != ID_END)
		i++;
	return i;
}

static void add_message(const struct teacher *t, const struct ids *ids, size_t i,
	size_t end, struct given *g)
{
	struct message *m = &g->message[g->n_messages++];
	const char *role = role_of(ids->at[i]);
	size_t from = g->text.len;

	m->role = bytes_of(role, strlen(role));
	while (++i < end) {
		struct bytes word = teacher_vocabulary_bytes(t->vocabulary, ids->at[i]);

		buf_add(&g->text, word.data, word.len);
	}
	m->content = bytes_of(g->text.data + from, g->text.len - from);
}

/* The messages, up to the mark behind which the assistant answers; an assistant's
 * message of the past is one that another message follows. */
static bool read_messages(
	const struct teacher *t, const struct ids *ids, struct given *g)
{
	size_t i = ids->n > 0 && ids->at[0] == ID_BOS;

	while (i < ids->n && role_of(ids->at[i])) {
		size_t end = message_end(ids, i);

		if (ids->at[i] == ID_ASSISTANT &&
			(end + 1 >= ids->n || !role_of(ids->at[end + 1]))) {
			g->first = i + 1;
			return g->n_messages > 0;
		}
		if (end == ids->n)
			return false;
		add_message(t, ids, i, end, g);
		i = end + 1;
	}
	return false;
}

static const char *read_states(
	const struct teacher *t, const struct ids *ids, struct given *g)
{
	uint32_t state = STATE_START;
	struct row row;

	g->state = mem_zalloc(ids->n - g->first + 1, sizeof(*g->state));
	for (size_t i = g->first; i < ids->n; i++) {
		if (state == STATE_END)
			return "there are tokens behind the end of the sequence";
		g->state[i - g->first] = state;
		teacher_row_read(&t->profiles, &g->script, state, &row);
		state = teacher_row_next(&row, state, ids->at[i]);
	}
	return NULL;
}

const char *given_read(const struct teacher *t, const struct ids *ids, bool thinks,
	bool opens, struct given *g)
{
	*g = (struct given){.first = ids->n};
	buf_init(&g->text, TOKEN_MAX * ids->n + 64);
	buf_reserve(&g->text, TOKEN_MAX * ids->n + 64); /* messages point into it */
	g->message = mem_zalloc(ids->n + 1, sizeof(*g->message));
	if (!read_messages(t, ids, g)) {
		g->first = ids->n;
		return NULL;
	}
	if (!opens) {
		thinks = g->first < ids->n && ids->at[g->first] == ID_THINK;
		g->first += thinks;
	}
	question_read(g->message, g->n_messages, t->settings.references, &g->question);
	teacher_script(t, &g->question, thinks, opens, &g->script);
	return read_states(t, ids, g);
}

void given_release(struct given *g)
{
	buf_release(&g->text);
	free(g->message);
	script_release(&g->script);
	free(g->state);
	*g = (struct given){0};
}

static void add_entry(const struct teacher *t, unsigned id, struct bytes logprob,
	unsigned rank, bool first, struct buf *out)
{
	static const struct fragment_style plain;
	struct buf text;

	buf_init(&text, 64 * TOKEN_MAX);
	fragments_text(t->vocabulary, &plain, id, &text);
	buf_printf(out, "%s\"%u\":{\"logprob\":", first ? "" : ",", id);
	buf_add(out, logprob.data, logprob.len);
	buf_printf(out, ",\"rank\":%u,\"decoded_token\":", rank + 1);
	json_out_text(out, buf_bytes(&text));
	buf_add_byte(out, '}');
	buf_release(&text);
}

/* Of a prompt's token: the ids are their own ranks. */
static void add_even_row(
	const struct teacher *t, unsigned id, unsigned k, struct buf *out)
{
	char number[40];
	struct bytes logprob =
		bytes_of(number, (size_t)snprintf(number, sizeof(number), "%.17g",
					 -log((double)VOCABULARY_SIZE)));

	add_entry(t, id, logprob, id, true, out);
	for (unsigned r = 0; r < k; r++)
		if (r != id)
			add_entry(t, r, logprob, r, false, out);
}

static void add_row(const struct teacher *t, struct figures *figures,
	const struct given *g, unsigned id, uint32_t state, unsigned k, struct buf *out)
{
	struct row row;
	struct order order;
	unsigned own;

	teacher_row_read(&t->profiles, &g->script, state, &row);
	order_init(&order, g->question.key, state, &row);
	own = order_rank(&order, id);
	add_entry(t, id, figures_text(figures, row.profile, own), own, true, out);
	for (unsigned r = 0; r < k; r++)
		if (r != own)
			add_entry(t, order_id(&order, r),
				figures_text(figures, row.profile, r), r, false, out);
}

void given_write(const struct teacher *t, struct figures *figures,
	const struct given *g, const struct ids *ids, unsigned k, struct buf *out)
{
	if (k > VOCABULARY_SIZE)
		k = VOCABULARY_SIZE;
	buf_add_byte(out, '[');
	for (size_t i = 0; i < ids->n; i++) {
		if (i == 0) {
			buf_add_str(out, "null");
			continue;
		}
		buf_add_str(out, ",{");
		if (i < g->first)
			add_even_row(t, ids->at[i], k, out);
		else
			add_row(t, figures, g, ids->at[i], g->state[i - g->first], k,
				out);
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}
