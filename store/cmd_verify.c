/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `retort verify`: see verify.h.
 *
 * The walk runs in a child: LMDB trusts the structure of its pages, and a file
 * that is damaged there may take the process that reads it down. The parent
 * then says so, which is an answer too.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/options.h"
#include "common/text.h"
#include "store/commands.h"
#include "store/locate.h"
#include "store/verify.h"

#define SHOWN_MAX 100

struct printing {
	bool json;
	json_t *shown; /* with --json */
	size_t n;
};

static void print_finding(void *to, const char *finding)
{
	struct printing *p = to;
	char line[1024];

	if (p->n++ >= SHOWN_MAX)
		return;
	text_escape(finding, strlen(finding), line, sizeof(line));
	if (p->json) {
		json_array_append_new(p->shown, json_string(finding));
		return;
	}
	puts(line);
	fflush(stdout); /* what was found before a crash must be seen */
}

static void print_json(
	const struct printing *p, const char *path, const struct verify_counts *c)
{
	json_t *all = json_pack("{s:s, s:s, s:b, s:I, s:O}", "path", path, "kind",
		c->snapshot ? "snapshot" : "dataset", "clean", c->findings == 0,
		"findings", (json_int_t)c->findings, "shown", p->shown);
	const struct {
		const char *name;
		uint64_t n;
	} counts[] = {{"sequence", c->sequence}, {"records", c->records},
		{"keys", c->keys}, {"live", c->live}, {"prompts", c->prompts},
		{"captures", c->captures}, {"tokens", c->tokens}, {"shards", c->shards},
		{"raw", c->raw}, {"vocabulary", c->vocabulary}, {"bytes", c->bytes}};
	json_t *numbers = json_object();

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(
			numbers, counts[i].name, json_integer((json_int_t)counts[i].n));
	json_object_set_new(all, "counts", numbers);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

static void print_summary(
	const struct printing *p, const char *path, const struct verify_counts *c)
{
	char bytes[16];

	if (p->n > SHOWN_MAX)
		printf("... and %zu more\n", p->n - SHOWN_MAX);
	text_count((double)c->bytes, bytes);
	printf("%s: %s of %llu samples (%llu live) of %llu prompts, %llu captures, "
	       "%llu tokens; %sB read up to sequence %llu: ",
		path, c->snapshot ? "a snapshot" : "a dataset",
		(unsigned long long)c->keys, (unsigned long long)c->live,
		(unsigned long long)c->prompts, (unsigned long long)c->captures,
		(unsigned long long)c->tokens, bytes, (unsigned long long)c->sequence);
	if (c->findings)
		printf("%llu findings\n", (unsigned long long)c->findings);
	else
		printf("clean\n");
}

static int verify(const char *path, bool json)
{
	struct printing p = {.json = json, .shown = json_array()};
	struct verify_counts counts = {0};
	struct err err = {0};
	char *dir;
	enum err_code code = locate_dataset(path, &dir, &err);

	if (code == ERR_NONE) {
		code = verify_dataset(dir, print_finding, &p, &counts, &err);
		free(dir);
	}
	if (code != ERR_NONE)
		fprintf(stderr, "retort verify: %s\n", err.msg);
	else if (json)
		print_json(&p, path, &counts);
	else
		print_summary(&p, path, &counts);
	json_decref(p.shown);
	fflush(stdout);
	return code == ERR_NONE && counts.findings == 0 ? EXIT_OK : EXIT_FAILED;
}

static int report_crash(const char *path, bool json, int number)
{
	const char *why = "data.mdb: its pages are damaged so that the walk crashed";
	struct printing p = {.json = json, .shown = json_array()};
	struct verify_counts counts = {.findings = 1};

	print_finding(&p, why);
	if (json)
		print_json(&p, path, &counts);
	else
		printf("%s: damaged (%s)\n", path, strsignal(number));
	json_decref(p.shown);
	return EXIT_FAILED;
}

static int verify_in_child(const char *path, bool json)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	if (child < 0) {
		perror("retort verify: cannot fork");
		return EXIT_FAILED;
	}
	if (child == 0)
		_exit(verify(path, json));
	if (waitpid(child, &status, 0) < 0)
		return EXIT_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : report_crash(path, json, WTERMSIG(status));
}

int cmd_verify(int argc, char **argv)
{
	bool json = false;
	const struct option table[] = {
		{.name = "json",
			.kind = OPTION_FLAG,
			.help = "findings and counts as JSON",
			.to = &json},
	};
	struct command_line line = {.command = "retort verify",
		.operands = "PATH",
		.summary =
			"Reads every value of a run, a dataset or a snapshot and checks\n"
			"all that must hold. Exit 0: nothing is wrong.",
		.options = table,
		.n_options = sizeof(table) / sizeof(table[0]),
		.min_operands = 1,
		.max_operands = 1};
	int code;

	if (!options_read(&line, argc, argv, &code))
		return code;
	return verify_in_child(line.operand[0], json);
}
