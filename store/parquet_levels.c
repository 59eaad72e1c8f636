/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parquet_levels.h"

#include "store/sections.h"

/* A run this long is stored as one; shorter ones are packed. */
#define RUN_MIN 8
/* Groups in one packed run: a bound for readers that hold one. */
#define GROUPS_MAX 4096

static void add_run(unsigned char level, size_t n, struct buf *out)
{
	varint_add(out, (uint64_t)n << 1);
	buf_add_byte(out, level);
}

/* n is a multiple of eight, or the last levels of all. */
static void add_packed(const unsigned char *level, size_t n, int width, struct buf *out)
{
	while (n > 0) {
		size_t groups = (n + 7) / 8, here;

		groups = groups < GROUPS_MAX ? groups : GROUPS_MAX;
		here = groups * 8 < n ? groups * 8 : n;
		varint_add(out, (uint64_t)groups << 1 | 1);
		for (size_t at = 0; at < groups * 8; at += 8) {
			uint64_t bits = 0;

			for (size_t i = 0; i < 8 && at + i < here; i++)
				bits |= (uint64_t)level[at + i] << (i * (size_t)width);
			for (int i = 0; i < width; i++)
				buf_add_byte(out, (unsigned char)(bits >> (8 * i)));
		}
		level += here;
		n -= here;
	}
}

static size_t run_at(const unsigned char *level, size_t n)
{
	size_t run = 1;

	while (run < n && level[run] == level[0])
		run++;
	return run;
}

void parquet_levels_encode(
	const unsigned char *level, size_t n, int width, struct buf *out)
{
	size_t packed = 0; /* begin of what is to be packed */
	size_t at = 0;

	while (at < n) {
		size_t run = run_at(level + at, n - at);
		/* What the last group still takes of it. */
		size_t fill = (8 - (at - packed) % 8) % 8;

		if (run < fill + RUN_MIN) {
			at += run;
			continue;
		}
		add_packed(level + packed, at + fill - packed, width, out);
		add_run(level[at], run - fill, out);
		at += run;
		packed = at;
	}
	add_packed(level + packed, n - packed, width, out);
}
