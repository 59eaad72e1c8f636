/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts: each prompt_key names one, each is named once, each unpacks. */
#include "store/blob_walk.h"
#include "store/jmember.h"
#include "store/pack.h"
#include "store/seal.h"
#include "store/sections.h"
#include "store/verify_state.h"

static enum err_code take_key(struct verify *v, struct bytes key, struct bytes value)
{
	struct bytes payload;
	uint64_t at;
	enum err_code code;

	if (key.len != PROMPT_KEY_SIZE || key.data[12] > PROMPT_TOKEN_IDS)
		return err_set(v->err, ERR_CORRUPT, "a key of an unknown form");
	code = seal_open(key.data, key.len, value, &payload, v->err);
	if (code != ERR_NONE)
		return code;
	if (payload.len != 8)
		return err_set(
			v->err, ERR_CORRUPT, "a value of %zu bytes", payload.len);
	at = get_u64(payload.data);
	/* What a running store added since the first view. */
	if (at > v->last_prompt && at <= v->d->state.last_prompt)
		return ERR_NONE;
	if (at == 0 || at > v->last_prompt)
		return err_set(v->err, ERR_CORRUPT,
			"names prompt %llu, the last is %llu", (unsigned long long)at,
			(unsigned long long)v->last_prompt);
	if (v->prompt_kind[at])
		return err_set(v->err, ERR_CORRUPT,
			"names prompt %llu, as another key does",
			(unsigned long long)at);
	v->prompt_kind[at] = (unsigned char)(1 + key.data[12]);
	return ERR_NONE;
}

static enum err_code walk_keys(struct verify *v)
{
	struct env_cursor *c;
	struct bytes key, value;
	enum err_code code = env_cursor_open(v->d->txn, DB_PROMPT_KEY, &c, v->err);

	if (code != ERR_NONE)
		return code;
	for (code = env_first(c, &key, &value, v->err); code == ERR_NONE;
		code = env_next(c, &key, &value, v->err)) {
		v->counts->bytes += value.len;
		code = verify_take(v, take_key(v, key, value), "prompt_key");
		if (code != ERR_NONE)
			break;
	}
	env_cursor_close(c);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

static enum err_code check_prompt(
	struct verify *v, int kind, struct bytes packed, struct buf *room)
{
	struct sections parts;
	struct bytes raw;
	enum err_code code = unpack(v->d->packer, packed, room, &raw, v->err);

	if (code != ERR_NONE)
		return code;
	if (kind == PROMPT_TOKEN_IDS)
		return raw.len % 4 ? err_set(v->err, ERR_CORRUPT, "ids of %zu bytes",
					     raw.len)
				   : ERR_NONE;
	code = sections_decode(raw, &parts, v->err);
	if (code != ERR_NONE)
		return code;
	if (!sections_has(&parts, PROMPT_ID) || !sections_has(&parts, PROMPT_MESSAGES))
		return err_set(v->err, ERR_CORRUPT, "has no id or no messages");
	if (!jmember_is_whole(parts.at[PROMPT_MESSAGES]))
		return err_set(v->err, ERR_CORRUPT, "its messages are not JSON");
	if (sections_has(&parts, PROMPT_EXTRA) &&
		!jmember_is_whole(parts.at[PROMPT_EXTRA]))
		return err_set(v->err, ERR_CORRUPT, "its extra columns are not JSON");
	if (sections_has(&parts, PROMPT_REQUEST) &&
		!jmember_is_whole(parts.at[PROMPT_REQUEST]))
		return err_set(v->err, ERR_CORRUPT, "its request is not JSON");
	return ERR_NONE;
}

static enum err_code take_prompt(
	struct verify *v, struct blob_walk *w, enum err_code code, struct buf *room)
{
	uint64_t at = get_u64_be(w->base);
	unsigned char kind = v->prompt_kind[at];

	v->prompt_kind[at] = 0; /* it is there */
	if (!kind)
		verify_say(v, "prompt %llu: no key names it", (unsigned long long)at);
	if (code == ERR_NONE)
		code = check_prompt(v, kind ? kind - 1 : PROMPT_BODY, w->payload, room);
	return verify_take(v, code, "prompt %llu", (unsigned long long)at);
}

/* Prompts are a small part of a dataset: one view for all. */
enum err_code verify_prompts(struct verify *v)
{
	struct blob_walk w = {0};
	struct buf room;
	enum err_code code;

	v->prompt_kind = mem_zalloc((size_t)v->last_prompt + 1, 1);
	buf_init(&room, PACK_RAW_MAX);
	code = walk_keys(v);
	if (code == ERR_NONE)
		code = blob_walk_open(
			&w, v->d->txn, DB_PROMPT, SEQUENCE_KEY_SIZE, v->err);
	while (code == ERR_NONE) {
		code = blob_walk_next(&w, v->err);
		if (code == ERR_NOT_FOUND || get_u64_be(w.base) > v->last_prompt)
			break;
		v->counts->bytes += w.payload.len;
		code = take_prompt(v, &w, code, &room);
	}
	blob_walk_close(&w);
	buf_release(&room);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return code;
	for (uint64_t i = 1; i <= v->last_prompt; i++)
		if (v->prompt_kind[i])
			verify_say(v, "prompt %llu: is missing", (unsigned long long)i);
	return ERR_NONE;
}
