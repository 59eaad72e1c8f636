/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text_encoder.h - text to token ids, by a tokenizer.json
 *
 * What Hugging Face's tokenizers make of a text, id by id, for the kinds of file that
 * chat models come with. The steps, in the order in which they are done:
 *
 *   added_tokens    are looked for first, those that are not `normalized`, the leftmost,
 *                   then the longest; lstrip, rstrip and single_word are obeyed
 *   normalizer      NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence; what is between
 *                   two added tokens is normalised by itself, and the `normalized` added
 *                   tokens are looked for in what comes of it
 *   pre_tokenizer   Split, ByteLevel (last), Metaspace, Digits, Sequence
 *   model           BPE (bpe.h): byte_fallback, ignore_merges, unk_token, fuse_unk
 *   post_processor  only if special tokens are asked for: ByteLevel, TemplateProcessing
 *                   of a single text, Sequence
 *
 * Any other step or model is an error that names it: an id that is guessed is worse than
 * none. `truncation` and `padding` are passed over; here a text is encoded whole.
 *
 * Memory: while a file is read, about ten times its size; then its pieces and merges.
 * Of a text, a small multiple of its size.
 *
 * Threads: one at a time; encoding has scratch space. Pure, but for text_encoder_read_file.
 */
#ifndef RETORT_COMMON_TEXT_ENCODER_H
#define RETORT_COMMON_TEXT_ENCODER_H

#include <stdbool.h>

#include "common/buf.h"

struct text_encoder;

/* ERR_INVALID begins with "name: place: ". */
enum err_code text_encoder_read(struct bytes json, const char *name,
	struct text_encoder **out, struct err *err) MUST_CHECK;
/* Reads a file (text_encoder_file.c). */
enum err_code text_encoder_read_file(
	const char *path, struct text_encoder **out, struct err *err) MUST_CHECK;
void text_encoder_free(struct text_encoder *e);

/* Of the file: the digest that struct tokenizer has (tokenizer.h). */
uint64_t text_encoder_digest(const struct text_encoder *e);

/* Appends the ids of a text, u32 little-endian; `special`: with the tokens that the
 * post-processor puts around it. ERR_INVALID: the text is not UTF-8, a step cannot take
 * it, or `ids` is full. */
enum err_code text_encoder_encode(struct text_encoder *e, struct bytes text,
	bool special, struct buf *ids, struct err *err) MUST_CHECK;

#endif
