/* SPDX-License-Identifier: Apache-2.0 */
/* `retort export`: see export.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/options.h"
#include "common/text.h"
#include "store/causal.h"
#include "store/commands.h"
#include "store/export.h"
#include "store/locate.h"
#include "store/offer.h"

/* What the command line says. */
static struct export_options options;
static int64_t since, k, length, capture = -1;
static const char *shift;
static bool json;
static char formats[240] = "one of:";

static const struct option table[] = {
	{.name = "format",
		.letter = 'f',
		.kind = OPTION_TEXT,
		.value_name = "FORMAT",
		.help = formats,
		.to = &options.format},
	{.name = "out",
		.letter = 'o',
		.kind = OPTION_TEXT,
		.value_name = "PATH",
		.help = "what to write; - for standard output",
		.to = &options.out},
	{.name = "where",
		.letter = 'w',
		.kind = OPTION_TEXT,
		.value_name = "EXPR",
		.help = "only samples for which this is true",
		.to = &options.where},
	{.name = "since",
		.kind = OPTION_INTEGER,
		.value_name = "SEQ",
		.help = "only samples stored after this sequence",
		.to = &since,
		.min = 0,
		.max = 9e15},
	{.name = "logits",
		.kind = OPTION_FLAG,
		.help = "jsonl: with token ids and logprobs",
		.to = &options.with_logits},
	{.name = "capture",
		.kind = OPTION_INTEGER,
		.value_name = "N",
		.help = "whose logprobs: 0 the sampling teacher's, 1 to 3 a scoring one's",
		.to = &capture,
		.min = 0,
		.max = OFFER_CAPTURES_MAX - 1},
	{.name = "k",
		.kind = OPTION_INTEGER,
		.value_name = "N",
		.help = "distillkit, axolotl: candidates a position (top_logprobs)",
		.to = &k,
		.min = 1,
		.max = LIMIT_TOP_K},
	{.name = "shift",
		.kind = OPTION_TEXT,
		.value_name = "HOW",
		.help = "distillkit, axolotl: next: row i is of token i + 1; same: of i",
		.to = &shift},
	{.name = "length",
		.kind = OPTION_INTEGER,
		.value_name = "N",
		.help = "distillkit, axolotl: cut or fill every row to N positions",
		.to = &length,
		.min = 2,
		.max = LIMIT_MAX_TOKENS},
	{.name = "tokenizer",
		.kind = OPTION_TEXT,
		.value_name = "FILE",
		.help = "distillkit, axolotl: tokenizer.json for prompts without ids",
		.to = &options.tokenizer},
	{.name = "chat-template",
		.kind = OPTION_TEXT,
		.value_name = "FILE",
		.help = "with --tokenizer: the template, if not the one beside it",
		.to = &options.chat_template},
	{.name = "include-misaligned",
		.kind = OPTION_FLAG,
		.help = "distillkit, axolotl: with samples that are flagged so",
		.to = &options.with_misaligned},
	{.name = "force",
		.kind = OPTION_FLAG,
		.help = "replace an export that is there",
		.to = &options.force},
	{.name = "json",
		.kind = OPTION_FLAG,
		.help = "print the manifest when done",
		.to = &json},
};

/* An expression that does not compile, with the place shown below it. */
static int complain_where(const char *where, size_t column, const struct err *err)
{
	struct buf shown;

	buf_init(&shown, 4096);
	filter_point_at(where, column, &shown);
	fprintf(stderr, "retort export: --where: %s\n%s", err->msg, buf_text(&shown));
	buf_release(&shown);
	return EXIT_USAGE;
}

static int complain(const struct err *err)
{
	fprintf(stderr, "retort export: %s\n", err->msg);
	return EXIT_FAILED;
}

/* The options about rows at positions; says what is wrong with them. */
static bool check_rows(const struct export_format *format)
{
	const char *given = k                         ? "--k"
			    : length                  ? "--length"
			    : options.with_misaligned ? "--include-misaligned"
			    : options.tokenizer       ? "--tokenizer"
			    : shift                   ? "--shift"
						      : NULL;

	options.shift_same = shift && strcmp(shift, "same") == 0;
	if (shift && !options.shift_same && strcmp(shift, "next") != 0) {
		fprintf(stderr, "retort export: --shift is next or same, not '%s'\n",
			shift);
		return false;
	}
	if (options.chat_template && !options.tokenizer) {
		fprintf(stderr,
			"retort export: --chat-template is for use with --tokenizer\n");
		return false;
	}
	if (given && !format->places_rows) {
		fprintf(stderr,
			"retort export: %s is for --format distillkit and axolotl\n",
			given);
		return false;
	}
	options.k = (uint32_t)k;
	options.length = (uint32_t)length;
	return true;
}

