/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack.h - zstd with the dataset's dictionaries (FORMAT.md, "Packed payloads")
 *
 * Answers to one corpus look alike, and a trained dictionary makes a short one
 * half as large. A packed payload names its dictionary, so old ones stay
 * readable when a new one is trained.
 *
 * Ownership: the packer copies dictionaries. Threads: one packer per thread.
 */
#ifndef RETORT_STORE_PACK_H
#define RETORT_STORE_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define PACK_HEAD 9
#define PACK_RAW_MAX ((size_t)48 << 20)
#define PACK_DICTIONARY_MAX ((size_t)112 << 10)

struct packer;

struct packer *packer_new(void);
void packer_free(struct packer *p);

/* Adds a dictionary; numbers start at 1. Later packs use the highest. */
enum err_code packer_add_dictionary(struct packer *p, uint32_t number,
	struct bytes dictionary, struct err *err) MUST_CHECK;
bool packer_has_dictionary(const struct packer *p, uint32_t number);
/* The highest number, 0 for none. */
uint32_t packer_dictionary(const struct packer *p);

/* Appends the packed form of raw (at most PACK_RAW_MAX bytes) to out; stored
 * plain where packing would not help. */
void pack(struct packer *p, struct bytes raw, struct buf *out);

/* The raw bytes: lent from `packed` if they are plain, else put into `out`. */
enum err_code unpack(struct packer *p, struct bytes packed, struct buf *out,
	struct bytes *raw, struct err *err) MUST_CHECK;

#endif
