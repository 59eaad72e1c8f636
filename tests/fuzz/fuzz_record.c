/* SPDX-License-Identifier: Apache-2.0 */
/* A record head, and a shard's state: what decodes is encoded as it was. */
#include "tests/fuzz/fuzz.h"

#include "store/record.h"
#include "store/shard_state.h"

static void try_record(const uint8_t *input, size_t len)
{
	unsigned char again[RECORD_SIZE];
	struct record r;
	struct err err;

	if (record_decode(bytes_of(input, len), &r, &err) != ERR_NONE)
		return;
	MUST(len == RECORD_SIZE);
	record_encode(&r, again);
	again[7] |= input[7] & 0x80; /* a flag that is never stored */
	memcpy(again + 150, input + 150, 2);
	MUST(memcmp(again, input, RECORD_SIZE) == 0);
	MUST(finish_name(r.finish) && logprobs_mode_name(r.logprobs_mode));
}

static void try_shard(const uint8_t *input, size_t len)
{
	unsigned char again[SHARD_STATE_MAX];
	struct shard_state s;
	struct err err;

	if (shard_state_decode(bytes_of(input, len), &s, &err) != ERR_NONE)
		return;
	MUST(shard_state_encode(&s, again) == len);
	MUST(memcmp(again, input, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	try_record(input, len);
	try_shard(input, len);
	return 0;
}
