/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/limits.h"

#include "worker/tool_parts.h"

static bool join(const char *parts, const char *want)
{
	struct buf b;
	bool ok;

	buf_init(&b, KIB(4));
	buf_add_str(&b, parts);
	ok = tool_parts_join(&b);
	assert_string_equal(buf_text(&b), want);
	buf_release(&b);
	return ok;
}

static void tool_parts__are_put_together(void **state)
{
	(void)state;
	assert_true(join(
		"[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":"
		"{\"name\":\"f\",\"arguments\":\"\"}}],"
		"[{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\\\"\"}}],"
		"[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]",
		"[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
		"\"arguments\":\"{\\\"x\\\":1}\"}}]"));
	/* Two calls, pieces in turn; a name that is told again, null, "". */
	assert_true(join(
		"[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\"}},"
		"{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\"}}],"
		"[{\"index\":1,\"function\":{\"name\":\"g\",\"arguments\":\"1\"}},"
		"{\"index\":0,\"id\":null,\"function\":{\"name\":\"\",\"arguments\":"
		"\"2\"}}]",
		"[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"2\"}},"
		"{\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"1\"}}]"));
	/* Whole calls without an index. */
	assert_true(join("[{\"id\":\"a\"}],[{\"id\":\"b\"}]",
		"[{\"id\":\"a\"},{\"id\":\"b\"}]"));
	assert_true(join("[]", "[]"));
}

static void tool_parts__that_do_not_fit_are_refused(void **state)
{
	static const char *const bad[] = {
		"[{\"index\":1,\"id\":\"a\"}]", /* the first is missing */
		"[{\"index\":-1}]",
		"[{\"index\":\"0\"}]",
		"[{\"index\":0,\"id\":\"a\"}],[{\"index\":0,\"id\":\"b\"}]",
		"[4]",
		"{\"index\":0}",
		"[{\"index\":0,\"function\":{}}],[{\"index\":0,\"function\":4}]",
		"[",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(join(bad[i], "[]"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_parts__are_put_together),
		cmocka_unit_test(tool_parts__that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests_name("tool_parts", tests, NULL, NULL);
}
