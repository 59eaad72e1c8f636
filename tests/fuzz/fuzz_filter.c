/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An expression as anybody types it: it compiles, or is told where not; what
 * compiles has the same verdict when it is printed and compiled again.
 */
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdio.h>

#include "common/limits.h"
#include "common/mem.h"
#include "store/filter.h"

static struct sample sample;
static struct settings_cache no_settings;

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void make_sample(void)
{
	struct record head = {.key = {7, 2, 1, 0},
		.finish = FINISH_STOP,
		.flags = FLAG_LOOPING,
		.seed = SEED_NONE,
		.prompt_tokens = 20,
		.cached_prompt_tokens = COUNT_UNKNOWN,
		.reasoning = {SPAN_UNKNOWN, SPAN_UNKNOWN},
		.score = {1, 0.5f, NAN}};
	struct sections texts = {0}, prompt = {0};

	texts.at[TEXT_CONTENT] = text("the content");
	texts.at[TEXT_MODEL] = text("");
	prompt.at[PROMPT_ID] = text("id");
	prompt.at[PROMPT_MESSAGES] = text("[{\"role\":\"user\"}]");
	prompt.at[PROMPT_EXTRA] =
		text("{\"a\":{\"b\":[1,\"x\",{}]},\"n\":-1.5e3,\"t\":true,"
		     "\"s\":\"\\u0041\\\"\",\"z\":null}");
	sample_init(&sample, NULL, &no_settings);
	sample_from_parts(&sample, &head, &texts, &prompt);
}

static bool verdict(struct filter *f, bool as_duplicate)
{
	struct err err;
	bool passes;

	MUST(filter_passes(f, &sample, as_duplicate, &passes, &err) == ERR_NONE);
	return passes;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	char *expression = mem_dup_text((const char *)input, len);
	size_t column = 0, told = 0;
	struct filter *f, *again;
	struct buf out;
	struct err err;

	if (!sample.cache)
		make_sample();
	buf_init(&out, MIB(16));
	if (filter_compile(expression, &f, &column, &err) != ERR_NONE) {
		MUST(sscanf(err.msg, "column %zu: ", &told) == 1 && told == column);
		MUST(column >= 1 && column <= strlen(expression) + 1);
		filter_point_at(expression, column, &out);
	} else {
		filter_print(f, &out);
		/* Printing adds brackets, and there is a cap. */
		if (filter_compile(buf_text(&out), &again, NULL, &err) == ERR_NONE) {
			MUST(filter_needs(f) == filter_needs(again));
			MUST(verdict(f, false) == verdict(again, false));
			MUST(verdict(f, true) == verdict(again, true));
			filter_free(again);
		}
		filter_free(f);
	}
	buf_release(&out);
	free(expression);
	return 0;
}
