/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A corpus line as a stranger writes it: the judge and the builder must say
 * the same, and what is built must be JSON of the promised kind.
 *
 * The first byte chooses the rules, the rest is the line. Seeds: corpus_line/.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/jtext.h"
#include "common/overrides.h"
#include "coordinator/corpus_line.h"
#include "coordinator/prompt.h"

#define MUST(condition)                                                                \
	do {                                                                           \
		if (!(condition))                                                      \
			abort();                                                       \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

static void check_json(struct bytes text, unsigned char open)
{
	const unsigned char *next;

	MUST(text.len > 0 && text.data[0] == open);
	MUST(jt_skip(text.data, text.data + text.len, &next, LIMIT_JSON_DEPTH + 2) ==
		JT_OK);
	MUST(next == text.data + text.len);
}

/* What the worker could read. */
static void check_request(struct bytes request)
{
	struct overrides o;

	if (!request.data)
		return;
	check_json(request, '{');
	MUST(overrides_read(request, &o, NULL) == ERR_NONE);
	overrides_release(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static const char *const templates[] = {NULL, "{{question}}", "<{{a}} {{b}}>"};
	uint8_t choice = len ? input[0] : 0;
	struct prompt_rules rules;
	struct corpus_judge judge;
	struct corpus_line verdict;
	struct prompt prompt;
	enum err_code code;

	if (len == 0)
		return 0;
	MUST(prompt_rules_init(&rules, templates[choice % 3],
		     choice & 4 ? "system \"text\"" : NULL, choice & 8,
		     NULL) == ERR_NONE);
	corpus_judge_init(&judge, &rules);
	prompt_init(&prompt);
	corpus_line_judge(&judge, input + 1, len - 1, &verdict);
	code = prompt_build(&rules, input + 1, len - 1, &prompt, NULL);
	MUST((code == ERR_NONE) == corpus_line_is_prompt(&verdict));
	if (code == ERR_NONE) {
		check_json(prompt.messages, '[');
		if (prompt.extra.data)
			check_json(prompt.extra, '{');
		check_request(prompt.request);
		MUST(prompt.id.len > 0 && prompt.id.len <= LIMIT_PROMPT_ID);
	}
	prompt_release(&prompt);
	corpus_judge_release(&judge);
	prompt_rules_release(&rules);
	return 0;
}
