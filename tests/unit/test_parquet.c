/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of Parquet's parts; whole files are read back in tests/system. */
#include "unit/folder.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/mem.h"
#include "store/parquet.h"
#include "store/parquet_levels.h"
#include "store/thrift.h"

static struct buf out;

static int begin(void **state)
{
	(void)state;
	buf_init(&out, MIB(64));
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_release(&out);
	return 0;
}

#define assert_bytes(...)                                                              \
	do {                                                                           \
		static const unsigned char want[] = {__VA_ARGS__};                     \
		assert_int_equal(out.len, sizeof(want));                               \
		assert_memory_equal(out.data, want, sizeof(want));                     \
		buf_clear(&out);                                                       \
	} while (0)

static void thrift__steps_from_field_to_field(void **state)
{
	struct thrift t;

	(void)state;
	thrift_begin(&t, &out);
	thrift_i32(&t, 1, 1);
	thrift_i32(&t, 3, -1);
	thrift_i64(&t, 18, 150);       /* the longest step */
	thrift_i64(&t, 34, INT64_MIN); /* too long for one */
	thrift_bool(&t, 35, true);
	thrift_bool(&t, 36, false);
	thrift_i16(&t, 37, -2);
	thrift_end(&t);
	assert_bytes(0x15, 0x02, 0x25, 0x01, 0xf6, 0xac, 0x02, 0x06, 0x44, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x11, 0x12, 0x14, 0x03,
		0x00);
}

static void thrift__nests(void **state)
{
	struct thrift t;

	(void)state;
	thrift_begin(&t, &out);
	thrift_text(&t, 4, "ab");
	thrift_struct(&t, 5);
	thrift_i32(&t, 1, 0); /* numbers begin anew, and go on behind it */
	thrift_end(&t);
	thrift_list(&t, 6, THRIFT_I32, 2);
	thrift_element_i32(&t, 0);
	thrift_element_i32(&t, -3);
	thrift_list(&t, 7, THRIFT_STRUCT, 1);
	thrift_element_struct(&t);
	thrift_text(&t, 1, "");
	thrift_end(&t);
	thrift_list(&t, 8, THRIFT_TEXT, 15);
	for (int i = 0; i < 15; i++)
		thrift_element_text(&t, "");
	thrift_end(&t);
	assert_bytes(0x48, 0x02, 'a', 'b', 0x1c, 0x15, 0x00, 0x00, 0x19, 0x25, 0x00,
		0x05, 0x19, 0x1c, 0x18, 0x00, 0x00, 0x19, 0xf8, 0x0f, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00);
}

static void levels__are_runs_and_packed_bits(void **state)
{
	static const unsigned char same[8] = {2, 2, 2, 2, 2, 2, 2, 2};
	/* The vector of the format's page "Encodings": 0 to 7 in three bits each. */
	static const unsigned char rising[] = {0, 1, 2, 3, 4, 5, 6, 7};
	static const unsigned char mixed[] = {
		0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0};

	(void)state;
	parquet_levels_encode(NULL, 0, 1, &out);
	assert_int_equal(out.len, 0);
	parquet_levels_encode(same, 8, 2, &out);
	assert_bytes(0x10, 0x02);
	parquet_levels_encode(same, 3, 2, &out);
	assert_bytes(0x03, 0x2a, 0x00);
	parquet_levels_encode(rising, 8, 3, &out);
	assert_bytes(0x03, 0x88, 0xc6, 0xfa);
	/* A group takes seven of the run, the run has nine, one is left over. */
	parquet_levels_encode(mixed, sizeof(mixed), 1, &out);
	assert_bytes(0x03, 0xfe, 0x12, 0x01, 0x03, 0x00);
}

static uint64_t varint(size_t *at)
{
	uint64_t v = 0;
	int shift = 0;

	do {
		assert_true(*at < out.len);
		v |= (uint64_t)(out.data[*at] & 0x7f) << shift;
		shift += 7;
	} while (out.data[(*at)++] & 0x80);
	return v;
}

