/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "common/mem.h"

static void mem__gives_something_for_nothing(void **state)
{
	void *p;

	(void)state;
	free(mem_alloc(0));
	free(mem_zalloc(0, 8));
	free(mem_zalloc(8, 0));
	p = mem_realloc(NULL, 0, 8);
	p = mem_realloc(p, 0, 0);
	free(p);
	free(mem_dup(NULL, 0));
	p = mem_dup_text(NULL, 0);
	assert_string_equal(p, "");
	free(p);
}

static void mem__copies_and_zeroes(void **state)
{
	unsigned char *zeros = mem_zalloc(7, 13);
	char *text = mem_dup_text("a\0b!", 3), *printed;
	unsigned char *copy = mem_dup("\1\2\3", 3);

	(void)state;
	for (size_t i = 0; i < 7 * 13; i++)
		assert_int_equal(zeros[i], 0);
	assert_memory_equal(text, "a\0b\0", 4);
	assert_memory_equal(copy, "\1\2\3", 3);
	printed = mem_printf("%s-%d", "x", 42);
	assert_string_equal(printed, "x-42");
	free(zeros);
	free(text);
	free(copy);
	free(printed);
}

static void mem_grow__keeps_what_is_there_and_has_room(void **state)
{
	uint64_t *list = NULL;
	size_t cap = 0;

	(void)state;
	for (size_t n = 1; n < 5000; n++) {
		size_t was = cap;

		MEM_GROW(list, cap, n);
		assert_true(cap >= n);
		/* Doubled, so that growing stays cheap, and only when needed. */
		if (n <= was)
			assert_int_equal(cap, was);
		else
			assert_true(cap >= 2 * was);
		list[n - 1] = n * n;
	}
	for (size_t n = 1; n < 5000; n++)
		assert_int_equal(list[n - 1], n * n);
	MEM_GROW(list, cap, 1000000);
	assert_true(cap >= 1000000);
	list[999999] = 1;
	free(list);
}

static void grow_past_all(void)
{
	size_t cap = 16;

	free(mem_grow(NULL, &cap, SIZE_MAX, 1));
}

static void grow_past_the_bytes(void)
{
	size_t cap = 16;

	free(mem_grow(NULL, &cap, SIZE_MAX / 4, 8));
}

static void realloc_past_all(void)
{
	free(mem_realloc(NULL, SIZE_MAX / 8 + 1, 8));
}

static void zalloc_past_all(void)
{
	free(mem_zalloc(SIZE_MAX / 8 + 1, 8));
}

/* True if the call does not come back. */
static bool ends_the_process(void (*call)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(0);
		call();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void mem__ends_the_process_rather_than_wrap(void **state)
{
	(void)state;
	assert_true(ends_the_process(grow_past_all));
	assert_true(ends_the_process(grow_past_the_bytes));
	assert_true(ends_the_process(realloc_past_all));
	assert_true(ends_the_process(zalloc_past_all));
}

static void mem_table__is_zeroed_and_fits(void **state)
{
	static const size_t sizes[] = {1, (size_t)2 << 20, ((size_t)2 << 20) + 1};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		unsigned char *p = mem_table(sizes[i]);

		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(p[k], 0);
		memset(p, 1, sizes[i]);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mem_table__is_zeroed_and_fits),
		cmocka_unit_test(mem__gives_something_for_nothing),
		cmocka_unit_test(mem__copies_and_zeroes),
		cmocka_unit_test(mem_grow__keeps_what_is_there_and_has_room),
		cmocka_unit_test(mem__ends_the_process_rather_than_wrap),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
