/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample.h - one sample as readers see it: the head, and the rest on demand
 *
 * The same struct stands for a sample in a dataset and for an offer that is
 * not stored yet, so that a filter judges both alike. The head is always
 * there; texts, prompt and settings are read when somebody asks for them, so
 * that a filter over heads pages in no text.
 *
 * What is derived from the other samples of the prompt (live, duplicate,
 * accepted) is set by whoever looks at all of them (reader.h).
 *
 * Ownership: a sample is made once and pointed at one sample after the other;
 * texts are lent until the next one. It needs the dataset's transaction or
 * view to be open while something is loaded, not afterwards.
 */
#ifndef RETORT_STORE_SAMPLE_H
#define RETORT_STORE_SAMPLE_H

#include "store/dataset.h"
#include "store/logits.h"
#include "store/settings.h"

struct sample {
	uint64_t sequence; /* 0: not stored yet */
	struct record head;
	bool is_duplicate;
	uint32_t duplicate_of; /* sample number of the representative */
	bool accepted;

	struct sections text;            /* after sample_load_text */
	struct sections prompt;          /* after sample_load_prompt */
	const struct settings *settings; /* after sample_load_settings; or NULL */

	/* The rest is the sample's own. */
	struct dataset *d;
	struct settings_cache *cache;
	const struct offer *offer;
	bool has_text, has_prompt, has_settings;
	/* Which prompt prompt_room holds, to read it once for all its samples. */
	bool holds_prompt;
	uint64_t held_prompt;
	uint32_t held_settings;
	struct buf text_room, prompt_room, ids_room, logits_room;
};

/* `cache` is shared by all samples of a dataset. */
void sample_init(struct sample *s, struct dataset *d, struct settings_cache *cache);
void sample_release(struct sample *s);

/* Points at a stored sample and reads its head. */
enum err_code sample_from_entry(
	struct sample *s, const struct key_entry *entry, struct err *err) MUST_CHECK;
/* Points at an offer, which is lent. The prompt's parts are the offer's, or the
 * dataset's if it brings none. */
void sample_from_offer(struct sample *s, const struct offer *o);
/* Points at parts that are in memory; no dataset is needed. */
void sample_from_parts(struct sample *s, const struct record *head,
	const struct sections *text, const struct sections *prompt);

/* Nothing is read twice. ERR_CORRUPT if a stored sample lacks the part. */
enum err_code sample_load_text(struct sample *s, struct err *err) MUST_CHECK;
enum err_code sample_load_prompt(struct sample *s, struct err *err) MUST_CHECK;
enum err_code sample_load_settings(struct sample *s, struct err *err) MUST_CHECK;

/* The prompt's token ids, u32 little-endian, lent; data NULL: not known. */
enum err_code sample_prompt_ids(struct sample *s, struct bytes *ids, struct err *err)
	MUST_CHECK;
/* Decodes a capture of a stored sample; the caller releases it. ERR_NOT_FOUND if
 * there is none. */
enum err_code sample_logits(struct sample *s, uint8_t capture, struct logits *l,
	struct err *err) MUST_CHECK;

/* Which capture to give where a sample has several: a certain one, or the first that
 * lists a candidate (0, as it was generated, unless that was sampled without). Zeroed
 * memory chooses. */
struct capture_choice {
	bool named;
	uint8_t number;
};
#define CAPTURE_NONE (-1)
/* Its number, or CAPTURE_NONE if the sample has none, or not that. */
enum err_code sample_capture(struct sample *s, struct capture_choice choice,
	int *capture, struct err *err) MUST_CHECK;

/* The stored flags, and FLAG_DUPLICATE if it is one. */
static inline uint32_t sample_flags(const struct sample *s, bool as_duplicate)
{
	uint32_t stored = s->head.flags & ~FLAG_DUPLICATE;

	return as_duplicate ? stored | FLAG_DUPLICATE : stored;
}

#endif
