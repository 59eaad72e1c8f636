/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <jansson.h>

#include "common/job_keys.h"
#include "common/overrides.h"

static struct bytes str(const char *s)
{
	return bytes_of(s, strlen(s));
}

static void read_good(const char *text, struct overrides *o)
{
	struct err err;

	if (overrides_read(str(text), o, &err) != ERR_NONE)
		fail_msg("%s: %s", text, err.msg);
}

static void check_bad(const char *text, const char *names)
{
	struct overrides o;
	struct err err = {0};

	assert_int_equal(overrides_read(str(text), &o, &err), ERR_INVALID);
	if (!strstr(err.msg, names))
		fail_msg("%s: '%s' does not name %s", text, err.msg, names);
}

static void overrides__keeps_sampling_and_members_apart(void **state)
{
	struct overrides o;

	(void)state;
	read_good("{\"temperature\":0.25,\"tools\":[{\"a\":1e400}],\"max_tokens\":7,"
		  "\"stop\":[\"x\",\"\\n\"],\"tool_choice\":\"auto\",\"seed\":-3}",
		&o);
	assert_true(o.sampling.temperature == 0.25);
	assert_int_equal(o.sampling.max_tokens, 7);
	assert_int_equal(o.sampling.seed, -3);
	assert_false(job_has_real(o.sampling.top_p));
	assert_false(job_has_int(o.sampling.top_k));
	assert_int_equal(json_array_size(o.sampling.stop), 2);
	assert_int_equal(o.n_members, 2);
	assert_memory_equal(o.member[0].name.data, "tools", 5);
	assert_int_equal(o.member[0].value.len, strlen("[{\"a\":1e400}]"));
	assert_memory_equal(o.member[0].value.data, "[{\"a\":1e400}]", 13);
	assert_int_equal(o.member[1].value.len, strlen("\"auto\""));
	overrides_release(&o);
	read_good("{}", &o);
	assert_int_equal(o.n_members, 0);
	overrides_release(&o);
}

static void overrides__takes_what_is_set_and_leaves_the_rest(void **state)
{
	struct job_sampling job = {.n = 4,
				    .temperature = 0.7,
				    .top_p = NAN,
				    .top_k = 40,
				    .min_p = NAN,
				    .presence_penalty = 1,
				    .repetition_penalty = NAN,
				    .max_tokens = 100,
				    .stop = json_pack("[s]", "#"),
				    .seed = 5},
			    s;
	struct overrides o;

	(void)state;
	s = overrides_sampling(NULL, &job);
	assert_true(s.temperature == 0.7 && s.stop == job.stop && s.seed == 5);
	read_good("{\"temperature\":0,\"min_p\":0.5,\"max_tokens\":9}", &o);
	s = overrides_sampling(&o, &job);
	assert_int_equal(s.n, 4);
	assert_true(s.temperature == 0 && s.min_p == 0.5 && s.presence_penalty == 1);
	assert_int_equal(s.max_tokens, 9);
	assert_int_equal(s.top_k, 40);
	assert_ptr_equal(s.stop, job.stop);
	overrides_release(&o);
	read_good("{\"stop\":[]}", &o);
	assert_null(overrides_sampling(&o, &job).stop);
	overrides_release(&o);
	read_good("{\"stop\":[\"a\"]}", &o);
	assert_ptr_equal(overrides_sampling(&o, &job).stop, o.sampling.stop);
	overrides_release(&o);
	json_decref(job.stop);
}

static void overrides__names_what_is_wrong(void **state)
{
	(void)state;
	check_bad("", "no JSON object");
	check_bad("[]", "no JSON object");
	check_bad("{\"top_p\":0.5,", "not JSON");
	check_bad("{} {}", "not JSON");
	check_bad("{\"top_p\":1.5}", "top_p");
	check_bad("{\"top_p\":null}", "top_p");
	check_bad("{\"top_p\":\"1\"}", "top_p");
	check_bad("{\"max_tokens\":0}", "max_tokens");
	check_bad("{\"max_tokens\":1.0}", "max_tokens");
	check_bad("{\"max_tokens\":99999999999999999999}", "max_tokens");
	check_bad("{\"seed\":1,\"seed\":1}", "seed");
	check_bad("{\"stop\":\"x\"}", "stop");
	check_bad("{\"stop\":[\"\"]}", "stop");
	check_bad("{\"stop\":[1]}", "stop");
	check_bad("{\"stop\":[\"a\"],\"stop\":[\"a\"]}", "stop");
	check_bad("{\"stop\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
		  "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
		"stop");
	check_bad("{\"n\":2}", "\"n\"");
	check_bad("{\"n_per_request\":2}", "n_per_request");
	check_bad("{\"a\\\"b\":2}", "cannot be a member");
	check_bad("{\"\":2}", "cannot be a member");
	check_bad("{\"too\\u006cs\":[]}", "tools");
	check_bad("{\"tools\":null}", "tools");
	check_bad("{\"tools\":[],\"tools\":[]}", "tools");
}

static void overrides__knows_every_key_of_the_jobs_sampling(void **state)
{
	enum override_kind kind;

	(void)state;
	for (const struct job_key *k = job_sampling_keys; k->name; k++) {
		const struct job_key *found = override_find(str(k->name), &kind);
		bool ours = k->name[0] == 'n';

		assert_ptr_equal(found, ours ? NULL : k);
		assert_int_equal(kind, ours ? OVERRIDE_BAD_NAME
				       : strcmp(k->name, "stop") == 0
					       ? OVERRIDE_STOP
					       : OVERRIDE_NUMBER);
	}
	assert_null(override_find(str("response_format"), &kind));
	assert_int_equal(kind, OVERRIDE_MEMBER);
	override_find(str("a b"), &kind);
	assert_int_equal(kind, OVERRIDE_BAD_NAME);
}

static void overrides__judges_numbers_as_the_job_does(void **state)
{
	static const struct {
		const char *name, *value;
		bool good;
	} cases[] = {
		{"temperature", "0", true},
		{"temperature", "10", true},
		{"temperature", "10.01", false},
		{"temperature", "-0.1", false},
		{"temperature", "1e400", false},
		{"temperature", "\"1\"", false},
		{"temperature", "null", false},
		{"temperature", "true", false},
		{"temperature", "[1]", false},
		{"top_k", "-1", true},
		{"top_k", "-2", false},
		{"top_k", "1e1", false},
		{"max_tokens", "1", true},
		{"max_tokens", "1048577", false},
		{"seed", "9007199254740993", false},
		{"top_p",
			"0.00000000000000000000000000000000000000000000000000000000001",
			true},
		{"top_p",
			"0.00000000000000000000000000000000000000000000000000000000000001"
			"23456789",
			false},
	};
	enum override_kind kind;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct job_key *key = override_find(str(cases[i].name), &kind);

		if (override_number_is_good(key, str(cases[i].value)) != cases[i].good)
			fail_msg("%s: %s", cases[i].name, cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overrides__keeps_sampling_and_members_apart),
		cmocka_unit_test(overrides__takes_what_is_set_and_leaves_the_rest),
		cmocka_unit_test(overrides__names_what_is_wrong),
		cmocka_unit_test(overrides__knows_every_key_of_the_jobs_sampling),
		cmocka_unit_test(overrides__judges_numbers_as_the_job_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
