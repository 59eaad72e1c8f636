/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame as anybody may send it, of every type: what decodes is encoded as the
 * same bytes, and lends nothing from outside the frame.
 */
#include "tests/fuzz/fuzz.h"

#include "common/limits.h"
#include "common/wire.h"

static void check_lent(struct bytes part, const uint8_t *input, size_t len)
{
	MUST(part.len == 0 ||
		(part.data >= input && part.data + part.len <= input + len));
}

static void check_texts(const struct wire *w, const uint8_t *input, size_t len)
{
	switch (w->type) {
	case WIRE_HELLO:
		check_lent(w->hello.name, input, len);
		break;
	case WIRE_GRANT:
		for (uint32_t i = 0; i < w->grant.n_prompts; i++) {
			check_lent(w->grant.prompt[i].id, input, len);
			check_lent(w->grant.prompt[i].messages, input, len);
			check_lent(w->grant.prompt[i].reference, input, len);
			check_lent(w->grant.prompt[i].extra, input, len);
			MUST(w->grant.prompt[i].line < SHARD_PROMPTS);
		}
		break;
	case WIRE_PUT:
		for (uint32_t i = 0; i < w->put.n; i++)
			check_lent(w->put.item[i].offer, input, len);
		break;
	case WIRE_INTERN:
		for (uint32_t i = 0; i < w->intern.n; i++) {
			check_lent(w->intern.token[i].token, input, len);
			MUST(w->intern.token[i].token.len <= LIMIT_TOKEN_BYTES);
		}
		break;
	case WIRE_TABLE:
		MUST(w->table.total <= w->table.size);
		for (uint32_t i = 0; i < w->table.n; i++) {
			check_lent(w->table.token[i].token, input, len);
			MUST(w->table.token[i].token.len <= LIMIT_TOKEN_BYTES);
		}
		break;
	case WIRE_TOTALS:
		for (uint32_t i = 0; i < w->totals.n_shards; i++)
			MUST(w->totals.shard[i].n_lines <= SHARD_PROMPTS);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct err err = {0};
	struct wire w;
	struct buf out;
	enum err_code code = wire_decode(bytes_of(input, len), &w, &err);

	if (code != ERR_NONE) {
		MUST(code == ERR_INVALID || code == ERR_REFUSED);
		MUST(err.msg[0] && !w.blocks);
		return 0;
	}
	MUST(strcmp(wire_name(w.type), "unknown") != 0);
	check_texts(&w, input, len);
	buf_init(&out, LIMIT_MESSAGE);
	wire_encode(&w, &out);
	MUST(!out.over && out.len == len);
	MUST(memcmp(out.data, input, len) == 0);
	buf_release(&out);
	wire_release(&w);
	return 0;
}
