/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens by their probability, and what else the teacher might have said. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/text.h"
#include "store/show.h"

#define UNCERTAIN_MAX 8    /* least certain tokens listed */
#define ALTERNATIVES_MAX 5 /* candidates of each */
#define TOKEN_SHOWN 40

/* xterm's 256 colours from green over yellow to red. */
static const int shades[] = {46, 82, 118, 154, 190, 226, 220, 214, 208, 202, 196};
#define N_SHADES (sizeof(shades) / sizeof(shades[0]))

struct tokens {
	const struct show_options *options;
	struct sample *s;
	struct logits l;
	size_t *stream_at;    /* [n + 1] where a token's bytes begin */
	bool stream_known;    /* up to here all lengths were known */
	size_t *candidate_at; /* [n] where a row's candidates begin */
};

/* The bytes of a token id; false if the teacher never told. */
static bool bytes_of_id(struct tokens *t, uint32_t id, struct bytes *token)
{
	uint16_t ordinal;

	uint32_t sampler = vocabulary_number(
		t->s->head.settings, t->s->head.teacher, t->l.interned);

	/* Who only scored may never have told; its tokens are the same. */
	return id != TOKEN_ID_UNKNOWN &&
	       (dataset_token(t->s->d, t->l.vocabulary, id, &ordinal, token, NULL) ==
			       ERR_NONE ||
		       dataset_token(t->s->d, sampler, id, &ordinal, token, NULL) ==
			       ERR_NONE);
}

/* The bytes of the token that was sampled at row i. */
static bool bytes_of_row(struct tokens *t, size_t i, struct bytes *token)
{
	struct bytes stream = t->s->text.at[TEXT_STREAM];
	size_t from = t->stream_at[i], behind = t->stream_at[i + 1];

	if (t->stream_known && stream.data && behind <= stream.len) {
		*token = bytes_of(stream.data + from, behind - from);
		return true;
	}
	return bytes_of_id(t, t->l.id[i], token);
}

/* A token on one line, with its white space visible; "#id" if unknown. */
static void add_quoted(struct buf *out, bool known, struct bytes token, uint32_t id)
{
	char text[TOKEN_SHOWN];

	if (!known && id == TOKEN_ID_UNKNOWN) {
		buf_add_str(out, "(unknown)");
	} else if (!known) {
		buf_printf(out, "#%u", id);
	} else {
		text_escape(token.data, token.len, text, sizeof(text));
		buf_printf(out, "\"%s\"", text);
	}
}

static void add_percent(struct buf *out, double p)
{
	if (p < 0.001)
		buf_printf(out, "%.2g%%", 100 * p);
	else
		buf_printf(out, p >= 0.1 ? "%.0f%%" : "%.1f%%", 100 * p);
}

static int shade(double p)
{
	size_t step = (size_t)((1 - p) * (double)(N_SHADES - 1) + 0.5);

	return shades[step < N_SHADES ? step : N_SHADES - 1];
}

static void add_token(struct tokens *t, struct buf *out, size_t i)
{
	float logprob = t->l.logprob[i];
	double p = logprob > 0 ? 1 : exp((double)logprob);
	struct bytes token;
	bool known = bytes_of_row(t, i, &token), told = isfinite(logprob);

	if (t->options->colour && told)
		buf_printf(out, "\x1b[38;5;%dm", shade(p));
	if (known)
		show_printable(out, token);
	else
		add_quoted(out, false, token, t->l.id[i]);
	if (t->options->colour) {
		buf_add_str(out, told ? "\x1b[0m" : "");
		return;
	}
	buf_add_byte(out, '[');
	if (told)
		add_percent(out, p);
	else
		buf_add_byte(out, '?');
	buf_add_byte(out, ']');
}

