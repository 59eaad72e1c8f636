/* SPDX-License-Identifier: Apache-2.0 */
/*
 * teacher.h - the model as a whole: asked a question, it speaks
 *
 * Everything that is fixed while the server runs, in one place, and one call
 * that samples an answer. The answer is a function of the question, the
 * settings, the sampling and the seed; nothing else enters.
 *
 * Pure: no I/O and no clock, once the references are read.
 */
#ifndef RETORT_DEPLOY_TEACHER_TEACHER_H
#define RETORT_DEPLOY_TEACHER_TEACHER_H

#include "deploy/teacher/lens.h"
#include "deploy/teacher/phrases.h"
#include "deploy/teacher/question.h"
#include "deploy/teacher/row.h"
#include "deploy/teacher/script.h"

struct teacher_settings {
	double correct, loops, length;
	const struct references *references; /* may be NULL */
};

struct teacher {
	struct teacher_settings settings;
	struct vocabulary *vocabulary;
	struct phrases *phrases;
	struct profiles profiles;
	struct lens_box *lenses;
};

void teacher_init(struct teacher *t, const struct teacher_settings *settings);
void teacher_release(struct teacher *t);

enum speech_end { SPEECH_EOS, SPEECH_LENGTH, SPEECH_STOP };

/* One answer as sampled. */
struct speech {
	uint16_t *id;
	uint32_t *state; /* before the token */
	size_t n, cap;
	enum speech_end end;
	unsigned stop;    /* SPEECH_STOP: which of the stop texts */
	struct buf text;  /* raw bytes without the special tokens */
	size_t text_len;  /* of it, before the stop text */
	size_t trace_end; /* tokens up to and with </think>; 0 if there is none */
};

struct speech_settings {
	struct sampling sampling;
	uint64_t seed;
	size_t max_tokens;
	const struct bytes *stop;
	unsigned n_stop;
	bool keeps_special; /* special tokens are part of the text */
};

/* The rows that answers to the question can have. */
void teacher_script(const struct teacher *t, const struct question *q, bool thinks,
	bool opens, struct script *out);
void teacher_speak(struct teacher *t, const struct question *q,
	const struct script *script, const struct speech_settings *settings,
	struct speech *out);
void speech_release(struct speech *s);

#endif
