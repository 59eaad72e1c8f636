/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/folder.h"

#include "coordinator/ids.h"
#include "coordinator/idsort.h"

static struct folder folder;

static int make_folder(void **state)
{
	(void)state;
	folder_make(&folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	folder_remove(&folder);
	return 0;
}

#define OK(call)                                                                       \
	do {                                                                           \
		struct err err;                                                        \
		if ((call) != ERR_NONE)                                                \
			fail_msg("%s", err.msg);                                       \
	} while (0)

static int by_record(const void *a, const void *b)
{
	return id_record_compare(a, b);
}

/* Records as they come in a corpus: hashes at random, some of them again; or,
 * sequential, as the second sort of a reindex has them. */
static struct id_record *make_records(size_t n, uint64_t seed, bool sequential)
{
	struct chance c = {seed};
	struct id_record *r = mem_zalloc(n, sizeof(*r));

	for (size_t i = 0; i < n; i++) {
		r[i].hash.high = chance_next(&c);
		r[i].hash.low = chance_next(&c);
		r[i].number = i;
		if (sequential)
			r[i].hash =
				(struct hash128){.high = chance_below(&c, n), .low = i};
		else if (i > 0 && chance_below(&c, 10) == 0)
			r[i].hash = r[chance_below(&c, i)].hash;
	}
	return r;
}

/* Sorts n records in a buffer for `cap` of them and compares with qsort. */
static void check_sort(size_t n, size_t cap, bool sequential)
{
	struct id_record *want = make_records(n, 11 * n + cap, sequential), got;
	struct idsort *s = idsort_new(folder.path, cap * sizeof(struct id_record));
	bool found;

	for (size_t i = 0; i < n; i++)
		OK(idsort_add(s, want[i].hash, want[i].number, &err));
	OK(idsort_finish(s, &err));
	qsort(want, n, sizeof(*want), by_record);
	for (size_t i = 0; i < n; i++) {
		OK(idsort_next(s, &got, &found, &err));
		assert_true(found);
		assert_memory_equal(&got, &want[i], sizeof(got));
	}
	OK(idsort_next(s, &got, &found, &err));
	assert_false(found);
	idsort_free(s);
	free(want);
}

static void idsort__sorts_what_fits_and_what_does_not(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 31, 32, 33, 1000, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		check_sort(sizes[i], 8192, false);
		check_sort(sizes[i], 8192, true);
		check_sort(sizes[i], 200, false);
		check_sort(sizes[i], 200, true);
	}
	check_sort(600, 200, false);
	check_sort(601, 200, false);
	check_sort(30000, 5000, false);
}

/* One id on most lines: the order must come from the later bytes. */
static void idsort__sorts_many_equal_hashes(void **state)
{
	struct chance c = {5};
	struct id_record want[3000], got;
	bool found;

	(void)state;
	for (size_t cap = 700; cap <= 4000; cap += 3300) {
		struct idsort *s = idsort_new(folder.path, cap * sizeof(*want));

		for (size_t i = 0; i < 3000; i++) {
			want[i] = (struct id_record){
				{.low = chance_below(&c, 3) << 40, .high = 7},
				chance_next(&c) >> chance_below(&c, 60)};
			OK(idsort_add(s, want[i].hash, want[i].number, &err));
		}
		OK(idsort_finish(s, &err));
		qsort(want, 3000, sizeof(*want), by_record);
		for (size_t i = 0; i < 3000; i++) {
			OK(idsort_next(s, &got, &found, &err));
			assert_memory_equal(&got, &want[i], sizeof(got));
		}
		idsort_free(s);
	}
}

static void idsort__orders_as_the_bytes_do(void **state)
{
	struct id_record a = {{.low = 2, .high = 1}, 5}, b = {{.low = 1, .high = 2}, 4};

	(void)state;
	assert_true(id_record_compare(&a, &b) < 0);
	assert_true(id_record_compare(&b, &a) > 0);
	b.hash = a.hash;
	assert_true(id_record_compare(&a, &b) > 0);
	assert_int_equal(id_hash_compare(a.hash, b.hash), 0);
}

static void idsort__fails_when_it_cannot_write(void **state)
{
	struct idsort *s = idsort_new("/nonexistent", 2 * sizeof(struct id_record));
	struct hash128 h = {0};
	struct err err;

	(void)state;
	assert_int_equal(idsort_add(s, h, 1, &err), ERR_NONE);
	assert_int_equal(idsort_add(s, h, 2, &err), ERR_NONE);
	assert_int_equal(idsort_add(s, h, 3, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "/nonexistent"));
	idsort_free(s);
}

/* A file of n entries; the numbers are 3 * i. */
static char *write_ids(const char *name, size_t n, struct id_record **records)
{
	char *path = file_join(folder.path, name);
	struct id_record *r = make_records(n, 99, true);
	struct ids_writer *w;

	OK(ids_create(path, &w, &err));
	qsort(r, n, sizeof(*r), by_record);
	for (size_t i = 0; i < n; i++) {
		r[i].number = 3 * i | (i % 7 == 0 ? IDS_GONE : 0);
		OK(ids_add(w, &r[i], &err));
	}
	OK(ids_commit(w, &err));
	*records = r;
	return path;
}

