/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>

#include "common/bytes.h"
#include "common/mem.h"

#define LEVEL 1
#define DICTIONARIES_MAX 64

enum codec { CODEC_PLAIN = 0, CODEC_ZSTD = 1 };

struct packer {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *expand;
	ZSTD_CDict *newest; /* of number n_highest */
	uint32_t highest;
	ZSTD_DDict *dictionaries[DICTIONARIES_MAX]; /* by number - 1 */
};

struct packer *packer_new(void)
{
	struct packer *p = mem_zalloc(1, sizeof(*p));

	p->compress = ZSTD_createCCtx();
	p->expand = ZSTD_createDCtx();
	if (!p->compress || !p->expand)
		abort();
	return p;
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	ZSTD_freeCCtx(p->compress);
	ZSTD_freeDCtx(p->expand);
	ZSTD_freeCDict(p->newest);
	for (int i = 0; i < DICTIONARIES_MAX; i++)
		ZSTD_freeDDict(p->dictionaries[i]);
	free(p);
}

enum err_code packer_add_dictionary(
	struct packer *p, uint32_t number, struct bytes dictionary, struct err *err)
{
	if (number < 1 || number > DICTIONARIES_MAX)
		return err_set(
			err, ERR_INVALID, "dictionary %u: no such number", number);
	if (p->dictionaries[number - 1])
		return ERR_NONE;
	if (dictionary.len == 0 || dictionary.len > PACK_DICTIONARY_MAX)
		return err_set(err, ERR_INVALID, "dictionary %u: bad length", number);
	p->dictionaries[number - 1] = ZSTD_createDDict(dictionary.data, dictionary.len);
	if (!p->dictionaries[number - 1])
		return err_set(
			err, ERR_CORRUPT, "dictionary %u: not a dictionary", number);
	if (number > p->highest) {
		ZSTD_freeCDict(p->newest);
		p->newest = ZSTD_createCDict(dictionary.data, dictionary.len, LEVEL);
		if (!p->newest)
			abort();
		p->highest = number;
	}
	return ERR_NONE;
}

bool packer_has_dictionary(const struct packer *p, uint32_t number)
{
	return number >= 1 && number <= DICTIONARIES_MAX && p->dictionaries[number - 1];
}

uint32_t packer_dictionary(const struct packer *p)
{
	return p->highest;
}

void pack(struct packer *p, struct bytes raw, struct buf *out)
{
	size_t bound = ZSTD_compressBound(raw.len), at = out->len, n;
	unsigned char *room;

	assert(raw.len <= PACK_RAW_MAX);
	room = buf_reserve(out, PACK_HEAD + bound);
	if (!room)
		return;
	n = p->newest ? ZSTD_compress_usingCDict(p->compress, room + PACK_HEAD, bound,
				raw.data, raw.len, p->newest)
		      : ZSTD_compressCCtx(p->compress, room + PACK_HEAD, bound,
				raw.data, raw.len, LEVEL);
	if (ZSTD_isError(n) || n >= raw.len) {
		room[0] = CODEC_PLAIN;
		put_u32(room + 1, 0);
		put_u32(room + 5, (uint32_t)raw.len);
		out->len = at + PACK_HEAD;
		buf_add(out, raw.data, raw.len);
		return;
	}
	room[0] = CODEC_ZSTD;
	put_u32(room + 1, p->highest);
	put_u32(room + 5, (uint32_t)raw.len);
	out->len = at + PACK_HEAD + n;
}

enum err_code unpack(struct packer *p, struct bytes packed, struct buf *out,
	struct bytes *raw, struct err *err)
{
	const unsigned char *body = packed.data + PACK_HEAD;
	uint32_t number, raw_len;
	unsigned char *room;
	size_t n;

	if (packed.len < PACK_HEAD)
		return err_set(err, ERR_CORRUPT, "a packed value is too short");
	number = get_u32(packed.data + 1);
	raw_len = get_u32(packed.data + 5);
	if (raw_len > PACK_RAW_MAX)
		return err_set(
			err, ERR_CORRUPT, "a packed value claims %u bytes", raw_len);
	if (packed.data[0] == CODEC_PLAIN) {
		if (raw_len != packed.len - PACK_HEAD)
			return err_set(
				err, ERR_CORRUPT, "a plain value has the wrong length");
		*raw = bytes_of(body, raw_len);
		return ERR_NONE;
	}
	if (packed.data[0] != CODEC_ZSTD)
		return err_set(
			err, ERR_CORRUPT, "codec %u is not known", packed.data[0]);
	if (number && !packer_has_dictionary(p, number))
		return err_set(err, ERR_CORRUPT, "dictionary %u is missing", number);
	buf_clear(out);
	room = buf_reserve(out, raw_len);
	if (!room)
		return err_set(
			err, ERR_CORRUPT, "a packed value claims %u bytes", raw_len);
	n = number ? ZSTD_decompress_usingDDict(p->expand, room, raw_len, body,
			     packed.len - PACK_HEAD, p->dictionaries[number - 1])
		   : ZSTD_decompressDCtx(
			     p->expand, room, raw_len, body, packed.len - PACK_HEAD);
	if (ZSTD_isError(n) || n != raw_len)
		return err_set(err, ERR_CORRUPT, "a packed value does not unpack: %s",
			ZSTD_isError(n) ? ZSTD_getErrorName(n) : "wrong length");
	out->len = raw_len;
	*raw = buf_bytes(out);
	return ERR_NONE;
}
