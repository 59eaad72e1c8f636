/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prompt_rig.h - rules for building prompts, and what was built against a text
 */
#ifndef RETORT_TESTS_PROMPT_RIG_H
#define RETORT_TESTS_PROMPT_RIG_H

#include "unit/folder.h"

#include "coordinator/prompt.h"

static inline void make_rules(struct prompt_rules *rules, const char *template,
	const char *system, bool prefill)
{
	struct err err;

	if (prompt_rules_init(rules, template, system, prefill, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
}

static inline char *text_of(struct bytes b)
{
	return mem_dup_text(
		b.data ? (const char *)b.data : "(none)", b.data ? b.len : 6);
}

/* NULL: not looked at; "(none)": absent. */
static inline void check_text(
	const char *line, const char *what, struct bytes got, const char *want)
{
	char *text = text_of(got);

	if (want && strcmp(text, want) != 0)
		fail_msg("%s\n%s is:     %s\nshould be: %s", line, what, text, want);
	free(text);
}

#endif
