/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/tool_parts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define CALLS_MAX 1024

/* Adds what a piece says to its call. The arguments grow; everything else is told
 * once, or told again and the same. */
static bool merge(json_t *to, const json_t *piece)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)piece, name, value) {
		json_t *had = json_object_get(to, name);

		if (json_is_null(value) || strcmp(name, "index") == 0)
			continue;
		if (json_is_string(had) && json_is_string(value) &&
			(strcmp(name, "arguments") == 0 || !*json_string_value(had))) {
			char *text = mem_printf("%s%s", json_string_value(had),
				json_string_value(value));

			json_object_set_new(to, name, json_string(text));
			free(text);
		} else if (json_is_object(had) && json_is_object(value)) {
			if (!merge(had, value))
				return false;
		} else if (!had) {
			json_object_set_new(to, name, json_deep_copy(value));
		} else if (!json_equal(had, value) &&
			   !(json_is_string(value) && !*json_string_value(value))) {
			return false;
		}
	}
	return true;
}

static bool add_piece(json_t *calls, const json_t *piece)
{
	const json_t *index = json_object_get(piece, "index");
	json_int_t i = index ? json_integer_value(index) : 0;

	/* Calls begin in order; without an index each piece is a whole call. */
	if (!json_is_object(piece) || (index && !json_is_integer(index)) || i < 0 ||
		json_array_size(calls) >= CALLS_MAX)
		return false;
	if (!index)
		i = (json_int_t)json_array_size(calls);
	if ((size_t)i > json_array_size(calls))
		return false;
	if ((size_t)i == json_array_size(calls))
		json_array_append_new(calls, json_object());
	return merge(json_array_get(calls, (size_t)i), piece);
}

bool tool_parts_join(struct buf *parts)
{
	char *text = mem_printf("[%.*s]", (int)parts->len, (const char *)parts->data);
	json_t *lists = json_loads(text, 0, NULL), *calls = json_array();
	bool ok = lists != NULL;

	for (size_t i = 0; ok && i < json_array_size(lists); i++) {
		const json_t *list = json_array_get(lists, i);

		ok = json_is_array(list);
		for (size_t j = 0; ok && j < json_array_size(list); j++)
			ok = add_piece(calls, json_array_get(list, j));
	}
	free(text);
	text = json_dumps(ok ? calls : NULL, JSON_COMPACT);
	buf_clear(parts);
	buf_add_str(parts, text ? text : "[]");
	free(text);
	json_decref(lists);
	json_decref(calls);
	return ok;
}
