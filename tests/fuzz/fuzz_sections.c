/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a sample or a prompt: what decodes comes back as it was, whichever
 * way it is encoded. */
#include "tests/fuzz/fuzz.h"

#include "store/sections.h"

static void check_same(const struct sections *a, const struct sections *b)
{
	for (int kind = 0; kind < SECTIONS_MAX; kind++) {
		MUST(sections_has(a, kind) == sections_has(b, kind));
		MUST(a->at[kind].len == b->at[kind].len);
		MUST(a->at[kind].len == 0 || memcmp(a->at[kind].data, b->at[kind].data,
						     a->at[kind].len) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct sections s, again;
	struct buf out;
	struct err err;

	if (sections_decode(bytes_of(input, len), &s, &err) != ERR_NONE)
		return 0;
	buf_init(&out, (size_t)64 << 20);
	for (int spans = 0; spans < 2; spans++) {
		buf_clear(&out);
		sections_encode(&s, spans, &out);
		MUST(sections_decode(buf_bytes(&out), &again, &err) == ERR_NONE);
		check_same(&s, &again);
	}
	buf_release(&out);
	return 0;
}
