/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shard_state.h"

#include "common/bytes.h"
#include "common/without.h"

#define FIXED (8 + 4 * 4 + 4 + 8 + 4 * 8 + 8 + 2 * SHARD_PROMPTS + 4)

size_t shard_state_encode(
	const struct shard_state *s, unsigned char out[SHARD_STATE_MAX])
{
	unsigned char *p = out;

	put_u64(p, s->commit);
	put_u32(p + 8, s->accepted);
	put_u32(p + 12, s->duplicates);
	put_u32(p + 16, s->truncated);
	put_u32(p + 20, s->fenced);
	put_u32(p + 24, s->moved);
	put_u64(p + 28, s->adopted);
	put_u64(p + 36, s->prompt_tokens);
	put_u64(p + 44, s->cached_prompt_tokens);
	put_u64(p + 52, s->completion_tokens);
	put_u64(p + 60, s->reasoning_tokens);
	put_u64(p + 68, (uint64_t)s->cost_nusd);
	p += 76;
	for (int i = 0; i < SHARD_PROMPTS; i++, p += 2)
		put_u16(p, s->committed[i]);
	put_u32(p, s->n_fences);
	p += 4;
	for (uint32_t i = 0; i < s->n_fences; i++, p += 16) {
		put_u64(p, s->fence[i].prompts);
		put_u64(p + 8, s->fence[i].epoch);
	}
	return (size_t)(p - out);
}

enum err_code shard_state_decode(
	struct bytes in, struct shard_state *s, struct err *err)
{
	const unsigned char *p = in.data;
	uint64_t seen = 0;

	*s = (struct shard_state){0};
	if (in.len < FIXED || (in.len - FIXED) / 16 > SHARD_PROMPTS ||
		get_u32(p + FIXED - 4) * (uint64_t)16 != in.len - FIXED)
		return err_set(err, ERR_CORRUPT, "a shard's state has a wrong length");
	s->commit = get_u64(p);
	s->accepted = get_u32(p + 8);
	s->duplicates = get_u32(p + 12);
	s->truncated = get_u32(p + 16);
	s->fenced = get_u32(p + 20);
	s->moved = get_u32(p + 24) != 0;
	s->adopted = get_u64(p + 28);
	s->prompt_tokens = get_u64(p + 36);
	s->cached_prompt_tokens = get_u64(p + 44);
	s->completion_tokens = get_u64(p + 52);
	s->reasoning_tokens = get_u64(p + 60);
	s->cost_nusd = (int64_t)get_u64(p + 68);
	for (int i = 0; i < SHARD_PROMPTS; i++)
		s->committed[i] = get_u16(p + 76 + 2 * i);
	s->n_fences = get_u32(p + FIXED - 4);
	for (uint32_t i = 0; i < s->n_fences; i++) {
		s->fence[i].prompts = get_u64(p + FIXED + 16 * i);
		s->fence[i].epoch = get_u64(p + FIXED + 16 * i + 8);
		if (!s->fence[i].prompts || (s->fence[i].prompts & seen))
			return err_set(err, ERR_CORRUPT, "a shard's fences overlap");
		seen |= s->fence[i].prompts;
	}
	return ERR_NONE;
}

bool shard_raise_fence(struct shard_state *s, uint64_t epoch, uint64_t prompts)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->n_fences; i++)
		if ((s->fence[i].prompts & prompts) && s->fence[i].epoch > epoch)
			return false;
	for (uint32_t i = 0; i < s->n_fences; i++) {
		struct shard_fence f = s->fence[i];

		if (f.epoch == epoch)
			prompts |= f.prompts;
		else
			f.prompts &= ~prompts;
		if (f.prompts && f.epoch != epoch)
			s->fence[kept++] = f;
	}
	/* The fences are disjoint, so that there are at most as many as prompts. */
	s->n_fences = kept;
	if (prompts)
		s->fence[s->n_fences++] = (struct shard_fence){prompts, epoch};
	return true;
}

bool shard_may_write(const struct shard_state *s, uint64_t epoch, uint8_t line)
{
	if (WITHOUT_FENCE)
		return true;
	for (uint32_t i = 0; i < s->n_fences; i++)
		if (s->fence[i].prompts >> line & 1)
			return s->fence[i].epoch == epoch;
	return false;
}