/* Reads levels back; how many there are, groups' fill included. */
static size_t decode(unsigned char *level, size_t max, int width)
{
	size_t n = 0, at = 0;

	while (at < out.len) {
		uint64_t head = varint(&at);

		if (head & 1) {
			for (uint64_t bit = 0; bit < (head >> 1) * 8; bit++) {
				unsigned v = 0;

				for (int b = 0; b < width; b++) {
					uint64_t i =
						bit * (uint64_t)width + (uint64_t)b;

					v |= (unsigned)(out.data[at + i / 8] >> i % 8 &
							1)
					     << b;
				}
				if (n < max)
					level[n] = (unsigned char)v;
				n++;
			}
			at += (head >> 1) * (size_t)width;
		} else {
			for (uint64_t i = 0; i < head >> 1; i++, n++)
				if (n < max)
					level[n] = out.data[at];
			at++;
		}
		assert_true(at <= out.len);
	}
	return n;
}

static void levels__come_back(void **state)
{
	enum { N = 5000 };
	unsigned char level[N], again[N];
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		size_t n = (size_t)(round * 7 % 90 + (round % 10 == 0 ? 4900 : 0));
		int width = round % 2 + 1, runs = round % 5 * 6 + 1;
		size_t got;

		for (size_t i = 0; i < n;) {
			size_t run;

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			run = (size_t)(seed >> 33) % (size_t)runs + 1;
			for (; run-- > 0 && i < n; i++)
				level[i] = (unsigned char)((seed >> 60) &
							   ((1u << width) - 1));
		}
		buf_clear(&out);
		parquet_levels_encode(level, n, width, &out);
		got = decode(again, N, width);
		assert_true(got >= n && got < n + 8);
		assert_memory_equal(level, again, n);
	}
}

static void assert_empty(const struct folder *folder)
{
	/* Else it cannot be removed; it is needed again. */
	assert_int_equal(rmdir(folder->path), 0);
	assert_int_equal(mkdir(folder->path, 0700), 0);
}

/* A list in a list a row, each [[1, 2], [3]]; what a file of them has at its ends. */
static const struct parquet_column lists[] = {{"c", PARQUET_I32, PARQUET_LISTS}};
static const struct parquet_schema schema = {.column = lists, .n_columns = 1};

static void put_row(struct parquet *p)
{
	static const int32_t values[] = {1, 2, 3};
	static const uint32_t len[] = {2, 1};
	struct err err;

	parquet_put_lists(p, 0, values, len, 2);
	assert_int_equal(parquet_end_row(p, &err), ERR_NONE);
}

static void file__begins_and_ends_with_its_magic_number(void **state)
{
	struct folder folder;
	struct outfile_sum sum;
	struct parquet *p;
	struct err err;
	char *path;

	(void)state;
	folder_make(&folder);
	path = file_join(folder.path, "a.parquet");
	assert_int_equal(parquet_open(path, &schema, &p, &err), ERR_NONE);
	put_row(p);
	assert_false(file_exists(path)); /* not before it is whole */
	assert_int_equal(parquet_rows(p), 1);
	assert_int_equal(parquet_finish(p, &sum, &err), ERR_NONE);
	assert_string_equal(sum.name, "a.parquet");
	assert_int_equal(file_read(path, &out, &err), ERR_NONE);
	assert_int_equal(out.len, sum.size);
	assert_memory_equal(out.data, "PAR1", 4);
	assert_memory_equal(out.data + out.len - 4, "PAR1", 4);
	/* The footer's length leads to its version. */
	assert_memory_equal(out.data + out.len - 8 - get_u32(out.data + out.len - 8),
		"\x15\x02\x19", 3);
	assert_int_equal(parquet_open(path, &schema, &p, &err), ERR_EXISTS);
	free(path);
	folder_remove(&folder);
}

