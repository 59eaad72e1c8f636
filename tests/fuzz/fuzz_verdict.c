/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict as it comes over the wire: what is read is written again, the same. */
#include "tests/fuzz/fuzz.h"

#include "common/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct verdict v, back;
	char *text, *again;

	if (!verdict_read(bytes_of(input, len), &v))
		return 0;
	MUST(v.k <= v.wanted && v.ask <= v.k + 1 && verdict_gives(&v) <= v.k);
	MUST(memchr(v.model, '\0', sizeof(v.model)));
	text = verdict_write(&v);
	MUST(verdict_read(bytes_of(text, strlen(text)), &back));
	again = verdict_write(&back);
	MUST(strcmp(text, again) == 0);
	free(text);
	free(again);
	return 0;
}
