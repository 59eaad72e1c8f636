/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - command lines, from one table per command
 *
 * The table drives parsing, --help and the messages. `--name value`,
 * `--name=value` and, where a letter is given, `-o value`; `--` ends the
 * options. An unknown option names the nearest known one.
 */
#ifndef RETORT_COMMON_OPTIONS_H
#define RETORT_COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_WITH_FAILURES = 3 /* the job has ended, some samples in failure */
};

enum option_kind {
	OPTION_FLAG,    /* bool *to */
	OPTION_TEXT,    /* const char **to, lent from argv */
	OPTION_INTEGER, /* int64_t *to, min..max */
	OPTION_REAL,    /* double *to, min..max */
	OPTION_LIST     /* struct option_list *to: may be given again */
};

#define OPTION_LIST_MAX 64
struct option_list {
	const char *at[OPTION_LIST_MAX];
	size_t n;
};

struct option {
	const char *name; /* without the dashes */
	char letter;      /* 0: none */
	enum option_kind kind;
	const char *value_name; /* "PORT", for the help; NULL for flags */
	const char *help;
	void *to;
	double min, max; /* numbers; both 0: any */
};

struct command_line {
	const char *command;  /* "retort run" */
	const char *operands; /* "JOB.json", for the help; "" for none */
	const char *summary;
	const struct option *options;
	size_t n_options;
	size_t min_operands, max_operands;
	/* Out: */
	const char *operand[16];
	size_t n_operands;
};

/* Reads argv[1..]. True: go on. False: leave with *code, all being said
 * (--help on stdout, errors on stderr). */
bool options_read(struct command_line *line, int argc, char **argv, int *code);

/* One entry of the command table in deploy/retort.c. */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

#endif