/* What is wrong before anything is read is the caller's to mend: exit 2. */
static int check(void)
{
	const struct export_format *format;
	struct filter *where;
	struct err err;
	size_t column;

	format = export_find(options.format, &err);
	if (!format) {
		fprintf(stderr, "retort export: %s\n", err.msg);
		return EXIT_USAGE;
	}
	if (options.with_logits && format != &export_jsonl) {
		fprintf(stderr, "retort export: --logits is for --format jsonl%s\n",
			format == &export_lmdb ? "; a snapshot always has them" : "");
		return EXIT_USAGE;
	}
	if (format->is_folder && strcmp(options.out, "-") == 0) {
		fprintf(stderr,
			"retort export: format '%s' writes a folder, not a stream\n",
			format->name);
		return EXIT_USAGE;
	}
	if (!check_rows(format))
		return EXIT_USAGE;
	options.capture = (struct capture_choice){capture >= 0, (uint8_t)capture};
	if (capture >= 0 && !options.with_logits && !format->places_rows) {
		fprintf(stderr,
			"retort export: --capture is for --format jsonl --logits, "
			"distillkit and axolotl%s\n",
			format == &export_lmdb ? "; a snapshot always has all" : "");
		return EXIT_USAGE;
	}
	if (!options.where)
		return EXIT_OK;
	if (filter_compile(options.where, &where, &column, &err) != ERR_NONE)
		return complain_where(options.where, column, &err);
	filter_free(where);
	return EXIT_OK;
}

/* What a format that places rows could not place. */
static void say_left_out(const struct manifest *m)
{
	const json_t *left_out = json_object_get(m->rows, "left_out");

	for (int i = CAUSAL_PLACED + 1; i < CAUSAL_VERDICTS; i++) {
		enum causal_verdict why = (enum causal_verdict)i;
		json_int_t n = json_integer_value(
			json_object_get(left_out, causal_verdict_name(why)));

		if (n > 0)
			fprintf(stderr, "left out %lld samples %s\n", (long long)n,
				causal_verdict_text(why));
	}
}

/* They count as what the teacher has not listed. */
static void say_unknown(const struct manifest *m)
{
	json_int_t n =
		json_integer_value(json_object_get(m->rows, "unknown_candidates"));

	if (n > 0)
		fprintf(stderr,
			"left out %lld candidates of unknown id; their probability is the "
			"tail's\n",
			(long long)n);
}

/* What only the user can know: that these are of one tokenizer and template. A
 * prompt's ids are stored once, whichever of its teachers told them. */
static void say_teachers(const struct manifest *m)
{
	if (m->rows && m->n_teachers > 1)
		fprintf(stderr,
			"the samples are of several teachers or settings, which must have "
			"one tokenizer and chat template (--where chooses)\n");
}

static void say(const struct manifest *m, int64_t began_us)
{
	double seconds = (double)(clock_mono_us() - began_us) / 1e6;
	uint64_t bytes = 0;
	char size[16];

	for (size_t i = 0; i < m->n_files; i++)
		bytes += m->file[i].size;
	text_count((double)bytes, size);
	fprintf(stderr,
		"wrote %llu samples of %llu prompts (%llu accepted) up to sequence %llu "
		"to %s: %sB in %.1f s\n",
		(unsigned long long)m->samples, (unsigned long long)m->prompts,
		(unsigned long long)m->accepted, (unsigned long long)m->until,
		strcmp(options.out, "-") == 0 ? "standard output" : options.out, size,
		seconds);
	say_left_out(m);
	say_unknown(m);
	fputs(m->said, stderr);
	say_teachers(m);
}

static int run(const char *path)
{
	int64_t began_us = clock_mono_us();
	struct manifest manifest = {0};
	struct dataset *d;
	struct err err;
	enum err_code code = locate_and_open(path, &d, &err);

	if (code != ERR_NONE)
		return complain(&err);
	code = export_run(d, &options, &manifest, &err);
	dataset_close(d);
	if (code == ERR_NONE) {
		say(&manifest, began_us);
		if (json) {
			char *text = manifest_text(&manifest, true);

			puts(text);
			free(text);
		}
	}
	manifest_release(&manifest);
	return code == ERR_NONE ? EXIT_OK : complain(&err);
}

static void list_formats(void)
{
	size_t len = strlen(formats);

	for (const struct export_format *const *f = export_formats(); *f; f++)
		len += (size_t)snprintf(
			formats + len, sizeof(formats) - len, " %s", (*f)->name);
}

int cmd_export(int argc, char **argv)
{
	struct command_line line = {.command = "retort export",
		.operands = "RUN",
		.summary =
			"A consistent, checksummed copy of a run's samples. RUN is a\n"
			"run, a dataset or a snapshot; it may be in use. Without\n"
			"--where: all live samples.",
		.options = table,
		.n_options = sizeof(table) / sizeof(table[0]),
		.min_operands = 1,
		.max_operands = 1};
	int code;

	list_formats();
	if (!options_read(&line, argc, argv, &code))
		return code;
	if (!options.format || !options.out) {
		fprintf(stderr,
			"retort export: --%s is missing; see retort export --help\n",
			options.format ? "out" : "format");
		return EXIT_USAGE;
	}
	if (json && strcmp(options.out, "-") == 0) {
		fprintf(stderr,
			"retort export: --json and -o - both write standard output\n");
		return EXIT_USAGE;
	}
	options.since = (uint64_t)since;
	code = check();
	return code == EXIT_OK ? run(line.operand[0]) : code;
}
