/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/script.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/banned.h"
#include "common/mem.h"
#include "deploy/teacher/mix.h"

#define FILLERS_MAX 4000.0
#define ID_SPACE (ID_BYTES + ' ')
#define STEP_NUMBER_MAX 24

struct writer {
	const struct phrases *phrases;
	const struct question *question;
	struct script *out;
	bool is_decided;               /* the answer has been said once */
	char part[3][STEP_NUMBER_MAX]; /* #a #b #c of the step at hand */
	bool ends_in_answer;           /* #c is the answer */
};

static struct slot *add_slot(struct writer *w, enum slot_family family)
{
	struct script *s = w->out;
	struct slot *slot;

	assert(s->n < SLOTS_MAX);
	MEM_GROW(s->slot, s->cap, s->n + 1);
	slot = &s->slot[s->n++];
	*slot = (struct slot){.family = (uint8_t)family};
	for (unsigned i = 0; i < CHOICES_MAX; i++)
		slot->next[i] = (uint16_t)s->n;
	return slot;
}

static struct slot *last_slot(struct writer *w)
{
	return &w->out->slot[w->out->n - 1];
}

static void add_one(struct writer *w, unsigned id)
{
	struct slot *slot = add_slot(w, FAMILY_SURE);

	slot->n = 1;
	slot->id[0] = (uint16_t)id;
}

/* A byte of a number or an answer; a digit may slip. */
static void add_byte(struct writer *w, char c)
{
	uint64_t h = mix3(w->question->key, MIX_WRONG, w->out->n);

	add_one(w, ID_BYTES + (unsigned char)c);
	if (c < '0' || c > '9')
		return;
	last_slot(w)->n = 2;
	last_slot(w)->id[1] =
		(uint16_t)(ID_BYTES + '0' + ((unsigned)(c - '0') + 1 + h % 9) % 10);
}

static void add_answer(struct writer *w)
{
	const struct question *q = w->question;

	for (unsigned i = 0; q->answer[i]; i++) {
		struct slot *slot;

		if (i != q->decision) {
			add_byte(w, q->answer[i]);
			continue;
		}
		slot = add_slot(w, FAMILY_SURE);
		slot->role = w->is_decided ? SLOT_ANSWER : SLOT_DECISION;
		slot->n = 2;
		slot->id[0] = (uint16_t)(ID_BYTES + (unsigned char)q->answer[i]);
		slot->id[1] = (uint16_t)(ID_BYTES + (unsigned char)q->wrong);
	}
	w->is_decided = true;
}

static void add_number(struct writer *w, const struct element *e)
{
	const char *text;

	if (e->spaced)
		add_one(w, ID_SPACE);
	if (e->number == 'A' || (e->number == 'c' && w->ends_in_answer)) {
		add_answer(w);
		return;
	}
	text = e->number >= 'a' ? w->part[e->number - 'a']
				: w->question->number[e->number - '1'];
	for (; *text; text++)
		add_byte(w, *text);
}

/* A word, or one of several: how sure the model is of it and which comes
 * first is drawn from the prompt. */
static void add_words(struct writer *w, const struct element *e)
{
	uint64_t h = mix3(w->question->key, MIX_ROW, w->out->n), dice = h >> 32;
	struct slot *slot;

	if (e->n == 1)
		slot = add_slot(w, dice % 4 == 0 ? FAMILY_SURE : FAMILY_FIRM);
	else
		slot = add_slot(w, dice % 3 == 0 ? FAMILY_FLAT : FAMILY_PEAKED);
	slot->n = e->n;
	for (unsigned i = 0; i < e->n; i++)
		slot->id[i] = e->id[(i + h % e->n) % e->n];
}

static void add_phrase(struct writer *w, const struct phrase *phrase)
{
	for (size_t i = 0; i < phrase->n; i++) {
		if (phrase->element[i].kind == PIECE_NUMBER)
			add_number(w, &phrase->element[i]);
		else
			add_words(w, &phrase->element[i]);
	}
}

/* The i-th phrase of a group, or the one that the prompt's key picks. */
static void say(struct writer *w, enum sentence_group group, unsigned i)
{
	assert(i < w->phrases->n_of[group]);
	add_phrase(w, &w->phrases->of[group][i]);
}

