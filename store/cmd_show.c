/* SPDX-License-Identifier: Apache-2.0 */
/* `retort show`: see show.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/options.h"
#include "store/commands.h"
#include "store/find_prompt.h"
#include "store/jline.h"
#include "store/jwrite.h"
#include "store/locate.h"
#include "store/offer.h"
#include "store/reader.h"
#include "store/show.h"

#define OUT_MAX ((size_t)1 << 30)

struct showing {
	struct show_options options;
	bool json;
	bool one; /* only `sample` */
	uint32_t sample;
	struct buf out;
	size_t n; /* samples shown */
};

static enum err_code add_json(struct showing *w, struct sample *s, struct err *err)
{
	struct jline j;
	struct buf line;
	enum err_code code;

	jline_init(&j, w->options.logits, NULL, NULL);
	j.choice = w->options.capture;
	buf_init(&line, OUT_MAX);
	code = jline_write(&j, s, &line, err);
	if (code == ERR_NONE && w->one) {
		jwrite_pretty(&w->out, buf_bytes(&line));
	} else if (code == ERR_NONE) {
		buf_add_byte(&w->out, w->n ? ',' : '[');
		buf_add(&w->out, line.data, line.len);
	}
	jline_release(&j);
	buf_release(&line);
	return code;
}

static enum err_code add_sample(struct showing *w, struct sample *s, struct err *err)
{
	enum err_code code;

	if (w->one && s->head.key.sample != w->sample)
		return ERR_NONE;
	if (w->json) {
		code = add_json(w, s, err);
	} else if (w->one) {
		code = show_sample(&w->options, s, &w->out, err);
	} else {
		if (w->n == 0) {
			code = sample_load_prompt(s, err);
			if (code != ERR_NONE)
				return code;
			show_printable(&w->out, s->prompt.at[PROMPT_ID]);
			buf_printf(&w->out, "  prompt %llu\n",
				(unsigned long long)s->head.key.prompt);
		}
		code = show_line(&w->options, s, &w->out, err);
	}
	w->n++;
	return code;
}

static enum err_code read_samples(
	struct showing *w, struct dataset *d, uint64_t prompt, struct err *err)
{
	struct reader_query query = {0};
	struct sample *s;
	struct reader *r;
	enum err_code code = reader_open(d, &query, &r, err);

	if (code != ERR_NONE)
		return code;
	reader_seek(r, prompt);
	for (code = reader_next(r, &s, err);
		code == ERR_NONE && s->head.key.prompt == prompt;
		code = reader_next(r, &s, err)) {
		code = add_sample(w, s, err);
		if (code != ERR_NONE)
			break;
	}
	reader_close(r);
	if (code != ERR_NOT_FOUND && code != ERR_NONE)
		return code;
	if (w->n == 0)
		return err_set(err, ERR_NOT_FOUND, "prompt %llu has no sample %u",
			(unsigned long long)prompt, w->sample);
	return ERR_NONE;
}

/* The list of objects, in its final form. */
static void close_json(struct showing *w)
{
	struct buf all = w->out;

	buf_add_byte(&all, ']');
	buf_init(&w->out, OUT_MAX);
	jwrite_pretty(&w->out, buf_bytes(&all));
	buf_release(&all);
}

static enum err_code show(
	struct showing *w, const char *path, const char *id, struct err *err)
{
	struct dataset *d;
	uint64_t prompt;
	enum err_code code = locate_and_open(path, &d, err);

	if (code != ERR_NONE)
		return code;
	code = dataset_begin_view(d, err);
	if (code == ERR_NONE)
		code = find_prompt(d, id, &prompt, err);
	dataset_end_view(d);
	if (code == ERR_NONE)
		code = read_samples(w, d, prompt, err);
	dataset_close(d);
	if (code == ERR_NONE && w->json && !w->one)
		close_json(w);
	if (code == ERR_NONE && w->json)
		buf_add_byte(&w->out, '\n');
	return code;
}

/* --color, as other tools spell it; NO_COLOR as they obey it. */
static bool choose_colour(const char *when, bool *colour)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	*colour = strcmp(when, "always") == 0;
	if (strcmp(when, "auto") == 0)
		*colour = isatty(STDOUT_FILENO) && (!no || !*no) && term &&
			  strcmp(term, "dumb") != 0;
	else if (strcmp(when, "always") != 0 && strcmp(when, "never") != 0)
		return false;
	return true;
}

static bool read_number(const char *text, uint32_t *n)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	*n = (uint32_t)v;
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
	       v <= UINT32_MAX;
}

int cmd_show(int argc, char **argv)
{
	struct showing w = {0};
	const char *when = "auto";
	int64_t capture = -1;
	const struct option table[] = {
		{.name = "json",
			.kind = OPTION_FLAG,
			.help = "as the jsonl export has it",
			.to = &w.json},
		{.name = "logits",
			.kind = OPTION_FLAG,
			.help = "tokens by their probability, with alternatives",
			.to = &w.options.logits},
		{.name = "capture",
			.kind = OPTION_INTEGER,
			.value_name = "N",
			.help = "with --logits: 0 the sampling teacher's, 1 to 3 a "
				"scoring one's",
			.to = &capture,
			.min = 0,
			.max = OFFER_CAPTURES_MAX - 1},
		{.name = "color",
			.kind = OPTION_TEXT,
			.value_name = "WHEN",
			.help = "always, never, or auto: on a terminal",
			.to = &when},
	};
	struct command_line line = {.command = "retort show",
		.operands = "RUN PROMPT-ID [SAMPLE]",
		.summary =
			"The samples of a prompt, or one of them in full. PROMPT-ID is\n"
			"the id from the corpus, or the prompt's number.",
		.options = table,
		.n_options = sizeof(table) / sizeof(table[0]),
		.min_operands = 2,
		.max_operands = 3};
	struct err err;
	enum err_code result;
	int code;

	if (!options_read(&line, argc, argv, &code))
		return code;
	w.one = line.n_operands == 3;
	if (!choose_colour(when, &w.options.colour)) {
		fprintf(stderr, "retort show: --color is always, never or auto\n");
		return EXIT_USAGE;
	}
	if (w.one && !read_number(line.operand[2], &w.sample)) {
		fprintf(stderr, "retort show: SAMPLE is a number, from 0\n");
		return EXIT_USAGE;
	}
	w.options.capture = (struct capture_choice){capture >= 0, (uint8_t)capture};
	if (capture >= 0 && !w.options.logits) {
		fprintf(stderr, "retort show: --capture needs --logits\n");
		return EXIT_USAGE;
	}
	if (w.options.logits && !w.one && !w.json) {
		fprintf(stderr,
			"retort show: --logits shows one sample: give SAMPLE too\n");
		return EXIT_USAGE;
	}
	buf_init(&w.out, OUT_MAX);
	result = show(&w, line.operand[0], line.operand[1], &err);
	if (result == ERR_NONE)
		fwrite(w.out.data, 1, w.out.len, stdout);
	else
		fprintf(stderr, "retort show: %s\n", err.msg);
	buf_release(&w.out);
	return result == ERR_NONE ? EXIT_OK : EXIT_FAILED;
}
