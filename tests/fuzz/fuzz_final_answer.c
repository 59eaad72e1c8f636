/* SPDX-License-Identifier: Apache-2.0 */
/* Final answers: what is found lies in the text; being equal is symmetric, and
 * everything that says something is equal to itself. Two texts, with a NUL or a
 * form feed between them. */
#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "worker/final_answer.h"

static void check_within(struct bytes part, struct bytes text)
{
	MUST(part.len > 0 && part.len <= text.len);
	MUST(part.data >= text.data && part.data + part.len <= text.data + text.len);
}

static void check_one(struct bytes text)
{
	struct bytes found;
	double number;

	if (final_answer_find(text, &found)) {
		check_within(found, text);
		if (final_answer_number(found, &number))
			MUST(isfinite(number) && final_answer_equal(found, found));
	}
	if (final_answer_of_reference(text, &found))
		check_within(found, text);
	if (final_answer_number(text, &number))
		MUST(isfinite(number) && final_answer_equal(text, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	const uint8_t *cut = len ? memchr(input, '\f', len) : NULL;
	size_t n = cut ? (size_t)(cut - input) : len;
	struct bytes a = bytes_of(input, n);
	struct bytes b = bytes_of(input + (cut ? n + 1 : n), len - n - (cut != NULL));

	check_one(a);
	check_one(b);
	MUST(final_answer_equal(a, b) == final_answer_equal(b, a));
	return 0;
}