static void say_one_of(struct writer *w, enum sentence_group group)
{
	uint64_t h = mix3(w->question->key, MIX_PICK, group);

	say(w, group, (unsigned)(h % w->phrases->n_of[group]));
}

/* Marks, which the model never gets wrong. */
static void say_marks(struct writer *w, enum sentence_group group)
{
	const struct phrase *phrase = &w->phrases->of[group][0];

	for (size_t i = 0; i < phrase->n; i++)
		add_one(w, phrase->element[i].id[0]);
}

static void say_fillers(struct writer *w, double length)
{
	uint64_t h = mix3(w->question->key, MIX_PICK, SAY_FILL);
	double n = floor(length * (double)(1 + h % 4));

	for (uint64_t i = 0; (double)i < n && (double)i < FILLERS_MAX; i++)
		say(w, SAY_FILL,
			(unsigned)(mix3(w->question->key, MIX_FILL, i) %
				   w->phrases->n_of[SAY_FILL]));
}

static void say_steps(struct writer *w)
{
	const struct problem *p = &w->question->problem;

	for (unsigned i = 0; w->question->is_solved && i < p->n_steps; i++) {
		const struct step *step = &p->step[i];
		const char *signs = "+-*/";
		int64_t number[3] = {step->left, step->right, step->result};

		for (int j = 0; j < 3; j++)
			snprintf(w->part[j], STEP_NUMBER_MAX, "%lld",
				(long long)number[j]);
		w->ends_in_answer = i + 1 == p->n_steps;
		say_one_of(w, i == 0 ? SAY_STEP_FIRST : SAY_STEP_NEXT);
		say(w, SAY_STEP_SUM, (unsigned)(strchr(signs, step->sign) - signs));
	}
}

/* After the result: close the trace, check it once, or wait and come back. */
static void say_branch(struct writer *w)
{
	const struct element *e = &w->phrases->of[SAY_BRANCH][0].element[0];
	uint16_t branch = (uint16_t)w->out->n, check, wait, close;

	add_slot(w, FAMILY_SURE);
	check = (uint16_t)w->out->n;
	say(w, SAY_CHECK, 0);
	wait = (uint16_t)w->out->n;
	say(w, SAY_WAIT, 0);
	close = (uint16_t)w->out->n;
	for (unsigned i = 0; i < CHOICES_MAX; i++) {
		w->out->slot[wait - 1].next[i] = close;
		w->out->slot[close - 1].next[i] = branch;
	}
	w->out->slot[close - 1].loops = true;
	w->out->slot[branch].role = SLOT_BRANCH;
	w->out->slot[branch].n = 3;
	memcpy(w->out->slot[branch].id, e->id, sizeof(e->id));
	memcpy(w->out->slot[branch].next, (uint16_t[]){close, check, wait},
		3 * sizeof(uint16_t));
}

static void say_trace(struct writer *w, const struct script_settings *settings)
{
	const struct question *q = w->question;

	if (settings->opens)
		say_marks(w, SAY_HEAD);
	say_one_of(w, SAY_OPEN);
	if (q->n_numbers > 0)
		say(w, SAY_NUMBERS, q->n_numbers - 1);
	say_fillers(w, settings->length);
	say_steps(w);
	say_one_of(w, SAY_RESULT);
	say_branch(w);
	say_marks(w, SAY_CLOSE);
}

/* The end of the sequence, or a remark before it. */
static void say_end(struct writer *w)
{
	const struct element *e = &w->phrases->of[SAY_END][0].element[0];
	struct slot *end = add_slot(w, FAMILY_FIRM);

	end->n = e->n;
	memcpy(end->id, e->id, sizeof(e->id));
	end->next[0] = SLOT_STOP;
	say(w, SAY_REMARK, 0);
	for (unsigned i = 0; i < CHOICES_MAX; i++)
		last_slot(w)->next[i] = SLOT_STOP;
}

void script_write(const struct phrases *phrases, const struct question *question,
	const struct script_settings *settings, struct script *out)
{
	struct writer w = {.phrases = phrases, .question = question, .out = out};

	out->n = 0;
	if (settings->thinks)
		say_trace(&w, settings);
	say_one_of(&w, SAY_CONTENT);
	say_end(&w);
}

void script_release(struct script *s)
{
	free(s->slot);
	*s = (struct script){0};
}
