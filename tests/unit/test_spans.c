/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <math.h>

#include "worker/spans.h"

/* An answer whose tokens are `tokens`, NULL-terminated; "?" has no known bytes. */
static void answer_of(struct answer *a, const char *reasoning, const char *content,
	enum finish finish, const char *const *tokens)
{
	struct rows *r = &a->rows;

	answer_clear(a);
	if (reasoning) {
		buf_add_str(&a->reasoning.text, reasoning);
		a->reasoning.present = true;
	}
	buf_add_str(&a->content.text, content);
	a->content.present = true;
	a->finish = finish;
	for (; *tokens; tokens++) {
		rows_grow(r);
		r->first[r->n] = r->first[r->n + 1] = 0;
		r->id[r->n] = TOKEN_ID_UNKNOWN;
		r->logprob[r->n] = -1;
		r->token_at[r->n] = (uint32_t)r->pool.len;
		if (strcmp(*tokens, "?") == 0) {
			r->token_len[r->n] = TOKEN_BYTES_UNKNOWN;
		} else {
			r->token_len[r->n] = (uint16_t)strlen(*tokens);
			buf_add_str(&r->pool, *tokens);
		}
		r->n++;
	}
	a->has_rows = true;
	a->usage.completion_tokens = r->n;
}

#define TOKENS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct expected {
	uint32_t r_first, r_behind, c_first, c_behind;
	enum eos_row eos;
};
#define NO SPAN_UNKNOWN

static void check(const struct answer *a, enum job_server server, struct expected want)
{
	struct spans s;
	struct buf stream;

	buf_init(&stream, MIB(1));
	spans_find(a, server, false, &stream, &s);
	assert_int_equal(s.reasoning.first, want.r_first);
	assert_int_equal(s.reasoning.behind, want.r_behind);
	assert_int_equal(s.content.first, want.c_first);
	assert_int_equal(s.content.behind, want.c_behind);
	assert_int_equal(s.eos_row, want.eos);
	if (a->content.text.len > 0)
		assert_int_equal(
			s.fits, s.content_at != SPAN_NOWHERE &&
					(a->reasoning.text.len == 0 ||
						s.reasoning_at != SPAN_NOWHERE));
	if (s.content_at != SPAN_NOWHERE)
		assert_memory_equal(stream.data + s.content_at, a->content.text.data,
			a->content.text.len);
	if (s.reasoning_at != SPAN_NOWHERE)
		assert_memory_equal(stream.data + s.reasoning_at,
			a->reasoning.text.data, a->reasoning.text.len);
	buf_release(&stream);
}

static void spans__of_tags_texts_and_the_end_token(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, "so 4", "it is 4", FINISH_STOP,
		TOKENS("<think>", "\n", "so", " 4", "\n", "</think>", "\n\n", "it",
			" is", " 4", "<|im_end|>"));
	check(&a, SERVER_OPENAI, (struct expected){2, 4, 7, 10, EOS_ROW_YES});
	/* The last token shows nothing. */
	answer_of(&a, NULL, "it is 4", FINISH_STOP, TOKENS("it", " is", " 4", ""));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, 0, 3, EOS_ROW_YES});
	/* No row for the end. */
	answer_of(&a, NULL, "it is 4", FINISH_STOP, TOKENS("it", " is", " 4"));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, 0, 3, EOS_ROW_NO});
	answer_release(&a);
}

static void spans__take_the_content_from_the_end(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, "4 or 4", "4", FINISH_STOP,
		TOKENS("4", " or", " 4", "</think>", "4", "</s>"));
	check(&a, SERVER_OPENAI, (struct expected){0, 3, 4, 5, EOS_ROW_YES});
	/* "i" is in the tag as well. */
	answer_of(&a, "a", "i", FINISH_STOP, TOKENS("a", "</think>", "i", "</s>"));
	check(&a, SERVER_OPENAI, (struct expected){0, 1, 2, 3, EOS_ROW_YES});
	answer_release(&a);
}

