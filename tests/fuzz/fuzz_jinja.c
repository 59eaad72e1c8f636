/* SPDX-License-Identifier: Apache-2.0 */
/* A template, a NUL, and its variables as JSON: refused with a line, or rendered, each
 * time alike; the variables stay as they were. */
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

#include "common/jinja.h"
#include "common/limits.h"
#include "common/text.h"

static enum err_code render(const struct jinja *t, json_t *variables, struct buf *out)
{
	struct err err = {0};
	enum err_code code;

	buf_init(out, LIMIT_RENDERED);
	code = jinja_render(t, variables, out, &err);
	MUST(code == err.code && (code == ERR_NONE || code == ERR_INVALID));
	MUST(code == ERR_NONE || strncmp(err.msg, "t:", 2) == 0);
	if (code == ERR_NONE)
		MUST(utf8_valid_prefix(out->data, out->len) == out->len);
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	const uint8_t *end = memchr(input, 0, len);
	size_t at = end ? (size_t)(end - input) : len;
	json_t *variables, *before;
	struct buf once, again;
	struct err err = {0};
	struct jinja *t;

	if (jinja_compile(bytes_of(input, at), "t", &t, &err) != ERR_NONE) {
		MUST(err.code == ERR_INVALID && strncmp(err.msg, "t:", 2) == 0 && !t);
		return 0;
	}
	variables =
		end ? json_loadb((const char *)end + 1, len - at - 1, 0, NULL) : NULL;
	if (!json_is_object(variables)) {
		json_decref(variables);
		variables = json_object();
	}
	before = json_deep_copy(variables);
	MUST(render(t, variables, &once) == render(t, variables, &again));
	MUST(once.len == again.len);
	MUST(once.len == 0 || memcmp(once.data, again.data, once.len) == 0);
	MUST(json_equal(before, variables));
	buf_release(&once);
	buf_release(&again);
	json_decref(before);
	json_decref(variables);
	jinja_free(t);
	return 0;
}
