/* SPDX-License-Identifier: Apache-2.0 */
#include "common/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"

static void print_help(const struct command_line *line)
{
	printf("usage: %s%s%s%s\n\n%s\n", line->command,
		line->n_options ? " [options]" : "", *line->operands ? " " : "",
		line->operands, line->summary);
	if (line->n_options)
		printf("\noptions:\n");
	for (size_t i = 0; i < line->n_options; i++) {
		const struct option *o = &line->options[i];
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
			o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
			o->value_name ? " " : "", o->value_name ? o->value_name : "");
		printf("  %-30s %s\n", left, o->help);
	}
}

static const struct option *find(
	const struct command_line *line, const char *name, size_t len)
{
	for (size_t i = 0; i < line->n_options; i++)
		if (strlen(line->options[i].name) == len &&
			memcmp(line->options[i].name, name, len) == 0)
			return &line->options[i];
	return NULL;
}

static const struct option *find_letter(const struct command_line *line, char letter)
{
	for (size_t i = 0; i < line->n_options; i++)
		if (line->options[i].letter == letter)
			return &line->options[i];
	return NULL;
}

static bool complain_unknown(
	const struct command_line *line, const char *arg, int *code)
{
	const char *names[128];
	char word[128];
	const char *nearest;
	size_t n = 0;

	for (size_t i = 0; i < line->n_options && n + 2 < 128; i++)
		names[n++] = line->options[i].name;
	names[n++] = "help";
	names[n] = NULL;
	snprintf(word, sizeof(word), "%s", arg + strspn(arg, "-"));
	word[strcspn(word, "=")] = '\0';
	nearest = text_nearest(word, names);
	fprintf(stderr, "%s: unknown option %s", line->command, log_quote(arg).text);
	if (nearest)
		fprintf(stderr, " (did you mean --%s?)", nearest);
	fprintf(stderr, "; see %s --help\n", line->command);
	*code = EXIT_USAGE;
	return false;
}

static bool complain_value(const struct command_line *line, const struct option *o,
	const char *value, int *code)
{
	fprintf(stderr, "%s: --%s: %s is not a number", line->command, o->name,
		log_quote(value).text);
	if (o->min != 0 || o->max != 0)
		fprintf(stderr, " from %.15g to %.15g", o->min, o->max);
	fprintf(stderr, "\n");
	*code = EXIT_USAGE;
	return false;
}

static bool in_range(const struct option *o, double v)
{
	return (o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max);
}

static bool set_value(const struct command_line *line, const struct option *o,
	const char *value, int *code)
{
	struct option_list *list;
	char *end;

	switch (o->kind) {
	case OPTION_FLAG:
		break;
	case OPTION_TEXT:
		*(const char **)o->to = value;
		return true;
	case OPTION_INTEGER: {
		long long v;

		errno = 0;
		v = strtoll(value, &end, 10);
		if (errno || end == value || *end || !in_range(o, (double)v))
			return complain_value(line, o, value, code);
		*(int64_t *)o->to = v;
		return true;
	}
	case OPTION_REAL: {
		double v;

		errno = 0;
		v = strtod(value, &end);
		if (errno || end == value || *end || !isfinite(v) || !in_range(o, v))
			return complain_value(line, o, value, code);
		*(double *)o->to = v;
		return true;
	}
	case OPTION_LIST:
		list = o->to;
		if (list->n == OPTION_LIST_MAX) {
			fprintf(stderr, "%s: --%s given more than %d times\n",
				line->command, o->name, OPTION_LIST_MAX);
			*code = EXIT_USAGE;
			return false;
		}
		list->at[list->n++] = value;
		return true;
	}
	abort(); /* an option of no kind */
}

/* One argument that begins with a dash; may eat the next one. */
static bool read_option(
	struct command_line *line, int argc, char **argv, int *i, int *code)
{
	const char *arg = argv[*i], *equals = strchr(arg, '='), *value = NULL;
	const struct option *o;

	if (arg[1] == '-') {
		size_t len = equals ? (size_t)(equals - arg) - 2 : strlen(arg) - 2;

		o = find(line, arg + 2, len);
		value = equals ? equals + 1 : NULL;
	} else {
		o = find_letter(line, arg[1]);
		value = arg[2] ? arg + 2 : NULL;
	}
	if (!o)
		return complain_unknown(line, arg, code);
	if (o->kind == OPTION_FLAG) {
		if (value) {
			fprintf(stderr, "%s: --%s takes no value\n", line->command,
				o->name);
			*code = EXIT_USAGE;
			return false;
		}
		*(bool *)o->to = true;
		return true;
	}
	if (!value) {
		if (*i + 1 >= argc) {
			fprintf(stderr, "%s: --%s needs a value (%s)\n", line->command,
				o->name, o->value_name);
			*code = EXIT_USAGE;
			return false;
		}
		value = argv[++*i];
	}
	return set_value(line, o, value, code);
}

bool options_read(struct command_line *line, int argc, char **argv, int *code)
{
	bool only_operands = false;

	line->n_operands = 0;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (!only_operands && strcmp(arg, "--") == 0) {
			only_operands = true;
		} else if (!only_operands &&
			   (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
			print_help(line);
			*code = EXIT_OK;
			return false;
		} else if (!only_operands && arg[0] == '-' && arg[1]) {
			if (!read_option(line, argc, argv, &i, code))
				return false;
		} else if (line->n_operands < line->max_operands) {
			line->operand[line->n_operands++] = arg;
		} else {
			fprintf(stderr, "%s: unexpected argument %s; see %s --help\n",
				line->command, log_quote(arg).text, line->command);
			*code = EXIT_USAGE;
			return false;
		}
	}
	if (line->n_operands < line->min_operands) {
		fprintf(stderr, "usage: %s [options] %s\n", line->command,
			line->operands);
		*code = EXIT_USAGE;
		return false;
	}
	return true;
}