static void spans__give_a_straddling_token_to_where_it_begins(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, "so 4.", "yes", FINISH_STOP,
		TOKENS("<think>so", " 4", ".\n</think>\n\ny", "es", "</s>"));
	check(&a, SERVER_OPENAI, (struct expected){1, 3, 3, 4, EOS_ROW_YES});
	/* All of the text in a token that begins before it. */
	answer_of(&a, NULL, "b", FINISH_LENGTH, TOKENS("a", "\nb"));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, 2, 2, EOS_ROW_NO});
	answer_release(&a);
}

static void spans__skip_tokens_without_bytes_before_a_text(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, NULL, "ab", FINISH_LENGTH, TOKENS("", "a", "", "b"));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, 1, 4, EOS_ROW_NO});
	answer_release(&a);
}

/* Tokens that end within a character begin where the row does that has their bytes. */
static void spans__begin_with_a_token_that_was_passed_over(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, NULL, "ab", FINISH_LENGTH, TOKENS("\n", "", "", "", "a", "b"));
	for (uint32_t i = 2; i < 4; i++)
		a.rows.logprob[i] = (double)NAN;
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, 2, 6, EOS_ROW_NO});
	answer_release(&a);
}

/* What the server shows of half a character is U+FFFD. */
static void spans__go_on_to_where_a_character_was_cut(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, NULL, "ab\xef\xbf\xbd", FINISH_LENGTH,
		TOKENS("\n", "a", "b", "?", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, 1, 5, EOS_ROW_NO});
	answer_of(&a, NULL, "\xef\xbf\xbd", FINISH_LENGTH, TOKENS("\n", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, 1, 2, EOS_ROW_NO});
	/* The last token began with a blank. */
	answer_of(&a, NULL, "ab \xef\xbf\xbd", FINISH_LENGTH,
		TOKENS("\n", "a", "b", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, 1, 4, EOS_ROW_NO});
	/* Another text, another end, and all bytes known. */
	answer_of(&a, NULL, "ac\xef\xbf\xbd", FINISH_LENGTH, TOKENS("a", "b", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, NO, NO, EOS_ROW_NO});
	answer_of(&a, NULL, "ab\xef\xbf\xbd", FINISH_STOP, TOKENS("a", "b", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, NO, NO, EOS_ROW_UNKNOWN});
	answer_of(&a, NULL, "ab\xef\xbf\xbd", FINISH_LENGTH, TOKENS("a", "b", "c"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, NO, NO, EOS_ROW_NO});
	answer_of(&a, NULL, "abac\xef\xbf\xbd", FINISH_LENGTH, TOKENS("c", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, NO, NO, EOS_ROW_NO});
	answer_release(&a);
}

static void spans__need_no_bytes_at_the_end(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, NULL, "ab", FINISH_STOP_WORD, TOKENS("a", "b", "?", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, 0, 2, EOS_ROW_NO});
	answer_of(&a, NULL, "abc", FINISH_STOP_WORD, TOKENS("a", "b", "?", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, NO, NO, EOS_ROW_NO});
	answer_of(&a, NULL, "ab", FINISH_STOP_WORD, TOKENS("a", "?", "b", "?"));
	check(&a, SERVER_LLAMACPP, (struct expected){NO, NO, NO, NO, EOS_ROW_NO});
	answer_release(&a);
}

static void spans__are_unknown_where_bytes_are(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, "r", "it is 4", FINISH_STOP, TOKENS("it", "?", " 4", "</s>"));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, NO, NO, EOS_ROW_UNKNOWN});
	/* vLLM gives the end token a row. */
	check(&a, SERVER_VLLM, (struct expected){NO, NO, NO, NO, EOS_ROW_YES});
	/* Only the last token's are missing: the end. */
	answer_of(&a, NULL, "it is", FINISH_STOP, TOKENS("it", " is", "?"));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, 0, 2, EOS_ROW_UNKNOWN});
	check(&a, SERVER_SGLANG, (struct expected){NO, NO, 0, 2, EOS_ROW_YES});
	answer_clear(&a);
	check(&a, SERVER_VLLM, (struct expected){NO, NO, NO, NO, EOS_ROW_UNKNOWN});
	answer_release(&a);
}

