/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retort.c - the front door: one binary, one table of commands
 *
 * To add a command: write `int cmd_<name>(int argc, char **argv)` in a file
 * cmd_<name>.c of the folder that it belongs to, declare it in deploy/commands.h,
 * and add a line to the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/log.h"
#include "common/options.h"
#include "common/text.h"
#include "deploy/commands.h"

static const struct command commands[] = {
	{"run", cmd_run, "a whole job on this machine"},
	{"check", cmd_check,
		"is the job sound, what do the endpoints give, what will it take"},
	{"coordinator", cmd_coordinator, "a run's coordinator, for a cluster"},
	{"store", cmd_store, "a run's store, for a cluster"},
	{"worker", cmd_worker, "one worker, for a cluster"},
	{"status", cmd_status, "how far a run is"},
	{"export", cmd_export, "a consistent copy of the samples, for a trainer"},
	{"show", cmd_show, "one prompt's samples, readable"},
	{"verify", cmd_verify, "check every value and invariant of a dataset"},
	{"retry", cmd_retry, "make samples eligible again"},
	{"teacher", cmd_teacher, "the built-in teacher: a stand-in for a model server"},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *to)
{
	fprintf(to, "usage: retort COMMAND [options]\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].summary);
	fprintf(to,
		"\n'retort COMMAND --help' tells the rest, the manual retort(1) all.\n");
}

int main(int argc, char **argv)
{
	const char *names[N_COMMANDS + 1] = {NULL};
	const char *word = argc > 1 ? argv[1] : NULL, *nearest;

	log_init();
	json_object_seed(0); /* once, before there is a second thread */
	if (!word) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(word, "--version") == 0) {
		printf("retort %s\n", RETORT_VERSION);
		return EXIT_OK;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		print_usage(stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(commands[i].name, word) == 0)
			return commands[i].run(argc - 1, argv + 1);
		names[i] = commands[i].name;
	}
	if (strcmp(word, "keygen") == 0) {
		fputs("retort: 'keygen' is known, but this build does not encrypt\n",
			stderr);
		return EXIT_USAGE;
	}
	nearest = text_nearest(word, names);
	fprintf(stderr, "retort: unknown command %s", log_quote(word).text);
	if (nearest)
		fprintf(stderr, " (did you mean '%s'?)", nearest);
	fprintf(stderr, "; see retort --help\n");
	return EXIT_USAGE;
}
