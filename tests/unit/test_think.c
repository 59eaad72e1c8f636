/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "worker/think.h"

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void check_found(const char *in, const char *reasoning, const char *content)
{
	struct think t;

	if (!think_find(text(in), &t))
		fail_msg("nothing found in '%s'", in);
	assert_bytes_equal(t.reasoning, reasoning);
	assert_bytes_equal(t.content, content);
	assert_false(t.unclosed);
}

static void think__splits_at_the_tags(void **state)
{
	(void)state;
	check_found("<think>a</think>b", "a", "b");
	check_found("<think>\na\nb\n</think>\n\nc\n", "a\nb", "c\n");
	check_found("\n \t<think>a</think>b", "a", "b");
	check_found("<think>\r\na\r\n</think>\r\n\r\nc", "a", "c");
	check_found("<thinking>a</thinking>b", "a", "b");
	check_found("<think></think>b", "", "b");
	check_found("<think>\n\n</think>\n\nb", "", "b");
	check_found("<think>a</think>", "a", "");
	check_found("<think> a </think> b", " a ", " b");
	check_found("<think>a</think>b</think>c", "a", "b</think>c");
	check_found("<think>a<think>b</think>c", "a<think>b", "c");
	check_found("<|begin_of_thought|>\na\n<|end_of_thought|>\n\n"
		    "<|begin_of_solution|>\nb\n<|end_of_solution|>\n",
		"a", "b");
	check_found("<|begin_of_thought|>a<|end_of_thought|>b", "a", "b");
	check_found("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>b",
		"a", "b");
}

static void think__needs_no_opening_tag(void **state)
{
	(void)state;
	check_found("a\n</think>\n\nb", "a", "b");
	check_found("\n\na</think>b", "a", "b");
	check_found("</think>b", "", "b");
}

static void think__takes_a_tag_that_is_not_closed_for_all_of_it(void **state)
{
	static const char *const texts[] = {"<think>\na\n", " <thinking>a",
		"<|begin_of_thought|>a", "<think>a</thin"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct think t;

		assert_true(think_find(text(texts[i]), &t));
		assert_true(t.unclosed);
		assert_int_equal(t.content.len, 0);
		assert_int_equal(t.reasoning.data[0], 'a');
	}
}

static void think__leaves_other_texts_alone(void **state)
{
	static const char *const texts[] = {"", "a", " ", "a <think>b",
		"<thinker>a</thinker>b",
		"<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final",
		"a</thinking>b", "a<|end_of_thought|>b", "<THINK>a", "< think>a"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct think t;

		if (think_find(text(texts[i]), &t))
			fail_msg("found in '%s'", texts[i]);
	}
}

static void answer_of(struct answer *a, const char *content)
{
	answer_clear(a);
	buf_add_str(&a->content.text, content);
	a->content.present = true;
}

static void think_split__moves_the_reasoning_and_sets_flags(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, "<think>\na\n</think>\n\nb");
	think_split(&a);
	assert_bytes_equal(a.reasoning.text, "a");
	assert_true(a.reasoning.present);
	assert_bytes_equal(a.content.text, "b");
	assert_int_equal(a.flags, 0);

	answer_of(&a, "<think>\na");
	a.flags = FLAG_TRUNCATED;
	think_split(&a);
	assert_bytes_equal(a.reasoning.text, "a");
	assert_true(a.content.present);
	assert_int_equal(a.content.text.len, 0);
	assert_int_equal(
		a.flags, FLAG_TRUNCATED | FLAG_UNCLOSED_REASONING | FLAG_NO_CONTENT);

	answer_of(&a, "<think>a</think>\n");
	think_split(&a);
	assert_int_equal(a.flags, FLAG_NO_CONTENT);

	answer_of(&a, "<think>a</think>");
	a.tool_calls.present = true;
	think_split(&a);
	assert_int_equal(a.flags, 0);
	answer_release(&a);
}

static void think_split__leaves_what_the_server_split(void **state)
{
	struct answer a = {0};

	(void)state;
	answer_of(&a, "<think>a</think>b");
	buf_add_str(&a.reasoning.text, "\nr\n");
	a.reasoning.present = true;
	think_split(&a);
	assert_bytes_equal(a.reasoning.text, "\nr\n");
	assert_bytes_equal(a.content.text, "<think>a</think>b");

	answer_of(&a, "no tags");
	think_split(&a);
	assert_false(a.reasoning.present);
	assert_bytes_equal(a.content.text, "no tags");

	answer_clear(&a);
	think_split(&a);
	assert_false(a.reasoning.present);
	answer_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(think__splits_at_the_tags),
		cmocka_unit_test(think__needs_no_opening_tag),
		cmocka_unit_test(think__takes_a_tag_that_is_not_closed_for_all_of_it),
		cmocka_unit_test(think__leaves_other_texts_alone),
		cmocka_unit_test(think_split__moves_the_reasoning_and_sets_flags),
		cmocka_unit_test(think_split__leaves_what_the_server_split),
	};

	return cmocka_run_group_tests_name("think", tests, NULL, NULL);
}
