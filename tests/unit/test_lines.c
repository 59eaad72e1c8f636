/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/folder.h"

#include <zlib.h>
#include <zstd.h>

#include "common/limits.h"
#include "coordinator/lines.h"

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

static struct lines *open_lines(const char *path)
{
	struct lines *l;
	struct err err;

	if (lines_open(path, &l, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	return l;
}

static bool next(struct lines *l, struct line *line)
{
	struct err err;
	bool found;

	if (lines_next(l, line, &found, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	return found;
}

/* Writes each line as "number@offset+length:bytes\n". */
static void describe(const char *path, struct buf *out)
{
	struct lines *l = open_lines(path);
	struct line line;

	buf_clear(out);
	while (next(l, &line)) {
		buf_printf(out, "%d@%d+%d:", (int)line.number, (int)line.offset,
			(int)line.length);
		buf_add(out, line.bytes.data, line.bytes.len);
		buf_add_byte(out, '\n');
	}
	lines_close(l);
}

static void lines__end_where_people_end_them(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", ""},
		{"\n", "1@0+1:\n"},
		{"a", "1@0+1:a\n"},
		{"a\n", "1@0+2:a\n"},
		{"a\nb", "1@0+2:a\n2@2+1:b\n"},
		{"a\n\nb\n", "1@0+2:a\n2@2+1:\n3@3+2:b\n"},
		{"a\r\nb\r\n", "1@0+3:a\n2@3+3:b\n"},
		{"a\rb\r\r\n\r\nc\r", "1@0+6:a\rb\r\n2@6+2:\n3@8+2:c\n"},
		{"\xef\xbb\xbf", ""},
		{"\xef\xbb\xbfone\n\xef\xbb\xbftwo",
			"1@3+4:one\n2@7+6:\xef\xbb\xbftwo\n"},
		{"\xef\xbb", "1@0+2:\xef\xbb\n"},
	};
	struct buf got;

	(void)state;
	buf_init(&got, KIB(4));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = folder_write_text(&folder, "a", cases[i].text);

		describe(path, &got);
		assert_string_equal(buf_text(&got), cases[i].want);
		free(path);
	}
	buf_release(&got);
}

/* Text of some 700 KB with lines of all lengths, so that some straddle reads. */
static void make_text(struct buf *out)
{
	struct chance c = {7};

	buf_init(out, MIB(4));
	for (int i = 0; i < 300; i++) {
		uint64_t n = chance_below(&c, i % 50 == 7 ? 200000 : 400);

		for (uint64_t k = 0; k < n; k++)
			buf_add_byte(out, (unsigned char)('a' + chance_below(&c, 26)));
		buf_add_str(out, i % 3 ? "\n" : "\r\n");
	}
	buf_add_str(out, "last");
}

static void check_same_lines(const struct buf *text, const char *path)
{
	struct lines *l = open_lines(path);
	struct line line;
	size_t at = 0;
	uint64_t n = 0;
	struct hash128 got, want = hash128(text->data, text->len);

	while (next(l, &line)) {
		const unsigned char *end =
			memchr(text->data + at, '\n', text->len - at);
		size_t length =
			end ? (size_t)(end + 1 - text->data) - at : text->len - at;
		size_t len = length - (end != NULL);

		if (len && text->data[at + len - 1] == '\r')
			len--;
		assert_int_equal(line.number, ++n);
		assert_int_equal(line.offset, at);
		assert_int_equal(line.length, length);
		assert_int_equal(line.bytes.len, len);
		assert_memory_equal(line.bytes.data, text->data + at, len);
		if (n % 10 == 0) {
			struct hash128 part = hash128(text->data, at + length);

			got = lines_digest(l);
			assert_memory_equal(&got, &part, sizeof(got));
		}
		at += length;
	}
	assert_int_equal(at, text->len);
	got = lines_digest(l);
	assert_memory_equal(&got, &want, sizeof(got));
	lines_close(l);
}

static void lines__straddle_reads_unharmed(void **state)
{
	struct buf text;
	char *path;

	(void)state;
	make_text(&text);
	path = folder_write(&folder, "plain", text.data, text.len);
	check_same_lines(&text, path);
	free(path);
	buf_release(&text);
}

/* One gzip member, appended. */
static void add_gzip(struct buf *out, const void *text, size_t len)
{
	z_stream z = {0};
	size_t bound;

	assert_int_equal(
		deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	bound = deflateBound(&z, len) + 32;
	z.next_out = buf_reserve(out, bound);
	z.avail_out = (uInt)bound;
	z.next_in = (unsigned char *)text;
	z.avail_in = (uInt)len;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

static void add_zstd(struct buf *out, const void *text, size_t len)
{
	size_t bound = ZSTD_compressBound(len);

	out->len += ZSTD_compress(buf_reserve(out, bound), bound, text, len, 3);
}

static void lines__are_the_same_from_packed_files(void **state)
{
	struct buf text, packed;
	char *path;

	(void)state;
	make_text(&text);
	buf_init(&packed, MIB(4));
	for (int zstd = 0; zstd < 2; zstd++) {
		void (*add)(struct buf *, const void *, size_t) =
			zstd ? add_zstd : add_gzip;

		buf_clear(&packed);
		add(&packed, text.data, 1000);
		add(&packed, "", 0);
		add(&packed, text.data + 1000, text.len - 1000);
		path = folder_write(&folder, "named.jsonl", packed.data, packed.len);
		check_same_lines(&text, path);
		free(path);
	}
	/* Zeros behind the last member are padding. */
	buf_clear(&packed);
	add_gzip(&packed, text.data, text.len);
	buf_add_fill(&packed, 0, 1024);
	path = folder_write(&folder, "padded", packed.data, packed.len);
	check_same_lines(&text, path);
	free(path);
	buf_release(&packed);
	buf_release(&text);
}

/* Reads to the end; the error it ends with. */
static enum err_code read_all(const char *path, struct err *err)
{
	struct lines *l;
	struct line line;
	bool found = true;
	enum err_code code = lines_open(path, &l, err);

	if (code != ERR_NONE)
		return code;
	while (code == ERR_NONE && found)
		code = lines_next(l, &line, &found, err);
	lines_close(l);
	return code;
}

static void lines__of_a_damaged_file_end_in_an_error_that_names_it(void **state)
{
	struct buf text, packed;
	struct err err;

	(void)state;
	make_text(&text);
	buf_init(&packed, MIB(4));
	for (int zstd = 0; zstd < 2; zstd++) {
		size_t cuts[] = {3, 9, 20, 0, 0};
		char *path;

		buf_clear(&packed);
		(zstd ? add_zstd : add_gzip)(&packed, text.data, text.len);
		cuts[3] = packed.len / 2;
		cuts[4] = packed.len - 1;
		for (size_t i = zstd ? 1 : 0; i < 5; i++) {
			path = folder_write(&folder, "cut.jsonl", packed.data, cuts[i]);
			assert_int_equal(read_all(path, &err), ERR_CORRUPT);
			assert_non_null(strstr(err.msg, "cut.jsonl"));
			assert_non_null(strstr(err.msg, "ends early"));
			free(path);
		}
		buf_add_str(&packed, "garbage behind");
		path = folder_write(&folder, "more.jsonl", packed.data, packed.len);
		assert_int_equal(read_all(path, &err), ERR_CORRUPT);
		free(path);
		memset(packed.data + packed.len / 2, 0x55, 64);
		path = folder_write(&folder, "bad.jsonl", packed.data, packed.len);
		assert_int_equal(read_all(path, &err), ERR_CORRUPT);
		free(path);
	}
	buf_release(&packed);
	buf_release(&text);
}

static void lines__refuse_what_is_no_corpus_by_name(void **state)
{
	char *path = folder_write(&folder, "x.parquet", "PAR1xxxx", 8);
	struct err err;

	(void)state;
	assert_int_equal(read_all(path, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "Parquet"));
	free(path);
	assert_int_equal(read_all(folder.path, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "regular file"));
	assert_int_equal(read_all("/nonexistent/file", &err), ERR_NOT_FOUND);
}

/* "short\n", then `n` times 'x' and an end, then "after". */
static char *write_long_line(const char *name, size_t n, const char *end, bool zstd)
{
	struct buf text, packed;
	char *path;

	buf_init(&text, MIB(64));
	buf_init(&packed, MIB(64));
	buf_add_str(&text, "short\n");
	buf_add_fill(&text, 'x', n);
	buf_add_str(&text, end);
	buf_add_str(&text, "after");
	if (zstd)
		add_zstd(&packed, text.data, text.len);
	else
		buf_add(&packed, text.data, text.len);
	path = folder_write(&folder, name, packed.data, packed.len);
	buf_release(&text);
	buf_release(&packed);
	return path;
}

static void check_long_line(char *path, size_t n, size_t end_len, bool too_long)
{
	struct lines *l = open_lines(path);
	struct line line;

	assert_true(next(l, &line));
	assert_true(next(l, &line));
	assert_int_equal(line.too_long, too_long);
	assert_int_equal(line.number, 2);
	assert_int_equal(line.offset, 6);
	assert_int_equal(line.length, n + end_len);
	assert_int_equal(line.bytes.len, too_long ? 0 : n);
	assert_true(next(l, &line));
	assert_int_equal(line.number, 3);
	assert_int_equal(line.offset, 6 + n + end_len);
	assert_bytes_equal(line.bytes, "after");
	assert_false(next(l, &line));
	lines_close(l);
	free(path);
}

static void lines__over_the_limit_are_stepped_over(void **state)
{
	size_t limit = LIMIT_CORPUS_LINE;

	(void)state;
	check_long_line(write_long_line("a", limit, "\n", false), limit, 1, false);
	check_long_line(write_long_line("b", limit, "\r\n", false), limit, 2, false);
	check_long_line(
		write_long_line("c", limit + 1, "\n", false), limit + 1, 1, true);
	check_long_line(write_long_line("d", MIB(50), "\n", false), MIB(50), 1, true);
	/* A bomb is no more than a long line: these 50 MB are 5 KB. */
	check_long_line(write_long_line("e", MIB(50), "\n", true), MIB(50), 1, true);
}

static void lines__that_are_too_long_have_a_hash_of_all_they_hold(void **state)
{
	uint32_t hash[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		char *path = write_long_line("a", LIMIT_CORPUS_LINE + 1000 - (size_t)i,
			i ? "y\n" : "\n", false);
		struct lines *l = open_lines(path);
		struct line line;

		assert_true(next(l, &line) && next(l, &line));
		hash[i] = line.long_hash;
		lines_close(l);
		free(path);
	}
	assert_int_not_equal(hash[0], hash[1]);
}

static void lines__give_the_digest_of_a_beginning(void **state)
{
	static const char text[] = "first\nsecond\nthird\n";
	char *path = folder_write_text(&folder, "a", text);

	(void)state;
	/* Also one that ends between a line and its end. */
	for (size_t mark = 0; mark <= strlen(text); mark++) {
		struct lines *l = open_lines(path);
		struct hash128 got, want = hash128(text, mark);
		struct line line;
		uint64_t seen = 0;

		lines_mark(l, mark);
		while (next(l, &line)) {
			seen = line.offset + line.length;
			assert_int_equal(lines_marked_digest(l, &got), seen >= mark);
		}
		assert_true(lines_marked_digest(l, &got));
		assert_memory_equal(&got, &want, sizeof(got));
		got = lines_digest(l);
		want = hash128(text, strlen(text));
		assert_memory_equal(&got, &want, sizeof(got));
		lines_close(l);
	}
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines__end_where_people_end_them),
		cmocka_unit_test(lines__straddle_reads_unharmed),
		cmocka_unit_test(lines__are_the_same_from_packed_files),
		cmocka_unit_test(
			lines__of_a_damaged_file_end_in_an_error_that_names_it),
		cmocka_unit_test(lines__refuse_what_is_no_corpus_by_name),
		cmocka_unit_test(lines__over_the_limit_are_stepped_over),
		cmocka_unit_test(lines__that_are_too_long_have_a_hash_of_all_they_hold),
		cmocka_unit_test(lines__give_the_digest_of_a_beginning),
	};

	return cmocka_run_group_tests_name("lines", tests, make_folder, remove_folder);
}
