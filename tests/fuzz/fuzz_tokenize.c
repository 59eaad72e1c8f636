/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says to /tokenize: ids, or nothing. */
#include "tests/fuzz/fuzz.h"

#include "common/limits.h"
#include "worker/tokenize.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static struct answer_ids ids;
	bool read = tokenize_read(bytes_of(input, len), &ids);

	MUST(read == ids.present && (ids.n > 0) == read && ids.n <= LIMIT_VERDICT_IDS);
	for (uint32_t i = 0; i < ids.n; i++)
		MUST(ids.at[i] != TOKEN_ID_UNKNOWN);
	MUST(tokenize_digest(&ids) != 0);
	return 0;
}
