/* SPDX-License-Identifier: Apache-2.0 */
/* Every case of tests/data/answers, in pieces of every size and cut at every
 * place. A folder for each protocol; the form of the files is in the README.md
 * there. */
#include "unit/unit.h"

#include <dirent.h>
#include <math.h>

#include "common/mem.h"
#include "common/text.h"
#include "worker/protocol.h"
#include "worker/reader.h"

#ifndef TEST_DATA
#define TEST_DATA "tests/data"
#endif

struct answer_case {
	char name[512];
	const struct shape *shape;
	struct answer_rules rules;
	struct buf body;
	char *expect; /* lines */
	char *text;   /* of the file */
};

/* Reading a case */

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	struct buf b;
	char *text;

	if (!f)
		fail_msg("cannot open %s", path);
	buf_init(&b, MIB(1));
	for (int c; (c = getc(f)) != EOF;)
		buf_add_byte(&b, (unsigned char)c);
	fclose(f);
	text = mem_dup_text((const char *)b.data, b.len);
	buf_release(&b);
	return text;
}

/* Cuts `text` before the line `line`; returns what is behind that line. */
static char *behind_line(char *text, const char *line)
{
	char *at = text;

	while (strncmp(at, line, strlen(line)) != 0) {
		at = strchr(at, '\n');
		assert_non_null(at);
		at++;
	}
	if (at > text)
		at[-1] = '\0';
	return at + strlen(line);
}

static void add_body(struct buf *out, const char *text)
{
	while (*text) {
		unsigned char byte;

		if (text[0] == '\\' && text[1] == 'x' &&
			text_unhex(text + 2, 2, &byte, 1)) {
			buf_add_byte(out, byte);
			text += 4;
		} else {
			size_t n = text[0] == '\\' && text[1] ? 2 : 1;

			buf_add(out, text, n);
			text += n;
		}
	}
}

static void read_rules(const char *text, struct answer_rules *rules)
{
	const char *at = strstr(text, "k=");
	const char *max = strstr(text, "body_max=");

	const char *given = strstr(text, "given=[");

	assert_non_null(at);
	*rules = (struct answer_rules){.top_logprobs = (uint32_t)atoi(at + 2),
		.logits_required = strstr(text, "required") != NULL,
		.stream = strstr(text, "stream") != NULL,
		.scored = strstr(text, "scored=") != NULL,
		.prompt_len = strstr(text, "scored=")
				      ? (uint32_t)atoi(strstr(text, "scored=") + 7)
				      : 0,
		.given = bytes_of(
			given ? given + 6 : NULL, given ? strcspn(given + 6, " ") : 0),
		.loop = {6, 300},
		.body_max = max ? (size_t)atoi(max + 9) : MIB(1)};
}

static void case_read(const char *api, const char *name, struct answer_case *c)
{
	char path[1024], *rules, *body;

	snprintf(path, sizeof(path), TEST_DATA "/answers/%s/%s", api, name);
	snprintf(c->name, sizeof(c->name), "%s/%s", api, name);
	assert_non_null(protocol_find(api));
	c->shape = protocol_find(api)->shape;
	c->text = read_file(path);
	rules = behind_line(c->text, "rules: ");
	body = behind_line(rules, "body:\n");
	c->expect = behind_line(body, "expect:\n");
	read_rules(rules, &c->rules);
	buf_init(&c->body, MIB(1));
	/* An empty body leaves no line between "body:" and "expect:". */
	add_body(&c->body, body < c->expect - strlen("expect:\n") ? body : "");
}

static void case_release(struct answer_case *c)
{
	buf_release(&c->body);
	free(c->text);
}

/* Writing what was read, one line per key */

static void put_bytes(struct buf *out, struct bytes b)
{
	if (utf8_valid_prefix(b.data, b.len) < b.len) {
		for (size_t i = 0; i < b.len; i++)
			buf_printf(out, "\\x%02x", b.data[i]);
		return;
	}
	buf_add_byte(out, '"');
	for (size_t i = 0; i < b.len; i++) {
		static const char from[] = "\"\\\n\r\t\f", to[] = "\"\\nrtf";
		const char *at = b.data[i] ? strchr(from, b.data[i]) : NULL;

		if (at) {
			buf_add_byte(out, '\\');
			buf_add_byte(out, (unsigned char)to[at - from]);
		} else {
			buf_add_byte(out, b.data[i]);
		}
	}
	buf_add_byte(out, '"');
}

static void put_text(
	struct buf *out, const char *key, const struct answer_text *t, bool raw)
{
	buf_printf(out, "%s: ", key);
	if (!t->present)
		buf_add_str(out, "null");
	else if (raw)
		buf_add(out, t->text.data, t->text.len);
	else
		put_bytes(out, buf_bytes(&t->text));
	buf_add_byte(out, '\n');
}

