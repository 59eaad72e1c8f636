/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An offer as a worker sends it, down to the texts inside: what decodes comes
 * back as the same bytes.
 */
#include "tests/fuzz/fuzz.h"

#include "store/offer.h"
#include "store/pack.h"
#include "store/sections.h"

static struct packer *packer;

static void unpack_sections(struct bytes packed)
{
	struct sections s;
	struct bytes raw;
	struct buf room;
	struct err err;

	/* Room for what a fuzzer should spend its time on. */
	buf_init(&room, (size_t)1 << 20);
	if (unpack(packer, packed, &room, &raw, &err) == ERR_NONE &&
		sections_decode(raw, &s, &err) == ERR_NONE)
		for (int kind = 0; kind < SECTIONS_MAX; kind++)
			MUST(s.at[kind].len <= (size_t)1 << 20);
	buf_release(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct vocab_entry entry;
	struct bytes vocabulary;
	struct offer o, again;
	struct buf out;
	struct err err;
	bool bad;

	if (!packer)
		packer = packer_new();
	if (offer_decode(bytes_of(input, len), &o, &err) != ERR_NONE)
		return 0;
	unpack_sections(o.text);
	if (o.prompt.data)
		unpack_sections(o.prompt);
	vocabulary = o.vocabulary;
	while (vocab_entry_take(&vocabulary, &entry, &bad))
		MUST(entry.token.len <= len);
	buf_init(&out, (size_t)64 << 20);
	offer_encode(&o, &out);
	MUST(offer_decode(buf_bytes(&out), &again, &err) == ERR_NONE);
	MUST(again.text.len == o.text.len && again.prompt.len == o.prompt.len);
	MUST(memcmp(again.text.data, o.text.data, o.text.len) == 0);
	buf_release(&out);
	return 0;
}