static bool is_trusted(const struct answer *a, enum job_server server)
{
	struct spans s;
	struct buf stream;

	buf_init(&stream, MIB(1));
	spans_find(a, server, false, &stream, &s);
	buf_release(&stream);
	return s.trusted;
}

static void spans__know_whose_bytes_are_the_texts(void **state)
{
	struct answer a = {0};
	struct spans s;
	struct buf stream;

	(void)state;
	buf_init(&stream, MIB(1));
	answer_of(&a, NULL, "it is 4", FINISH_STOP, TOKENS("it", " 4"));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, NO, NO, EOS_ROW_UNKNOWN});
	assert_true(is_trusted(&a, SERVER_OPENAI));
	/* Bytes beside ids may be decoded ones; llama.cpp's are the tokens'. */
	a.rows.id[0] = 7;
	a.rows.id[1] = 8;
	assert_false(is_trusted(&a, SERVER_OPENAI));
	assert_true(is_trusted(&a, SERVER_LLAMACPP));
	spans_find(&a, SERVER_OPENAI, true, &stream, &s);
	assert_true(s.trusted); /* the ids are the dataset's own */
	/* The last token's bytes are not known. */
	answer_of(&a, NULL, "it is 4", FINISH_STOP, TOKENS("it", " is", "?"));
	assert_false(is_trusted(&a, SERVER_OPENAI));
	buf_release(&stream);
	answer_release(&a);
}

static void spans__tell_the_end_row_by_counts_and_finish(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, NULL, "ab", FINISH_LENGTH, TOKENS("a", "b", "</s>"));
	check(&a, SERVER_VLLM, (struct expected){NO, NO, 0, 2, EOS_ROW_NO});
	answer_of(&a, NULL, "ab", FINISH_STOP_WORD, TOKENS("a", "b", "##"));
	check(&a, SERVER_VLLM, (struct expected){NO, NO, 0, 2, EOS_ROW_NO});
	/* White space that a server trimmed looks like an end token. */
	answer_of(&a, NULL, "ab", FINISH_STOP, TOKENS("a", "b", "\n"));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, 0, 2, EOS_ROW_UNKNOWN});
	/* And so may a row too many. */
	answer_of(&a, NULL, "ab.", FINISH_STOP, TOKENS("a", "b", ".", "."));
	check(&a, SERVER_OPENAI, (struct expected){NO, NO, 0, 3, EOS_ROW_UNKNOWN});
	/* One token more than rows, the reader has seen. */
	answer_of(&a, NULL, "ab", FINISH_STOP, TOKENS("a", "b"));
	a.eos_row = EOS_ROW_NO;
	a.usage.completion_tokens = 3;
	check(&a, SERVER_VLLM, (struct expected){NO, NO, 0, 2, EOS_ROW_NO});
	answer_of(&a, NULL, "ab", FINISH_STOP, TOKENS("a", "b", "</s>"));
	a.usage.completion_tokens = 9;
	check(&a, SERVER_VLLM, (struct expected){NO, NO, 0, 2, EOS_ROW_UNKNOWN});
	answer_of(&a, NULL, "", FINISH_TOOL_CALLS, TOKENS("{", "}", "</s>"));
	check(&a, SERVER_VLLM, (struct expected){NO, NO, NO, NO, EOS_ROW_UNKNOWN});
	answer_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans__of_tags_texts_and_the_end_token),
		cmocka_unit_test(spans__take_the_content_from_the_end),
		cmocka_unit_test(spans__give_a_straddling_token_to_where_it_begins),
		cmocka_unit_test(spans__skip_tokens_without_bytes_before_a_text),
		cmocka_unit_test(spans__begin_with_a_token_that_was_passed_over),
		cmocka_unit_test(spans__go_on_to_where_a_character_was_cut),
		cmocka_unit_test(spans__need_no_bytes_at_the_end),
		cmocka_unit_test(spans__are_unknown_where_bytes_are),
		cmocka_unit_test(spans__know_whose_bytes_are_the_texts),
		cmocka_unit_test(spans__tell_the_end_row_by_counts_and_finish),
	};

	return cmocka_run_group_tests_name("spans", tests, NULL, NULL);
}