static void put_count(struct buf *out, uint32_t count)
{
	if (count == COUNT_UNKNOWN)
		buf_add_str(out, " -");
	else
		buf_printf(out, " %u", count);
}

static void put_ids(struct buf *out, const char *key, const struct answer_ids *ids)
{
	buf_printf(out, "%s:", key);
	for (uint32_t i = 0; i < ids->n; i++)
		buf_printf(out, " %u", ids->at[i]);
	buf_add_byte(out, '\n');
}

static void put_candidate(struct buf *out, const struct rows *r, uint32_t j)
{
	buf_add_byte(out, ' ');
	if (r->cand_id[j] != TOKEN_ID_UNKNOWN)
		buf_printf(out, "%u", r->cand_id[j]);
	else if (r->cand_len[j] != TOKEN_BYTES_UNKNOWN)
		put_bytes(out, bytes_of(r->pool.data + r->cand_at[j], r->cand_len[j]));
	else
		buf_add_byte(out, '?');
	buf_printf(out, "=%.16g", r->cand_logprob[j] + 0.0);
}

/* The bytes of candidates that have ids. */
static void put_texts(struct buf *out, const struct rows *r, uint32_t i)
{
	buf_printf(out, "texts %u:", i);
	for (uint32_t j = r->first[i]; j < r->first[i + 1]; j++) {
		buf_add_byte(out, ' ');
		if (r->cand_len[j] == TOKEN_BYTES_UNKNOWN)
			buf_add_byte(out, '?');
		else
			put_bytes(out,
				bytes_of(r->pool.data + r->cand_at[j], r->cand_len[j]));
	}
	buf_add_byte(out, '\n');
}

static void put_row(struct buf *out, const struct rows *r, uint32_t i)
{
	struct bytes token;

	buf_printf(out, "row %u: ", i);
	if (r->id[i] == TOKEN_ID_UNKNOWN)
		buf_add_str(out, "? ");
	else
		buf_printf(out, "%u ", r->id[i]);
	if (isnan(r->logprob[i]))
		buf_add_str(out, "absent ");
	else
		buf_printf(out, "%.16g ", r->logprob[i] + 0.0);
	if (rows_token(r, i, &token))
		put_bytes(out, token);
	else
		buf_add_byte(out, '?');
	buf_add_str(out, " |");
	for (uint32_t j = r->first[i]; j < r->first[i + 1]; j++)
		put_candidate(out, r, j);
	buf_add_byte(out, '\n');
}

static void put_answer(struct buf *out, const struct answer *a, enum reason reason)
{
	static const char *const finishes[] = {
		"other", "stop", "stop_word", "length", "tool_calls", "content_filter"};
	static const char *const eos[] = {"no", "yes", "unknown"};

	buf_printf(out, "reason: %s\nflags:", reason_name(reason));
	for (int i = 0; i < 31; i++)
		if (a->flags >> i & 1)
			buf_printf(out, " %s", flag_name(i));
	buf_printf(out, "\nmisaligned: %s\nfinish: %s\n",
		a->misaligned ? misaligned_name(a->misaligned) : "none",
		finishes[a->finish]);
	put_text(out, "content", &a->content, false);
	put_text(out, "reasoning", &a->reasoning, false);
	put_text(out, "refusal", &a->refusal, false);
	put_text(out, "finish_text", &a->finish_text, false);
	put_text(out, "model", &a->model, false);
	put_text(out, "system_fingerprint", &a->system_fingerprint, false);
	put_text(out, "id", &a->id, false);
	put_text(out, "tool_calls", &a->tool_calls, true);
	put_text(out, "stop_reason", &a->stop_reason, true);
	buf_add_str(out, "usage:");
	put_count(out, a->usage.prompt_tokens);
	put_count(out, a->usage.cached_prompt_tokens);
	put_count(out, a->usage.completion_tokens);
	put_count(out, a->usage.reasoning_tokens);
	buf_printf(out, "\nerror: %s / %s / %s\n", a->error.code, a->error.type,
		a->error.message);
	buf_printf(out, "retry_after_ms: %lld\n", (long long)a->error.retry_after_ms);
	put_ids(out, "token_ids", &a->token_ids);
	put_ids(out, "prompt_token_ids", &a->prompt_token_ids);
	buf_printf(out, "eos_row: %s\n", eos[a->eos_row]);
	if (!a->has_rows)
		buf_add_str(out, "rows: -\n");
	else
		buf_printf(out, "rows: %u %u\n", a->rows.n, a->rows.m);
	for (uint32_t i = 0; reason == REASON_NONE && i < a->rows.n; i++) {
		put_row(out, &a->rows, i);
		put_texts(out, &a->rows, i);
		if (a->rows.m > 0)
			buf_printf(out, "tail %u: %.6g\n", i, a->rows.tail[i]);
	}
}

