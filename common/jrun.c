/* SPDX-License-Identifier: Apache-2.0 */
#include "common/jrun.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/jrun_forms.h"
#include "common/jtext.h"
#include "common/text.h"

static const unsigned char *text_portable(
	const unsigned char *p, const unsigned char *end)
{
	while (p < end) {
		size_t n;

		if (end - p >= 8) {
			uint64_t stop = jt_special(get_u64(p));

			if (!stop) {
				p += 8;
				continue;
			}
			p += (size_t)__builtin_ctzll(stop) >> 3;
		}
		if (*p < 0x20 || *p == '"' || *p == '\\')
			return p;
		n = utf8_sequence(p, (size_t)(end - p));
		if (n == 0)
			return p;
		p += n;
	}
	return p;
}

static const unsigned char *space_portable(
	const unsigned char *p, const unsigned char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* A set top bit for each of eight bytes that is no printable ASCII; only the
 * lowest set bit is exact. */
static inline uint64_t unprintable(uint64_t w)
{
	const uint64_t each = 0x0101010101010101u;
	uint64_t del = w ^ each * 0x7f;

	return (w | (w - each * 0x20) | ((del - each) & ~del)) & each * 0x80;
}

/* Bytes of the character whose first byte is c. */
static inline size_t width(unsigned char c)
{
	return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static const unsigned char *control_portable(
	const unsigned char *p, const unsigned char *end)
{
	while (p < end) {
		if (end - p >= 8) {
			uint64_t found = unprintable(get_u64(p));

			if (!found) {
				p += 8;
				continue;
			}
			p += (size_t)__builtin_ctzll(found) >> 3;
		}
		if (text_begins_control(p, (size_t)(end - p)))
			return p;
		if (width(*p) >= (size_t)(end - p))
			return end;
		p += width(*p);
	}
	return p;
}

const struct jrun_searches jrun_portable = {
	text_portable, space_portable, control_portable};

/* NULL until it has been chosen; whoever chooses first chooses the same. */
static _Atomic(const struct jrun_searches *) chosen;

enum jrun_form jrun_best(void)
{
#if JRUN_HAS_AVX2
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
		__builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma"))
		return JRUN_AVX2;
#endif
	return JRUN_PORTABLE;
}

void jrun_force(enum jrun_form form)
{
	const struct jrun_searches *searches = &jrun_portable;

	assert(form <= jrun_best());
#if JRUN_HAS_AVX2
	if (form == JRUN_AVX2)
		searches = &jrun_avx2;
#endif
	atomic_store_explicit(&chosen, searches, memory_order_relaxed);
}

static inline const struct jrun_searches *searches(void)
{
	const struct jrun_searches *is =
		atomic_load_explicit(&chosen, memory_order_relaxed);

	if (!is) {
		jrun_force(jrun_best());
		is = atomic_load_explicit(&chosen, memory_order_relaxed);
	}
	return is;
}

enum jrun_form jrun_form(void)
{
	return searches() == &jrun_portable ? JRUN_PORTABLE : JRUN_AVX2;
}

const unsigned char *jrun_text(const unsigned char *p, const unsigned char *end)
{
	return searches()->text(p, end);
}

const unsigned char *jrun_space(const unsigned char *p, const unsigned char *end)
{
	return searches()->space(p, end);
}

const unsigned char *jrun_control(const unsigned char *p, const unsigned char *end)
{
	return searches()->control(p, end);
}
