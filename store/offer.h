/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offer.h - a finished sample on its way from a worker to the store
 *
 * What a worker encodes once and the store writes as it is: the head, the
 * packed texts, the captures, and, where the store does not have them yet, the
 * prompt, its token ids and the bytes of token ids that are new.
 *
 * Layout (also in common/PROTOCOL.md, PUT): a part is `u8 kind, u32 length`
 * and the bytes; kinds in rising order: 1 head, 2 text, 3 prompt, 4 prompt
 * token ids, 5 vocabulary, 6 + c the logits of capture c.
 *
 * Ownership: an offer lends its bytes; decoding lends from the message.
 */
#ifndef RETORT_STORE_OFFER_H
#define RETORT_STORE_OFFER_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "store/record.h"

#define OFFER_CAPTURES_MAX 4

struct offer {
	struct record head;
	struct bytes text;                       /* packed sections */
	struct bytes logits[OFFER_CAPTURES_MAX]; /* by capture; data NULL: none */
	struct bytes prompt;     /* packed sections; data NULL: the store has it */
	struct bytes prompt_ids; /* packed u32s; data NULL: none */
	struct bytes vocabulary; /* vocab_entry_add's; may be empty */
};

void offer_encode(const struct offer *o, struct buf *out);
enum err_code offer_decode(struct bytes in, struct offer *o, struct err *err)
	MUST_CHECK;

/* A token id and its bytes: u32 vocabulary, u32 id, u16 length, bytes. */
void vocab_entry_add(
	struct buf *out, uint32_t vocabulary, uint32_t id, struct bytes token);
struct vocab_entry {
	uint32_t vocabulary, id;
	struct bytes token;
};
/* The next entry of `from`; false at the end, *bad set if it does not fit. */
bool vocab_entry_take(struct bytes *from, struct vocab_entry *entry, bool *bad);

#endif