/* Reading, in pieces */

static int n_wrong; /* cases go on after one that fails */

static enum reason read_in_pieces(struct reader *reader, const struct answer_case *c,
	size_t len, size_t piece, struct answer *a)
{
	reader_begin(reader, c->shape, &c->rules, a);
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		/* Exactly as long as the piece, so that ASan sees overreads. */
		unsigned char *copy = mem_dup(c->body.data + at, n);
		bool goes_on = reader_feed(reader, copy, n);

		free(copy);
		if (!goes_on)
			break;
	}
	return reader_end(reader);
}

static void compare(const struct answer_case *c, size_t piece, const char *got)
{
	char *lines = mem_dup_str(c->expect), *rest = lines, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		size_t n = strlen(line);
		const char *at = *line ? strstr(got, line) : got;

		while (at && *line && ((at > got && at[-1] != '\n') || at[n] != '\n'))
			at = strstr(at + 1, line);
		if (!at) {
			print_error("%s, pieces of %zu: no line '%s' in\n%s", c->name,
				piece, line, got);
			n_wrong++;
			break;
		}
	}
	free(lines);
}

static void check_case(
	struct reader *reader, const struct answer_case *c, struct answer *a)
{
	static const size_t pieces[] = {1, 2, 3, 7, 16, 4096, MIB(1)};
	enum reason reason = REASON_NONE;
	struct buf got;

	buf_init(&got, MIB(1));
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		reason = read_in_pieces(reader, c, c->body.len, pieces[i], a);
		assert_int_equal(a->why == NULL, reason == REASON_NONE);
		buf_clear(&got);
		put_answer(&got, a, reason);
		compare(c, pieces[i], buf_text(&got));
	}
	buf_release(&got);
}

/* Behind the semantic end of a stream only blanks are left. */
static bool only_blanks_behind(const struct answer_case *c, size_t len)
{
	while (len < c->body.len && strchr(" \r\n", c->body.data[len]))
		len++;
	return c->rules.stream && len == c->body.len;
}

static void check_cuts(
	struct reader *reader, const struct answer_case *c, struct answer *a)
{
	/* What was ended early is read no further. */
	if (read_in_pieces(reader, c, c->body.len, MIB(1), a) != REASON_NONE ||
		(a->flags & FLAG_LOOPING))
		return;
	for (size_t len = 0; len < c->body.len && !only_blanks_behind(c, len); len++) {
		enum reason reason = read_in_pieces(reader, c, len, MIB(1), a);

		if (reason != REASON_BODY_CUT) {
			print_error("%s, cut at %zu: %s\n", c->name, len,
				reason_name(reason));
			n_wrong++;
		}
		if (len % 7 == 0)
			assert_int_equal(
				read_in_pieces(reader, c, len, 5, a), REASON_BODY_CUT);
	}
}

static int for_cases_of(const char *api,
	void (*check)(struct reader *, const struct answer_case *, struct answer *),
	struct reader *reader, struct answer *a)
{
	struct dirent **entries;
	char folder[512];
	int n, n_cases = 0;

	snprintf(folder, sizeof(folder), TEST_DATA "/answers/%s", api);
	n = scandir(folder, &entries, NULL, alphasort);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		struct answer_case c;

		if (strstr(entries[i]->d_name, ".case")) {
			case_read(api, entries[i]->d_name, &c);
			check(reader, &c, a);
			case_release(&c);
			n_cases++;
		}
		free(entries[i]);
	}
	free(entries);
	return n_cases;
}

static void for_all_cases(
	void (*check)(struct reader *, const struct answer_case *, struct answer *))
{
	/* One reader and one answer for all, as in the worker. */
	struct reader *reader = reader_new();
	struct answer a = {0};
	struct dirent **entries;
	int n = scandir(TEST_DATA "/answers", &entries, NULL, alphasort), n_cases = 0;

	assert_true(n > 0);
	n_wrong = 0;
	for (int i = 0; i < n; i++) {
		if (!strchr(entries[i]->d_name, '.'))
			n_cases += for_cases_of(entries[i]->d_name, check, reader, &a);
		free(entries[i]);
	}
	free(entries);
	assert_true(n_cases > 150);
	answer_release(&a);
	reader_free(reader);
	assert_int_equal(n_wrong, 0);
}

static void answers__are_read_as_the_transcripts_say(void **state)
{
	(void)state;
	for_all_cases(check_case);
}

static void answers__are_never_readable_when_cut(void **state)
{
	(void)state;
	for_all_cases(check_cuts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers__are_read_as_the_transcripts_say),
		cmocka_unit_test(answers__are_never_readable_when_cut),
	};

	return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
