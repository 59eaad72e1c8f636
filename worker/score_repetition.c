/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a text was there before.
 *
 * A text is cut into words: runs of characters without white space, and each
 * character of scripts that do without it. Of all runs of four words, the share
 * is that of the ones seen before. It is measured over the whole text and over
 * the last 256 words, and the larger one counts, so that a loop at the end of a
 * long text is seen. Reasoning and content are measured apart: a content that
 * repeats the reasoning's conclusion does nothing wrong.
 *
 * What was seen is kept in a table of fixed size, where a new entry replaces an
 * old one: time is linear, memory fixed, and of very long texts the distant past
 * is forgotten.
 *
 * FLAG_LOOPING, plainly degenerate, in either text:
 *   - it ends in a piece of at most 512 bytes repeated to the very end, eight
 *     times or more, over 256 bytes or more; or
 *   - of its last 256 words, nine runs of four in ten were there before.
 */
#include <string.h>

#include "common/bytes.h"
#include "worker/score.h"

#define TAIL_WORDS 256
#define TAIL_SHARE 0.9f
#define PERIOD_MAX 512
#define PERIODIC_MIN 256
#define PERIODS_MIN 8
#define PROBE 16 /* bytes at the end that are looked for before it */

#define TABLE_MAX 16384
#define TABLE_MIN 256

/* Odd, with bits everywhere. */
#define MIX 0x9e3779b97f4a7c15u

struct repetition {
	uint16_t *seen; /* tags of runs of words, by their hash */
	int shift;
	uint32_t runs, repeated;
	unsigned char tail[TAIL_WORDS]; /* of the last runs: was it a repeated one? */
};

/* A set top bit for each of eight bytes that ends a word: white space and other
 * control characters, and lead bytes of scripts without spaces. */
static inline uint64_t word_ends(uint64_t w)
{
	const uint64_t each = 0x0101010101010101u;
	uint64_t wide = w & (w << 1) & (w << 2); /* top bits 111 */

	return ((((w | each * 0x80) - each * 0x21) ^ each * 0x80) & ~w & each * 0x80) |
	       (wide & each * 0x80);
}

/* Of the last runs. */
static float tail_share(const struct repetition *r)
{
	uint32_t n = r->runs < TAIL_WORDS ? r->runs : TAIL_WORDS, repeated = 0;

	for (uint32_t i = 0; i < n; i++)
		repeated += r->tail[i];
	return (float)repeated / (float)n;
}

/* Eight bytes, zeros for those behind the end. */
static inline uint64_t load(const unsigned char *p, const unsigned char *end)
{
	unsigned char eight[8] = {0};

	if (end - p >= 8)
		return get_u64(p);
	memcpy(eight, p, (size_t)(end - p));
	return get_u64(eight);
}

/* A word of a script without spaces: one character. */
static const unsigned char *wide_word(
	const unsigned char *p, const unsigned char *end, uint64_t *hash)
{
	size_t n = *p >= 0xf0 ? 4 : 3;
	uint64_t h = 0;

	for (size_t i = 0; i < n && p < end; i++)
		h = h << 8 | *p++;
	*hash = h * MIX;
	return p;
}

/* The word at p, which is no space. */
static inline const unsigned char *next_word(
	const unsigned char *p, const unsigned char *end, uint64_t *hash)
{
	uint64_t h = 0;

	if (*p >= 0xe0)
		return wide_word(p, end, hash);
	for (;;) {
		uint64_t w = load(p, end), ends = word_ends(w);

		if (ends) {
			unsigned bits = (unsigned)__builtin_ctzll(ends) & 56;

			*hash = (h ^ (w & (((uint64_t)1 << bits) - 1))) * MIX;
			return p + bits / 8;
		}
		h = (h ^ w) * MIX;
		p += 8;
	}
}

/* The runs of four words in the text: sixteen bits of each word's hash make up
 * the run's. Local variables, since a store through `seen` might change *r. */
static void count(struct repetition *r, struct bytes text)
{
	const unsigned char *p = text.data, *end = p + text.len;
	uint16_t *seen = r->seen;
	uint32_t runs = 0, repeated = 0;
	uint64_t last_four = 0, hash;
	size_t words = 0;
	int shift = r->shift;

	while (p < end) {
		if (*p <= ' ') {
			p++;
			continue;
		}
		p = next_word(p, end, &hash);
		last_four = last_four << 16 | hash >> 48;
		if (++words >= 4) {
			uint64_t run = last_four * MIX;
			uint16_t *place = &seen[run >> shift];
			uint16_t tag = (uint16_t)(run | 1);
			bool is_repeated = *place == tag;

			*place = tag;
			repeated += is_repeated;
			r->tail[runs++ % TAIL_WORDS] = is_repeated;
		}
	}
	r->runs = runs;
	r->repeated = repeated;
}

/* How many bytes at the end are the same as those p before them. */
static size_t repeats(struct bytes s, size_t p)
{
	const unsigned char *last = s.data + s.len - 1;
	size_t n = 0;

	while (n + p < s.len && *(last - n) == *(last - n - p))
		n++;
	return n;
}

static bool ends_in_a_loop(struct bytes s)
{
	const unsigned char *probe = s.data + s.len - PROBE;
	size_t most = s.len / PERIODS_MIN;

	if (s.len < PERIODIC_MIN)
		return false;
	if (most > PERIOD_MAX)
		most = PERIOD_MAX;
	for (size_t p = 1; p <= most; p++) {
		size_t n;

		if (get_u64(probe - p) != get_u64(probe) ||
			get_u64(probe - p + 8) != get_u64(probe + 8))
			continue;
		n = repeats(s, p) + p;
		if (n >= PERIODIC_MIN && n >= PERIODS_MIN * p)
			return true;
	}
	return false;
}

struct measure {
	float share; /* the larger of whole and end */
	bool loops;
};

static struct measure measure(struct bytes text)
{
	/* Not to be cleared as a whole by a hardened build. */
	__attribute__((uninitialized)) uint16_t seen[TABLE_MAX];
	struct repetition r = {.seen = seen, .shift = 64};
	struct measure m = {0};
	size_t size = TABLE_MIN;

	if (text.len == 0)
		return m;
	while (size < TABLE_MAX && size < text.len / 2)
		size *= 2;
	r.shift = 64 - (int)__builtin_ctzll(size);
	memset(seen, 0, size * sizeof(*seen));
	count(&r, text);
	if (r.runs > 0) {
		float end = tail_share(&r);

		m.share = (float)r.repeated / (float)r.runs;
		if (end > m.share)
			m.share = end;
		m.loops = r.runs >= TAIL_WORDS && end >= TAIL_SHARE;
	}
	m.loops = m.loops || ends_in_a_loop(text);
	return m;
}

uint32_t score_repetition(const struct score_input *in, float score[SCORE_SLOTS])
{
	struct measure reasoning = measure(in->reasoning),
		       content = measure(in->content);

	score[SCORE_REPETITION] =
		reasoning.share > content.share ? reasoning.share : content.share;
	if (in->packed_len > 0)
		score[SCORE_COMPRESSION_RATIO] =
			(float)in->text_len / (float)in->packed_len;
	return reasoning.loops || content.loops ? FLAG_LOOPING : 0;
}
