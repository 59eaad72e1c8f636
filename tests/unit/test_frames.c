/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/limits.h"

#include "common/mem.h"
#include "worker/frames.h"

/* The documents of a body, each behind a '|', read in pieces of `piece`. */
static void read_all(const char *body, size_t piece, bool lines, struct buf *out)
{
	struct frames f;
	size_t len = strlen(body);
	bool open = false;

	frames_init(&f, lines);
	buf_clear(out);
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		unsigned char *copy = mem_dup(body + at, n);
		const unsigned char *p = copy;
		enum frames_event event;
		struct bytes data;

		while ((event = frames_next(&f, &p, copy + n, &data)) != FRAMES_MORE) {
			if (event == FRAMES_END) {
				assert_true(open);
				open = false;
				continue;
			}
			if (!open)
				buf_add_byte(out, '|');
			open = true;
			assert_true(data.len > 0);
			buf_add(out, data.data, data.len);
		}
		assert_ptr_equal(p, copy + n);
		free(copy);
	}
	if (open)
		buf_add_str(out, "...");
}

static void check(const char *body, bool lines, const char *want)
{
	struct buf out;

	buf_init(&out, KIB(4));
	for (size_t piece = 1; piece <= strlen(body); piece++) {
		read_all(body, piece, lines, &out);
		assert_string_equal(buf_text(&out), want);
	}
	buf_release(&out);
}

static void frames__finds_the_events(void **state)
{
	(void)state;
	check("data: a\n\ndata: b\n\n", false, "|a|b");
	check("data: a\r\n\r\ndata: b\r\r", false, "|a|b");
	check("\xef\xbb\xbf"
	      "data:a\n\n",
		false, "|a");
	/* Half a mark is the beginning of a field that nobody knows. */
	check("\xef\xbb"
	      "data:a\n\ndata:b\n\n",
		false, "|b");
	check("data: a", false, "|a...");
	check("data: a\n", false, "|a...");
}

static void frames__leaves_out_what_is_no_data(void **state)
{
	(void)state;
	check(": hello\n\nevent: x\nid: 3\nretry: 5\ndata: a\nevent: y\n\n", false,
		"|a");
	check("dat: a\ndataa: b\ndata\n\ndatum: c\n\n:data: d\n\n", false, "");
	check("data: a\n\n\n\n: c\n\ndata: b\n\n", false, "|a|b");
	check("data:\n\ndata: \n\ndata: x\n\n", false, "|x");
}

static void frames__joins_the_lines_of_one_event(void **state)
{
	(void)state;
	check("data: {\ndata: }\n\n", false, "|{\n}");
	check("data: {\r\n: between\r\nid: 3\r\ndata: }\r\n\r\n", false, "|{\n}");
	/* One blank belongs to the field, the others to the data. */
	check("data:   a\n\n", false, "|  a");
}

static void frames__takes_a_line_for_a_document(void **state)
{
	(void)state;
	check("{}\n{\"a\":1}\r\n\n  \n[]", true, "|{}|{\"a\":1}|[]...");
	check("data: a\n", true, "|data: a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames__finds_the_events),
		cmocka_unit_test(frames__leaves_out_what_is_no_data),
		cmocka_unit_test(frames__joins_the_lines_of_one_event),
		cmocka_unit_test(frames__takes_a_line_for_a_document),
	};

	return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
