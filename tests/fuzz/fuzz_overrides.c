/* SPDX-License-Identifier: Apache-2.0 */
/* A prompt's request as it comes over the wire: what is read is JSON again, and
 * within the limits of the job. */
#include "tests/fuzz/fuzz.h"

#include "common/job_keys.h"
#include "common/jtext.h"
#include "common/limits.h"
#include "common/overrides.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	static const struct job_sampling job = {.n = 1};
	struct overrides o;
	struct job_sampling s;
	struct err err;

	if (overrides_read(bytes_of(input, len), &o, &err) != ERR_NONE)
		return 0;
	for (size_t i = 0; i < o.n_members; i++) {
		struct bytes v = o.member[i].value;
		const unsigned char *next;
		enum override_kind kind;

		MUST(v.data >= input && v.data + v.len <= input + len);
		/* A number at the very end would want to be longer. */
		MUST(jt_skip(v.data, v.data + v.len + 1, &next, 256) == JT_OK);
		MUST(next == v.data + v.len);
		override_find(o.member[i].name, &kind);
		MUST(kind == OVERRIDE_MEMBER);
	}
	s = overrides_sampling(&o, &job);
	MUST(s.n == 1);
	MUST(!(s.temperature < 0) && !(s.top_p > 1) &&
		s.max_tokens <= LIMIT_MAX_TOKENS);
	overrides_release(&o);
	return 0;
}
