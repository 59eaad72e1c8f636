/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jmember.h"

#include <string.h>

#include "common/jtext.h"
#include "common/limits.h"

/* A key that can be meant by `name` is at most this long with its escapes. */
#define NAME_MAX_ESCAPED KIB(64)

/* Any value at *p; numbers may end where the text ends. */
static bool take_value(
	const unsigned char **p, const unsigned char *end, struct bytes *value)
{
	const unsigned char *from = jt_space(*p, end), *next;

	if (jt_skip(from, end, &next, LIMIT_JSON_DEPTH) != JT_OK)
		return false;
	*value = bytes_of(from, (size_t)(next - from));
	*p = jt_space(next, end);
	return true;
}

static bool same_name(const unsigned char *from, const unsigned char *close,
	bool escaped, struct bytes name)
{
	struct buf meant;
	bool same;

	if (!escaped)
		return (size_t)(close - from) == name.len &&
		       (name.len == 0 || memcmp(from, name.data, name.len) == 0);
	buf_init(&meant, NAME_MAX_ESCAPED);
	jt_unescape(from, close, &meant);
	same = !meant.over && meant.len == name.len &&
	       (name.len == 0 || memcmp(meant.data, name.data, name.len) == 0);
	buf_release(&meant);
	return same;
}

bool jmember_find(struct bytes json, struct bytes name, struct bytes *value)
{
	const unsigned char *end = json.data + json.len, *p = jt_space(json.data, end);
	bool found = false;

	if (p == end || *p++ != '{')
		return false;
	for (p = jt_space(p, end); p < end && *p == '"';) {
		const unsigned char *from = p + 1, *close;
		struct bytes v;
		bool escaped;

		if (jt_string(from, end, &close, &escaped) != JT_OK)
			return false;
		p = jt_space(close + 1, end);
		if (p == end || *p++ != ':' || !take_value(&p, end, &v) || p == end)
			return false;
		if (same_name(from, close, escaped, name)) {
			*value = v;
			found = true;
		}
		if (*p != ',')
			return found && *p == '}';
		p = jt_space(p + 1, end);
	}
	return false;
}

bool jmember_next(struct bytes json, const unsigned char **at, struct bytes *value)
{
	const unsigned char *end = json.data + json.len, *p = *at;

	if (!p) {
		p = jt_space(json.data, end);
		if (p == end || *p != '[')
			return false;
		p = jt_space(p + 1, end);
		if (p < end && *p == ']')
			return false;
	} else {
		if (p == end || *p != ',')
			return false;
		p = jt_space(p + 1, end);
	}
	if (!take_value(&p, end, value))
		return false;
	*at = p;
	return true;
}

bool jmember_is_whole(struct bytes json)
{
	const unsigned char *end = json.data + json.len, *p = json.data;
	struct bytes value;

	return json.len > 0 && take_value(&p, end, &value) && p == end;
}
