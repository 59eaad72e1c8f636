/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines of a server, and how fast it may be asked after them. */
#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "worker/pace.h"

static void hear(struct pace *p, const struct rate_told *t, int64_t now_ms)
{
	static const struct pace_use use = {{1, 300, 200, 100}};

	for (int kind = 0; kind < TOLD_N; kind++) {
		const struct told_limit *l = &t->of[kind];
		int64_t reset = rate_told_reset(t, (enum told_kind)kind, 1767225600000);

		MUST(l->limit <= TOLD_MAX && l->remaining <= TOLD_MAX);
		MUST(reset >= -1 && reset <= TOLD_RESET_MAX_MS);
	}
	pace_hear(p, t, 0.3, &use, now_ms % 2, 1767225600000, now_ms);
	MUST(isfinite(p->level) && isfinite(p->per_ms) && p->per_ms >= 0);
	/* Whatever it says, it is asked again. */
	MUST(pace_allows(p, true, 0, now_ms + 2 * PACE_LONG_MS));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct rate_told t;
	struct pace p = {0};
	int64_t now_ms = 1;

	rate_told_init(&t);
	while (len > 0) {
		const uint8_t *end = memchr(input, '\n', len), *colon;
		size_t n = end ? (size_t)(end - input) : len;
		char value[64];

		colon = memchr(input, ':', n);
		if (colon) {
			size_t rest = n - (size_t)(colon - input) - 1;

			rest = rest < sizeof(value) - 1 ? rest : sizeof(value) - 1;
			memcpy(value, colon + 1, rest);
			value[rest] = '\0';
			rate_told_header(&t, (const char *)input,
				(size_t)(colon - input), value);
		} else {
			hear(&p, &t, now_ms);
			now_ms += 1 + (int64_t)n * 997;
			rate_told_init(&t);
		}
		input += n + (end != NULL);
		len -= n + (end != NULL);
	}
	hear(&p, &t, now_ms);
	return 0;
}