static void file__holds_one_row_group_in_memory(void **state)
{
	struct parquet_schema small = schema;
	struct folder folder;
	struct parquet *p;
	struct err err;
	uint64_t before;
	char *path;

	(void)state;
	small.page_bytes = 100;
	small.group_bytes = 1000;
	folder_make(&folder);
	path = file_join(folder.path, "a.parquet");
	assert_int_equal(parquet_open(path, &small, &p, &err), ERR_NONE);
	before = parquet_written(p);
	for (int i = 0; i < 1000; i++)
		put_row(p);
	assert_true(parquet_written(p) > before);
	parquet_abort(p);
	assert_empty(&folder);
	free(path);
	folder_remove(&folder);
}

/* A disk that takes no more: a limit on the size of files. */
static void file__that_cannot_be_written_is_an_error(void **state)
{
	struct rlimit was, small = {4096, 4096};
	struct folder folder;
	struct parquet *p;
	struct err err;
	char *path;
	void (*signal_was)(int) = signal(SIGXFSZ, SIG_IGN);
	bool *noise = mem_alloc(MIB(1));
	enum err_code code = ERR_NONE;
	static const struct parquet_column bits[] = {{"b", PARQUET_BOOL, PARQUET_LIST}};
	struct parquet_schema noisy = {
		.column = bits, .n_columns = 1, .group_bytes = 1};
	uint64_t seed = 7;

	(void)state;
	for (size_t i = 0; i < MIB(1); i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		noise[i] = seed >> 63;
	}
	folder_make(&folder);
	path = file_join(folder.path, "a.parquet");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(parquet_open(path, &noisy, &p, &err), ERR_NONE);
	for (int i = 0; i < 100 && code == ERR_NONE; i++) {
		parquet_put(p, 0, noise, MIB(1));
		code = parquet_end_row(p, &err);
	}
	assert_int_equal(code, ERR_IO);
	parquet_abort(p);
	/* The same with the last of it. */
	assert_int_equal(parquet_open(path, &noisy, &p, &err), ERR_NONE);
	parquet_put(p, 0, noise, MIB(1));
	assert_int_equal(parquet_end_row(p, &err), ERR_NONE);
	assert_int_equal(parquet_finish(p, NULL, &err), ERR_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, signal_was);
	assert_empty(&folder);
	free(noise);
	free(path);
	folder_remove(&folder);
}

static void file__refuses_a_row_that_no_page_holds(void **state)
{
	enum { N = 257 };
	static const struct parquet_column texts[] = {
		{"t", PARQUET_TEXT, PARQUET_LIST}};
	struct parquet_schema long_ones = {.column = texts, .n_columns = 1};
	unsigned char *text = mem_zalloc(1, MIB(1));
	struct bytes many[N];
	struct folder folder;
	struct parquet *p;
	struct err err;
	char *path;

	(void)state;
	for (int i = 0; i < N; i++)
		many[i] = bytes_of(text, MIB(1));
	folder_make(&folder);
	path = file_join(folder.path, "a.parquet");
	assert_int_equal(parquet_open(path, &long_ones, &p, &err), ERR_NONE);
	parquet_put(p, 0, many, N);
	assert_int_equal(parquet_end_row(p, &err), ERR_INVALID);
	assert_string_equal(
		err.msg, "a row is too long for a Parquet file (column 't')");
	parquet_abort(p);
	assert_empty(&folder);
	free(text);
	free(path);
	folder_remove(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			thrift__steps_from_field_to_field, begin, end),
		cmocka_unit_test_setup_teardown(thrift__nests, begin, end),
		cmocka_unit_test_setup_teardown(
			levels__are_runs_and_packed_bits, begin, end),
		cmocka_unit_test_setup_teardown(levels__come_back, begin, end),
		cmocka_unit_test_setup_teardown(
			file__begins_and_ends_with_its_magic_number, begin, end),
		cmocka_unit_test_setup_teardown(
			file__holds_one_row_group_in_memory, begin, end),
		cmocka_unit_test_setup_teardown(
			file__that_cannot_be_written_is_an_error, begin, end),
		cmocka_unit_test_setup_teardown(
			file__refuses_a_row_that_no_page_holds, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
