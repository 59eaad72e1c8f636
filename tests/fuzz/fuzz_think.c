/* SPDX-License-Identifier: Apache-2.0 */
/* Reasoning inside a content: what is found lies in the text, in order, and the
 * split keeps the same bytes. */
#include "tests/fuzz/fuzz.h"

#include "worker/think.h"

static void check_within(struct bytes part, struct bytes text)
{
	MUST(part.len <= text.len);
	MUST(part.data >= text.data && part.data + part.len <= text.data + text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct bytes text = bytes_of(input, len);
	struct answer a = {0};
	struct think t;
	bool found = think_find(text, &t);

	if (found) {
		check_within(t.reasoning, text);
		check_within(t.content, text);
		MUST(t.reasoning.data + t.reasoning.len <= t.content.data);
		MUST(!t.unclosed || t.content.len == 0);
	}
	answer_clear(&a);
	a.content.present = true;
	buf_add(&a.content.text, input, len);
	think_split(&a);
	MUST(a.reasoning.present == found);
	if (found) {
		MUST(a.reasoning.text.len == t.reasoning.len);
		MUST(a.content.text.len == t.content.len);
		MUST(t.content.len == 0 || memcmp(a.content.text.data, t.content.data,
						   t.content.len) == 0);
	}
	answer_release(&a);
	return 0;
}
