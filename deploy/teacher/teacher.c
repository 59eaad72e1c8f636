/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/teacher.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "deploy/teacher/mix.h"

#define TEXT_MAX ((size_t)64 << 20)

void teacher_init(struct teacher *t, const struct teacher_settings *settings)
{
	t->settings = *settings;
	t->vocabulary = teacher_vocabulary_new();
	t->phrases = phrases_new(t->vocabulary);
	profiles_init(&t->profiles, settings->correct, settings->loops);
	t->lenses = lens_box_new(&t->profiles);
}

void teacher_release(struct teacher *t)
{
	lens_box_free(t->lenses);
	phrases_free(t->phrases);
	teacher_vocabulary_free(t->vocabulary);
	memset(t, 0, sizeof(*t));
}

void teacher_script(const struct teacher *t, const struct question *q, bool thinks,
	bool opens, struct script *out)
{
	struct script_settings settings = {
		.thinks = thinks, .opens = opens, .length = t->settings.length};

	script_write(t->phrases, q, &settings, out);
}

static void add_token(struct speech *s, uint32_t state, unsigned id)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 256;
		s->id = mem_realloc(s->id, s->cap, sizeof(*s->id));
		s->state = mem_realloc(s->state, s->cap, sizeof(*s->state));
	}
	s->id[s->n] = (uint16_t)id;
	s->state[s->n++] = state;
}

/* Whether a stop text ends in the bytes from `from` on. */
static bool meets_stop(
	const struct speech_settings *settings, size_t from, struct speech *s)
{
	size_t best = s->text.len;
	bool found = false;

	for (unsigned i = 0; i < settings->n_stop; i++) {
		struct bytes stop = settings->stop[i];
		size_t start = from > stop.len ? from - stop.len : 0;
		unsigned char *at =
			s->text.len > start && stop.len > 0
				? memmem(s->text.data + start, s->text.len - start,
					  stop.data, stop.len)
				: NULL;

		if (at && (size_t)(at - s->text.data) < best) {
			best = (size_t)(at - s->text.data);
			s->stop = i;
			found = true;
		}
	}
	if (found)
		s->text_len = best;
	return found;
}

static unsigned draw(struct lens *lens, const struct question *q, const struct row *row,
	uint32_t state, uint64_t random)
{
	unsigned rank = view_draw(lens_view(lens, row->profile), random);
	struct order order;

	if (rank < row->n)
		return row->id[rank];
	order_init(&order, q->key, state, row);
	return order_id(&order, rank);
}

void teacher_speak(struct teacher *t, const struct question *q,
	const struct script *script, const struct speech_settings *settings,
	struct speech *out)
{
	struct lens *lens = lens_box_find(t->lenses, &settings->sampling);
	uint64_t chain = mix3(q->key, MIX_DRAW, settings->seed);
	uint32_t state = STATE_START;
	struct row row;

	buf_init(&out->text, TEXT_MAX);
	out->end = SPEECH_LENGTH;
	while (out->n < settings->max_tokens && out->end == SPEECH_LENGTH) {
		size_t before = out->text.len;
		unsigned id;

		teacher_row_read(&t->profiles, script, state, &row);
		id = draw(lens, q, &row, state, mix(chain ^ out->n));
		add_token(out, state, id);
		if (settings->keeps_special || !teacher_vocabulary_is_special(id)) {
			struct bytes word = teacher_vocabulary_bytes(t->vocabulary, id);

			buf_add(&out->text, word.data, word.len);
		}
		if (id == ID_END_THINK && out->trace_end == 0)
			out->trace_end = out->n;
		state = teacher_row_next(&row, state, id);
		out->text_len = out->text.len;
		if (state == STATE_END)
			out->end = SPEECH_EOS;
		if (settings->n_stop > 0 && meets_stop(settings, before, out))
			out->end = SPEECH_STOP;
	}
}

void speech_release(struct speech *s)
{
	free(s->id);
	free(s->state);
	buf_release(&s->text);
	*s = (struct speech){0};
}
