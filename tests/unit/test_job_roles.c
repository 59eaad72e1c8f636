/* SPDX-License-Identifier: Apache-2.0 */
/* Teachers that score what others say. */
#include "unit/unit.h"

#include "common/job.h"

#define TEACHER(name, rest)                                                            \
	"{\"name\":\"" name                                                            \
	"\",\"url\":\"http://127.0.0.1:1/v1\",\"model\":\"m\"" rest "}"
#define SCORES ",\"api\":\"completions\",\"role\":\"score\""
#define JOB(teachers, rest)                                                            \
	"{\"name\":\"j\",\"corpus\":\"p\",\"teachers\":[" teachers "]" rest "}"

static enum err_code parse(const char *text, struct job *job, struct err *err)
{
	return job_parse(text, strlen(text), "/jobs/job.json", job, err);
}

static void roles__share_the_samples_of_those_that_sample(void **state)
{
	struct job job;
	struct err err = {0};

	(void)state;
	assert_int_equal(
		parse(JOB(TEACHER("s", SCORES
				  ",\"logits\":{\"top_logprobs\":64}") "," TEACHER("a",
				  "") "," TEACHER("r", SCORES) "," TEACHER("b",
				  ",\"api\":\"sglang\""),
			      ",\"logits\":{\"top_logprobs\":5}"),
			&job, &err),
		ERR_NONE);
	assert_int_equal(job_n_samplers(&job), 2);
	assert_int_equal(job_n_scorers(&job), 2);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(job_sampler(&job, i), i % 2 ? 3 : 1);
	assert_int_equal(job_scorer(&job, 0), 0);
	assert_int_equal(job_scorer(&job, 1), 2);
	assert_int_equal(job_teacher_k(&job, 0), 64);
	assert_int_equal(job_teacher_k(&job, 1), 5);
	assert_int_equal(job_teacher_k(&job, 2), 5);
	assert_true(job_teacher_scores(&job, 0) && !job_teacher_scores(&job, 1));
	job_release(&job);
	/* In mode score, all do. */
	assert_int_equal(parse(JOB(TEACHER("a", ",\"api\":\"sglang\""),
				       ",\"mode\":\"score\","
				       "\"logits\":{\"top_logprobs\":5}"),
				 &job, &err),
		ERR_NONE);
	assert_true(job_teacher_scores(&job, 0));
	assert_int_equal(job_n_scorers(&job), 0);
	job_release(&job);
}

static void roles__must_go_together(void **state)
{
	static const struct {
		const char *text, *message;
	} wrong[] = {
		{JOB(TEACHER("a", ",\n\"role\":\"scores\""), ""),
			":2:1: teachers[0].role: \"scores\" is not known (did you mean "
			"'score'?)"},
		{JOB(TEACHER("a", "") "," TEACHER("s", ",\n\"role\":\"score\""), ""),
			":2:1: teachers[1].role: teacher 's' cannot score by its api"},
		{JOB(TEACHER("a", "") "," TEACHER("s", SCORES), ""),
			"teachers[1].role: teacher 's' is asked for no candidates"},
		{JOB(TEACHER("a", "") "," TEACHER("s",
			     SCORES ",\n\"stream\":true,"
				    "\"logits\":{\"top_logprobs\":5}"),
			 ""),
			":2:1: teachers[1].stream: "},
		{JOB(TEACHER("s", SCORES), ",\"logits\":{\"top_logprobs\":5}"),
			"all have role score"},
		{JOB(TEACHER("a", "") "," TEACHER("s", SCORES) "," TEACHER("t",
			     SCORES) "," TEACHER("u", SCORES) "," TEACHER("v", SCORES),
			 ",\"logits\":{\"top_logprobs\":5}"),
			"have more than 3 of role score"},
		{JOB(TEACHER("a", ",\n\"api\":\"anthropic\"") "," TEACHER("s", SCORES),
			 ",\"logits\":{\"top_logprobs\":5}"),
			":2:1: teachers[0].api: teacher 'a' gives no token ids by this"},
		{JOB(TEACHER("a", ",\n\"server\":\"ollama\"") "," TEACHER("s", SCORES),
			 ",\"logits\":{\"top_logprobs\":5}"),
			":2:1: teachers[0].server: teacher 'a' gives no token ids"},
		{JOB(TEACHER("a", ",\n\"logits\":{\"top_logprobs\":5}"), ""),
			"teachers[0].logits.top_logprobs: teacher 'a' samples, and the"},
		{JOB(TEACHER("s", SCORES),
			 ",\"logits\":{\"top_logprobs\":5},\"mode\":\"score\""),
			"needs no role where mode is score"},
		{JOB(TEACHER("s", SCORES ",\"logits\":{\"top_logprobs\":0}"), ""),
			"teachers[0].logits.top_logprobs: must be from 1 to 1024"},
	};
	struct job job;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err err = {0};

		assert_int_equal(parse(wrong[i].text, &job, &err), ERR_INVALID);
		if (!strstr(err.msg, wrong[i].message))
			fail_msg("%s\nis not\n%s", err.msg, wrong[i].message);
	}
}

