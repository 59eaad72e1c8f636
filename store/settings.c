/* SPDX-License-Identifier: Apache-2.0 */
#include "store/settings.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define PREFIX "settings/"
#define PREFIX_LEN (sizeof(PREFIX) - 1)

static void settings_free(struct settings *s)
{
	json_decref(s->json);
	free(s);
}

void settings_release(struct settings_cache *cache)
{
	for (size_t i = 0; i < cache->n; i++)
		settings_free(cache->at[i]);
	free(cache->at);
	*cache = (struct settings_cache){0};
}

static enum err_code parse(
	uint32_t generation, struct bytes json, struct settings **out, struct err *err)
{
	const json_t *dedup, *exact;
	json_error_t where;
	json_t *tree =
		json_loadb((const char *)json.data, json.len, JSON_ALLOW_NUL, &where);
	struct settings *s;

	if (!json_is_object(tree)) {
		json_decref(tree);
		return err_set(err, ERR_CORRUPT, "settings %u are not a JSON object",
			generation);
	}
	dedup = json_object_get(tree, "dedup");
	exact = json_object_get(dedup, "exact");
	s = mem_zalloc(1, sizeof(*s));
	*s = (struct settings){generation, tree, !json_is_false(exact)};
	*out = s;
	return ERR_NONE;
}

enum err_code settings_find(struct settings_cache *cache, struct dataset *d,
	uint32_t generation, const struct settings **out, struct err *err)
{
	struct settings *s;
	struct bytes json;
	enum err_code code;

	for (size_t i = 0; i < cache->n; i++) {
		if (cache->at[i]->generation == generation) {
			*out = cache->at[i];
			return ERR_NONE;
		}
	}
	code = dataset_settings(d, generation, &json, err);
	if (code == ERR_NONE)
		code = parse(generation, json, &s, err);
	if (code != ERR_NONE)
		return code;
	MEM_GROW(cache->at, cache->cap, cache->n + 1);
	cache->at[cache->n++] = s;
	*out = s;
	return ERR_NONE;
}

/* The number in "settings/0000000a"; false for any other key. */
static bool read_number(struct bytes key, uint32_t *generation)
{
	char digits[9];
	char *end;

	if (key.len != PREFIX_LEN + 8 || memcmp(key.data, PREFIX, PREFIX_LEN) != 0)
		return false;
	memcpy(digits, key.data + PREFIX_LEN, 8);
	digits[8] = '\0';
	*generation = (uint32_t)strtoul(digits, &end, 16);
	return *end == '\0';
}

enum err_code settings_load_all(
	struct settings_cache *cache, struct dataset *d, struct err *err)
{
	const struct settings *s;
	struct env_cursor *c;
	struct bytes key, value;
	uint32_t generation;
	enum err_code code = env_cursor_open(d->txn, DB_META, &c, err);

	if (code != ERR_NONE)
		return code;
	code = env_seek(c, PREFIX, PREFIX_LEN, &key, &value, err);
	while (code == ERR_NONE && read_number(key, &generation)) {
		code = settings_find(cache, d, generation, &s, err);
		if (code == ERR_NONE)
			code = env_next(c, &key, &value, err);
	}
	env_cursor_close(c);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

enum err_code settings_newest(struct settings_cache *cache, struct dataset *d,
	const struct settings **out, struct err *err)
{
	enum err_code code = settings_load_all(cache, d, err);
	const struct settings *newest = NULL;

	if (code != ERR_NONE)
		return code;
	for (size_t i = 0; i < cache->n; i++)
		if (!newest || cache->at[i]->generation > newest->generation)
			newest = cache->at[i];
	*out = newest;
	return newest ? ERR_NONE
		      : err_set(err, ERR_NOT_FOUND, "the dataset has no settings");
}

static const json_t *teacher_of(const struct settings *s, uint16_t teacher)
{
	return json_array_get(json_object_get(s->json, "teachers"), teacher);
}

const char *settings_teacher(
	const struct settings *s, uint16_t teacher, const char *key)
{
	return json_string_value(json_object_get(teacher_of(s, teacher), key));
}

const char *settings_endpoint(
	const struct settings *s, uint16_t teacher, uint16_t endpoint)
{
	const json_t *url = json_object_get(teacher_of(s, teacher), "url");

	if (json_is_string(url))
		return endpoint == 0 ? json_string_value(url) : NULL;
	return json_string_value(json_array_get(url, endpoint));
}
