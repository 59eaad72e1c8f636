/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/tokenize.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/mem.h"

bool tokenize_has(enum job_server server)
{
	return server == SERVER_VLLM || server == SERVER_SGLANG ||
	       server == SERVER_LLAMACPP;
}

char *tokenize_url(const char *url)
{
	size_t len = strlen(url);

	if (len >= 3 && strcmp(url + len - 3, "/v1") == 0)
		len -= 3;
	return mem_printf("%.*s/tokenize", (int)len, url);
}

void tokenize_write(const char *model, const char *text, struct buf *out)
{
	json_t *tree = json_pack("{s:s, s:s, s:b, s:s, s:b}", "model", model, "prompt",
		text, "add_special_tokens", 0, "content", text, "add_special", 0);
	char *body = json_dumps(tree, JSON_COMPACT);

	json_decref(tree);
	if (!body)
		abort();
	buf_add_str(out, body);
	free(body);
}

static bool read_list(const json_t *list, struct answer_ids *out)
{
	size_t n = json_array_size(list);

	if (n == 0 || n > LIMIT_VERDICT_IDS)
		return false;
	MEM_GROW(out->at, out->cap, n);
	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_array_get(list, i);
		const json_t *id =
			json_is_object(one) ? json_object_get(one, "id") : one;
		json_int_t value = json_integer_value(id);

		if (!json_is_integer(id) || value < 0 || value >= TOKEN_ID_UNKNOWN)
			return false;
		out->at[out->n++] = (uint32_t)value;
	}
	return true;
}

bool tokenize_read(struct bytes body, struct answer_ids *out)
{
	json_t *tree = json_loadb((const char *)body.data, body.len, 0, NULL);

	out->n = 0;
	out->present = read_list(json_object_get(tree, "tokens"), out);
	if (!out->present)
		out->n = 0;
	json_decref(tree);
	return out->present;
}

uint64_t tokenize_digest(const struct answer_ids *ids)
{
	unsigned char *bytes = mem_zalloc(ids->n + 1, 4);
	uint64_t digest;

	for (uint32_t i = 0; i < ids->n; i++)
		put_u32(bytes + 4 * (size_t)i, ids->at[i]);
	digest = hash64(bytes, 4 * (size_t)ids->n);
	free(bytes);
	return digest ? digest : 1;
}
