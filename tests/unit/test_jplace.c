/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/jplace.h"

static const char text[] = "{\"name\": \"j\",\n"
			   " \"teachers\": [\n"
			   "  {\"url\": \"a{,]\\\"\", \"limits\": {\"rpm\": null}},\n"
			   "\t{\"deep\": [[1, [2]], [3,4]],\n"
			   "   \"x\" : true, \"limits\":\n"
			   "{ \"tpm\"\n"
			   "  : 5 } }\n"
			   " ],\n"
			   "\"empty\": [], \"none\": {},\r\n"
			   "\"stop\": [\"a\",\n"
			   "\n"
			   "   \"b\" , 3]}";

static void check(const char *path, int want_line, int want_column)
{
	int line = -1, column = -1;

	if (!jplace_find(text, strlen(text), path, &line, &column))
		fail_msg("%s is not found", path);
	if (line != want_line || column != want_column)
		fail_msg("%s is at %d:%d", path, line, column);
}

static void jplace__finds_keys_and_entries(void **state)
{
	(void)state;
	check("", 1, 1);
	check("name", 1, 2);
	check("teachers", 2, 2);
	check("teachers[0]", 3, 3);
	check("teachers[0].url", 3, 4);
	check("teachers[0].limits", 3, 21);
	check("teachers[0].limits.rpm", 3, 32);
	check("teachers[1]", 4, 2);
	check("teachers[1].deep", 4, 3);
	check("teachers[1].deep[0]", 4, 12);
	check("teachers[1].deep[0][0]", 4, 13);
	check("teachers[1].deep[0][1]", 4, 16);
	check("teachers[1].deep[0][1][0]", 4, 17);
	check("teachers[1].deep[1]", 4, 22);
	check("teachers[1].deep[1][1]", 4, 25);
	check("teachers[1].limits", 5, 16);
	check("teachers[1].limits.tpm", 6, 3);
	check("empty", 9, 1);
	check("none", 9, 14);
	check("stop[0]", 10, 10);
	check("stop[1]", 12, 4);
	check("stop[2]", 12, 10);
}

static void jplace__knows_what_is_not_there(void **state)
{
	static const char *const paths[] = {"nam", "names", "teachers[2]",
		"teachers[0].limits.tpm", "teachers.url", "name[0]", "name.x",
		"empty[0]", "none.x", "stop[3]", "teachers[0].limits.rpm.x",
		"teachers[1].deep[0][2]", "teachers[1].deep[2]", "[0]"};
	int line, column;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (jplace_find(text, strlen(text), paths[i], &line, &column))
			fail_msg("%s is at %d:%d", paths[i], line, column);
}

static void jplace__survives_what_is_no_json(void **state)
{
	int line, column;

	(void)state;
	for (size_t len = 0; len < strlen(text); len++)
		for (size_t i = 0; i < 2; i++)
			jplace_find(text, len, i ? "stop[2]" : "teachers[1].limits.tpm",
				&line, &column);
	assert_false(jplace_find("[1, nonsense]", 13, "[2]", &line, &column));
	assert_false(jplace_find("", 0, "a", &line, &column));
	assert_true(jplace_find("", 0, "", &line, &column));
	assert_int_equal(line, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jplace__finds_keys_and_entries),
		cmocka_unit_test(jplace__knows_what_is_not_there),
		cmocka_unit_test(jplace__survives_what_is_no_json),
	};

	return cmocka_run_group_tests_name("jplace", tests, NULL, NULL);
}
