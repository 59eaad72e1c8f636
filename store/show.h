/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.h - a sample as a person reads it on a terminal
 *
 * Texts come from models and corpora, and a terminal obeys what it is sent: all
 * of them pass text_printable. The only escape sequences in the output are this
 * file's own, and only with `colour`.
 *
 * Appends to `out`; lends the sample, whose view must be open.
 */
#ifndef RETORT_STORE_SHOW_H
#define RETORT_STORE_SHOW_H

#include "store/sample.h"

struct show_options {
	bool colour;
	bool logits;
	struct capture_choice capture; /* of them */
};

/* Everything about one sample. */
enum err_code show_sample(const struct show_options *options, struct sample *s,
	struct buf *out, struct err *err) MUST_CHECK;

/* One line about it. */
enum err_code show_line(const struct show_options *options, struct sample *s,
	struct buf *out, struct err *err) MUST_CHECK;

/* What both use. */
void show_printable(struct buf *out, struct bytes text);
void show_heading(
	const struct show_options *options, struct buf *out, const char *heading);
/* The tokens and their alternatives; says so if there are none. */
enum err_code show_tokens(const struct show_options *options, struct sample *s,
	struct buf *out, struct err *err) MUST_CHECK;

#endif
