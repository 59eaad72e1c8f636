/* SPDX-License-Identifier: Apache-2.0 */
#include "store/find_prompt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

struct search {
	struct dataset *d;
	struct bytes id;
	struct buf room;
};

/* Whether the prompt of a pair of `prompt_key` has the id. */
static enum err_code has_id(
	struct search *s, struct bytes key, bool *found, struct err *err)
{
	struct sections parts;
	enum err_code code;

	*found = false;
	if (key.len != PROMPT_KEY_SIZE || key.data[12] != PROMPT_BODY)
		return ERR_NONE;
	code = dataset_prompt(s->d, get_u64_be(key.data), get_u32_be(key.data + 8),
		&s->room, &parts, err);
	if (code == ERR_NONE)
		*found = parts.at[PROMPT_ID].len == s->id.len &&
			 memcmp(parts.at[PROMPT_ID].data, s->id.data, s->id.len) == 0;
	return code;
}

static enum err_code search_ids(struct search *s, uint64_t *prompt, struct err *err)
{
	struct bytes key, value;
	struct env_cursor *c;
	bool found = false;
	enum err_code code = env_cursor_open(s->d->txn, DB_PROMPT_KEY, &c, err);

	if (code != ERR_NONE)
		return code;
	code = env_first(c, &key, &value, err);
	while (code == ERR_NONE) {
		code = has_id(s, key, &found, err);
		if (code != ERR_NONE || found)
			break;
		code = env_next(c, &key, &value, err);
	}
	if (found)
		*prompt = get_u64_be(key.data);
	env_cursor_close(c);
	return code;
}

/* `id` as the number of a prompt that has a sample. */
static bool is_number(struct dataset *d, const char *id, uint64_t *prompt)
{
	struct key_list entries = {0};
	char *end;
	bool found;

	if (*id == '\0' || strspn(id, "0123456789") != strlen(id))
		return false;
	errno = 0;
	*prompt = strtoull(id, &end, 10);
	found = errno == 0 &&
		dataset_prompt_entries(d, *prompt, &entries, NULL) == ERR_NONE &&
		entries.n > 0;
	key_list_release(&entries);
	return found;
}

enum err_code find_prompt(
	struct dataset *d, const char *id, uint64_t *prompt, struct err *err)
{
	struct search s = {.d = d, .id = bytes_of(id, strlen(id))};
	enum err_code code;

	buf_init(&s.room, PACK_RAW_MAX);
	code = search_ids(&s, prompt, err);
	buf_release(&s.room);
	if (code != ERR_NOT_FOUND)
		return code;
	if (is_number(d, id, prompt))
		return ERR_NONE;
	return err_set(err, ERR_NOT_FOUND,
		"no prompt with the id %s has an answer here (yet)",
		log_quote(id).text);
}
