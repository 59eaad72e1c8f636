/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.h - the keys of the dataset's databases (FORMAT.md, "The databases")
 *
 * Big-endian, so that LMDB's order of bytes is the order of the numbers.
 */
#ifndef RETORT_STORE_KEYS_H
#define RETORT_STORE_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bytes.h"

/* What names a sample. */
struct sample_key {
	uint64_t prompt;
	uint32_t sample;
	uint32_t revision;
	uint16_t store;
};

#define SAMPLE_KEY_SIZE 18
static inline void sample_key_write(
	unsigned char out[SAMPLE_KEY_SIZE], const struct sample_key *k)
{
	put_u64_be(out, k->prompt);
	put_u32_be(out + 8, k->sample);
	put_u32_be(out + 12, k->revision);
	put_u16_be(out + 16, k->store);
}

static inline struct sample_key sample_key_read(const unsigned char in[SAMPLE_KEY_SIZE])
{
	return (struct sample_key){get_u64_be(in), get_u32_be(in + 8),
		get_u32_be(in + 12), get_u16_be(in + 16)};
}

#define SEQUENCE_KEY_SIZE 8
static inline void sequence_key_write(
	unsigned char out[SEQUENCE_KEY_SIZE], uint64_t seq)
{
	put_u64_be(out, seq);
}

/* Without the part number, which blob.h adds. */
#define LOGITS_KEY_SIZE 9
static inline void logits_key_write(
	unsigned char out[LOGITS_KEY_SIZE], uint64_t seq, uint8_t capture)
{
	put_u64_be(out, seq);
	out[8] = capture;
}

enum prompt_kind { PROMPT_BODY = 0, PROMPT_TOKEN_IDS = 1 };

#define PROMPT_KEY_SIZE 13
static inline void prompt_key_write(unsigned char out[PROMPT_KEY_SIZE], uint64_t prompt,
	uint32_t settings, enum prompt_kind kind)
{
	put_u64_be(out, prompt);
	put_u32_be(out + 8, settings);
	out[12] = (unsigned char)kind;
}

#define VOCAB_KEY_SIZE 8
static inline void vocab_key_write(
	unsigned char out[VOCAB_KEY_SIZE], uint32_t vocabulary, uint32_t id)
{
	put_u32_be(out, vocabulary);
	put_u32_be(out + 4, id);
}

static inline bool vocabulary_is_interned(uint32_t number)
{
	return number & 1;
}

/* One vocabulary per settings generation, teacher and kind of id. */
static inline uint32_t vocabulary_number(
	uint32_t settings, uint16_t teacher, bool interned)
{
	return settings << 16 | (uint32_t)(teacher & 0x7fff) << 1 | (uint32_t)interned;
}

#endif