/* What makes a conversation is for those that sample. */
static void roles__leave_the_system_text_to_others(void **state)
{
	struct job job;
	struct err err = {0};

	(void)state;
	assert_int_equal(parse(JOB(TEACHER("a", "") "," TEACHER("s", SCORES),
				       ",\"system\":\"Be short.\",\"prefill\":true,"
				       "\"logits\":{\"top_logprobs\":5}"),
				 &job, &err),
		ERR_NONE);
	job_release(&job);
}

static void roles__are_part_of_what_a_job_means(void **state)
{
	static const char *const jobs[] = {
		JOB(TEACHER("a", "") "," TEACHER("s", ",\"api\":\"completions\""),
			",\"logits\":{\"top_logprobs\":5}"),
		JOB(TEACHER("a", "") "," TEACHER("s", SCORES),
			",\"logits\":{\"top_logprobs\":5}"),
		JOB(TEACHER("a", "") "," TEACHER(
			    "s", SCORES ",\"logits\":{\"top_logprobs\":9}"),
			",\"logits\":{\"top_logprobs\":5}"),
	};
	struct job job[3];
	struct err err = {0};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(parse(jobs[i], &job[i], &err), ERR_NONE);
	assert_int_equal(job_compare(&job[1], &job[1], &err), ERR_NONE);
	assert_int_equal(job_compare(&job[0], &job[1], &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "teachers[1].role has changed"));
	assert_int_equal(job_compare(&job[1], &job[2], &err), ERR_REFUSED);
	assert_non_null(strstr(err.msg, "teachers[1].logits.top_logprobs has changed"));
	for (int i = 0; i < 3; i++)
		job_release(&job[i]);
}

static void roles__need_one_tokenizer(void **state)
{
	struct job job;
	struct err err = {0};

	(void)state;
	assert_int_equal(parse(JOB(TEACHER("a", "") "," TEACHER("b", "") "," TEACHER(
					   "s", SCORES),
				       ",\"logits\":{\"top_logprobs\":5}"),
				 &job, &err),
		ERR_NONE);
	job.teacher[0].tokenizer_digest = 1;
	/* What is not known contradicts nothing; samplers may differ. */
	assert_int_equal(job_tokenizers_agree("j", &job, &err), ERR_NONE);
	job.teacher[2].tokenizer_digest = 1;
	assert_int_equal(job_tokenizers_agree("j", &job, &err), ERR_NONE);
	job.teacher[1].tokenizer_digest = 2;
	assert_int_equal(job_tokenizers_agree("j", &job, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "teachers[2].tokenizer: is another than"));
	job_release(&job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles__share_the_samples_of_those_that_sample),
		cmocka_unit_test(roles__must_go_together),
		cmocka_unit_test(roles__leave_the_system_text_to_others),
		cmocka_unit_test(roles__are_part_of_what_a_job_means),
		cmocka_unit_test(roles__need_one_tokenizer),
	};

	return cmocka_run_group_tests_name("job_roles", tests, NULL, NULL);
}