static void ids__are_found_again(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 4096, 10000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct id_record *want, got;
		char *path = write_ids("ids", sizes[i], &want);
		struct hash128 other = {.low = 5, .high = 1};
		struct ids *f;
		uint64_t number;
		bool found;

		OK(ids_open(path, &f, &err));
		assert_int_equal(ids_count(f), sizes[i]);
		for (size_t k = 0; k < sizes[i]; k += 1 + k / 20) {
			OK(ids_find(f, want[k].hash, &number, &err));
			assert_true(number == want[k].number);
		}
		other.high = UINT64_MAX;
		assert_int_equal(ids_find(f, other, &number, NULL), ERR_NOT_FOUND);
		for (size_t k = 0; k < sizes[i]; k++) {
			OK(ids_next(f, &got, &found, &err));
			assert_true(found);
			assert_memory_equal(&got, &want[k], sizeof(got));
		}
		OK(ids_next(f, &got, &found, &err));
		assert_false(found);
		ids_close(f);
		free(want);
		free(path);
	}
}

static void ids__have_the_bytes_that_the_header_gives(void **state)
{
	char *path = file_join(folder.path, "bytes");
	struct id_record r = {{.high = 0x0102030405060708, .low = 0x090a0b0c0d0e0f10},
		0x1112131415161718};
	static const unsigned char entry[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
		14, 15, 16, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};
	struct ids_writer *w;
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 1000);
	OK(ids_create(path, &w, &err));
	OK(ids_add(w, &r, &err));
	OK(ids_commit(w, &err));
	OK(file_read(path, &bytes, &err));
	assert_int_equal(bytes.len, 64);
	assert_memory_equal(bytes.data, "retortid\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 24);
	assert_memory_equal(bytes.data + 40, entry, 24);
	buf_release(&bytes);
	free(path);
}

/* Damages one byte; the error that reading it all ends in. */
static enum err_code read_damaged(const char *path, size_t at, struct err *err)
{
	struct buf bytes;
	struct ids *f;
	struct id_record r;
	bool found = true;
	char *copy;
	enum err_code code;

	buf_init(&bytes, MIB(1));
	assert_int_equal(file_read(path, &bytes, NULL), ERR_NONE);
	bytes.data[at] ^= 4;
	copy = folder_write(&folder, "copy", bytes.data, bytes.len);
	code = ids_open(copy, &f, err);
	if (code == ERR_NONE) {
		while (code == ERR_NONE && found)
			code = ids_next(f, &r, &found, err);
		ids_close(f);
	}
	free(copy);
	buf_release(&bytes);
	return code;
}

static void ids__that_are_damaged_are_noticed(void **state)
{
	struct id_record *r;
	char *path = write_ids("whole", 5000, &r), *cut;
	static const size_t places[] = {0, 8, 16, 24, 33, 40, 5000, 40 + 24 * 5000 - 1};
	struct ids *f;
	struct buf bytes;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_int_equal(read_damaged(path, places[i], &err), ERR_CORRUPT);
		assert_non_null(strstr(err.msg, "copy"));
	}
	buf_init(&bytes, MIB(1));
	assert_int_equal(file_read(path, &bytes, NULL), ERR_NONE);
	cut = folder_write(&folder, "cut", bytes.data, bytes.len - 24);
	assert_int_equal(ids_open(cut, &f, &err), ERR_CORRUPT);
	free(cut);
	cut = folder_write(&folder, "cut", bytes.data, 10);
	assert_int_equal(ids_open(cut, &f, &err), ERR_CORRUPT);
	free(cut);
	assert_int_equal(ids_open("/nonexistent", &f, &err), ERR_NOT_FOUND);
	buf_release(&bytes);
	free(path);
	free(r);
}

static void ids__abandoned_leave_the_old_file(void **state)
{
	struct id_record *r, more = {{.high = 1}, 1};
	char *path = write_ids("kept", 10, &r);
	struct ids_writer *w;
	struct ids *f;

	(void)state;
	OK(ids_create(path, &w, &err));
	OK(ids_add(w, &more, &err));
	ids_abandon(w);
	OK(ids_open(path, &f, &err));
	assert_int_equal(ids_count(f), 10);
	ids_close(f);
	free(path);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idsort__sorts_what_fits_and_what_does_not),
		cmocka_unit_test(idsort__sorts_many_equal_hashes),
		cmocka_unit_test(idsort__orders_as_the_bytes_do),
		cmocka_unit_test(idsort__fails_when_it_cannot_write),
		cmocka_unit_test(ids__are_found_again),
		cmocka_unit_test(ids__have_the_bytes_that_the_header_gives),
		cmocka_unit_test(ids__that_are_damaged_are_noticed),
		cmocka_unit_test(ids__abandoned_leave_the_old_file),
	};

	return cmocka_run_group_tests_name("idsort", tests, make_folder, remove_folder);
}