static void add_legend(const struct tokens *t, struct buf *out)
{
	const struct logits *l = &t->l;

	if (t->options->colour) {
		buf_add_str(out, "probability: ");
		for (size_t i = 0; i < N_SHADES; i++)
			buf_printf(out, "\x1b[38;5;%dm%zu%%\x1b[0m ", shades[i],
				100 - 100 * i / (N_SHADES - 1));
		buf_add_byte(out, '\n');
	}
	buf_printf(out, "%u tokens, top %u, logprobs %s, %s", l->n, l->k_asked,
		logprobs_mode_name(l->mode), logits_profile_name(l->profile));
	if (l->profile != LOGITS_EXACT)
		buf_printf(out, " (within 1/%.0f nat)", 1 / logits_error(l->profile));
	if (l->keep_k > 0)
		buf_printf(out, ", %u kept", l->keep_k);
	if (l->keep_mass > 0)
		buf_printf(out, ", kept up to a mass of %.6g", (double)l->keep_mass);
	buf_add_str(
		out, l->interned ? ", ids of the dataset's own vocabulary\n" : "\n");
}

/* Rows by rising logprob of the sampled token. */
struct ranked {
	float logprob;
	size_t row;
};

static int by_logprob(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->logprob != y->logprob)
		return x->logprob < y->logprob ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static void add_alternatives(struct tokens *t, struct buf *out, size_t row)
{
	size_t from = t->candidate_at[row], n = t->l.listed[row];
	struct bytes token;
	bool known = bytes_of_row(t, row, &token);

	buf_printf(out, "%6zu  ", row);
	add_quoted(out, known, token, t->l.id[row]);
	buf_add_byte(out, ' ');
	add_percent(out, exp((double)t->l.logprob[row]));
	buf_add_str(out, n ? "  of " : "");
	for (size_t k = 0; k < n && k < ALTERNATIVES_MAX; k++) {
		known = bytes_of_id(t, t->l.ids[from + k], &token);
		buf_add_str(out, k ? ", " : "");
		add_quoted(out, known, token, t->l.ids[from + k]);
		buf_add_byte(out, ' ');
		add_percent(out, exp((double)t->l.logprobs[from + k]));
	}
	buf_add_byte(out, '\n');
}

static void add_uncertain(struct tokens *t, struct buf *out)
{
	struct ranked *rows = mem_zalloc(t->l.n, sizeof(*rows));
	size_t n = 0;

	for (size_t i = 0; i < t->l.n; i++)
		if (isfinite(t->l.logprob[i]))
			rows[n++] = (struct ranked){t->l.logprob[i], i};
	if (n > 1)
		qsort(rows, n, sizeof(*rows), by_logprob);
	if (n > 0)
		show_heading(t->options, out, "least certain");
	for (size_t i = 0; i < n && i < UNCERTAIN_MAX; i++)
		add_alternatives(t, out, rows[i].row);
	free(rows);
}

static void index_rows(struct tokens *t)
{
	const struct logits *l = &t->l;
	size_t stream = 0, candidate = 0;

	t->stream_at = mem_zalloc((size_t)l->n + 1, sizeof(size_t));
	t->candidate_at = mem_zalloc(l->n, sizeof(size_t));
	t->stream_known = true;
	for (size_t i = 0; i < l->n; i++) {
		t->stream_at[i] = stream;
		t->candidate_at[i] = candidate;
		candidate += l->listed[i];
		if (l->n_bytes[i] == TOKEN_BYTES_UNKNOWN)
			t->stream_known = false;
		else
			stream += l->n_bytes[i];
	}
	t->stream_at[l->n] = stream;
}

enum err_code show_tokens(const struct show_options *options, struct sample *s,
	struct buf *out, struct err *err)
{
	struct tokens t = {.options = options, .s = s};
	enum err_code code;
	int capture;

	show_heading(options, out, "tokens");
	code = sample_capture(s, options->capture, &capture, err);
	if (code == ERR_NONE && capture == CAPTURE_NONE) {
		buf_printf(out, "(the %s gave none)\n",
			options->capture.number > 0 ? "scoring teacher" : "teacher");
		return ERR_NONE;
	}
	if (code == ERR_NONE)
		code = sample_logits(s, (uint8_t)capture, &t.l, err);
	if (code != ERR_NONE)
		return code;
	if (capture > 0)
		buf_printf(
			out, "(capture %d: as another teacher scores them)\n", capture);
	index_rows(&t);
	for (size_t i = 0; i < t.l.n; i++)
		add_token(&t, out, i);
	buf_add_byte(out, '\n');
	add_uncertain(&t, out);
	buf_add_byte(out, '\n');
	add_legend(&t, out);
	free(t.stream_at);
	free(t.candidate_at);
	logits_release(&t.l);
	return ERR_NONE;
}
