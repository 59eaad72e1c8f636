/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in teacher's model: that its distribution is one, that ranks and
 * ids are each other's inverse, and that sampling follows the weights. That
 * the numbers are those of MODEL.md is what tests/teacher_twin.py checks. */
#include "unit/unit.h"

#include <math.h>

#include "common/text.h"
#include "deploy/teacher/choice.h"
#include "deploy/teacher/repair.h"
#include "deploy/teacher/teacher.h"

#define V VOCABULARY_SIZE

static const struct teacher_settings usual = {
	.correct = 0.8, .loops = 0.02, .length = 1};

static struct question ask(const char *text)
{
	struct message message = {bytes_of("user", 4), bytes_of(text, strlen(text))};
	struct question q;

	question_read(&message, 1, NULL, &q);
	return q;
}

static struct question ask_number(unsigned i)
{
	char text[128];

	snprintf(text, sizeof(text),
		"Mia has %u apples. She buys 5 more. How many has she?", i + 2);
	return ask(text);
}

/* Every rate that has a row of its own, at its limits too. */
static const double rates[][2] = {
	{0.8, 0.02}, {0, 0}, {1, 0.7}, {0.5, 0.5}, {0.3, 0.375}};
#define N_RATES (sizeof(rates) / sizeof(rates[0]))

static void profile__probabilities_sum_to_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_RATES; i++) {
		struct profiles p;

		profiles_init(&p, rates[i][0], rates[i][1]);
		for (unsigned id = 0; id < PROFILE_N; id++) {
			double sum = 0;

			for (unsigned r = V; r-- > 0;)
				sum += exp(profile_logprob(
					profile_weight(&p.of[id], r), p.of[id].total));
			assert_true(fabs(sum - 1) < 1e-12);
		}
	}
}

static void profile__weights_fall_strictly_over_1024_ranks(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_RATES; i++) {
		struct profiles p;

		profiles_init(&p, rates[i][0], rates[i][1]);
		for (unsigned id = 0; id < PROFILE_N; id++) {
			for (unsigned r = 1; r < V; r++) {
				uint64_t w = profile_weight(&p.of[id], r);

				assert_true(w > 0);
				assert_true(w <= profile_weight(&p.of[id], r - 1));
				if (r < 1024)
					assert_true(
						w < profile_weight(&p.of[id], r - 1));
			}
		}
	}
}

static void order__gives_every_id_one_rank(void **state)
{
	static bool seen[V];
	struct teacher t;
	struct script script = {0};
	struct question q = ask_number(3);
	uint16_t *list = malloc(V * sizeof(*list));

	(void)state;
	teacher_init(&t, &usual);
	teacher_script(&t, &q, true, true, &script);
	for (uint32_t s = 0; s < 4 * script.n; s += 29) {
		struct row row;
		struct order order;

		teacher_row_read(&t.profiles, &script, s, &row);
		order_init(&order, q.key, s, &row);
		order_list(&order, V, list);
		memset(seen, 0, sizeof(seen));
		for (unsigned r = 0; r < V; r++) {
			assert_false(seen[list[r]]);
			seen[list[r]] = true;
			assert_int_equal(order_id(&order, r), list[r]);
			assert_int_equal(order_rank(&order, list[r]), r);
		}
		for (unsigned r = 0; r < row.n; r++)
			assert_int_equal(list[r], row.id[r]);
	}
	free(list);
	script_release(&script);
	teacher_release(&t);
}

/* With evenly spread numbers the draws of a rank are its share, to one. */
static void lens__draws_follow_the_weights(void **state)
{
	const unsigned n = 1 << 16;
	static const double temperatures[] = {1, 0.7, 1.5, 0.1};
	struct profiles p;
	struct lens_box *box;
	unsigned *count = malloc(V * sizeof(*count));

	(void)state;
	profiles_init(&p, 0.8, 0.02);
	box = lens_box_new(&p);
	for (unsigned t = 0; t < 4; t++) {
		struct sampling s = {.temperature = temperatures[t], .top_p = 1};
		const struct view *v =
			lens_view(lens_box_find(box, &s), 2 /* flat, 3 */);

		memset(count, 0, V * sizeof(*count));
		for (unsigned i = 0; i < n; i++)
			count[view_draw(v, ((uint64_t)i << 48) | 0x7fffffffffff)]++;
		for (unsigned r = 0; r < V; r++) {
			double share = exp(view_logprob(v, r)) * n;

			if (view_logprob(v, r) <= VIEW_NEVER)
				share = 0;
			assert_true(fabs(count[r] - share) <= 1);
		}
	}
	lens_box_free(box);
	free(count);
}

static void lens__cuts_keep_the_first_ranks(void **state)
{
	struct profiles p;
	struct lens_box *box;
	struct sampling s = {.temperature = 1, .top_p = 1, .top_k = 2};
	const struct view *v;

	(void)state;
	profiles_init(&p, 0.8, 0.02);
	box = lens_box_new(&p);
	v = lens_view(lens_box_find(box, &s), 3 /* flat, 4: 16 15 14 13 */);
	assert_int_equal(v->ranks, 2);
	assert_int_equal(view_draw(v, UINT64_MAX), 1);
	assert_true(fabs(view_logprob(v, 0) - log(16.0 / 31)) < 1e-12);
	assert_true(view_logprob(v, 2) <= VIEW_NEVER);
	s = (struct sampling){.temperature = 1, .top_p = 0.5};
	assert_int_equal(lens_view(lens_box_find(box, &s), 3)->ranks, 2);
	s = (struct sampling){.temperature = 1, .top_p = 0.55};
	assert_int_equal(lens_view(lens_box_find(box, &s), 3)->ranks, 3);
	s = (struct sampling){.temperature = 1, .top_p = 1, .min_p = 0.9};
	assert_int_equal(lens_view(lens_box_find(box, &s), 3)->ranks, 2);
	s = (struct sampling){.temperature = 0, .top_p = 1};
	v = lens_view(lens_box_find(box, &s), 3);
	assert_int_equal(view_draw(v, UINT64_MAX), 0);
	lens_box_free(box);
}

/* More lenses than the box has room for give the same as a fresh one. */
static void lens__box_forgets_the_oldest(void **state)
{
	struct profiles p;
	struct lens_box *box, *fresh;

	(void)state;
	profiles_init(&p, 0.8, 0.02);
	box = lens_box_new(&p);
	for (unsigned i = 0; i < 40; i++) {
		struct sampling s = {
			.temperature = 0.5 + 0.1 * (i * 7 % 13), .top_p = 1};
		const struct view *v = lens_view(lens_box_find(box, &s), 2);

		fresh = lens_box_new(&p);
		assert_true(v->total == lens_view(lens_box_find(fresh, &s), 2)->total);
		lens_box_free(fresh);
	}
	lens_box_free(box);
}

static int compare_words(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;
	size_t n = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->data, y->data, n);

	return order ? order : (int)x->len - (int)y->len;
}

static void vocabulary__only_so_is_there_twice(void **state)
{
	struct vocabulary *v = teacher_vocabulary_new();
	struct bytes *words = malloc(V * sizeof(*words));
	unsigned twice = 0;

	(void)state;
	for (unsigned id = 0; id < V; id++)
		words[id] = teacher_vocabulary_bytes(v, id);
	qsort(words, V, sizeof(*words), compare_words);
	for (unsigned i = 1; i < V; i++) {
		if (compare_words(&words[i - 1], &words[i]) != 0)
			continue;
		assert_bytes_equal(words[i], " so");
		twice++;
	}
	assert_int_equal(twice, 1);
	free(words);
	teacher_vocabulary_free(v);
}

static void vocabulary__halves_make_a_whole(void **state)
{
	struct vocabulary *v = teacher_vocabulary_new();
	struct bytes first = teacher_vocabulary_bytes(v, ID_BYTES + 0xc3);
	int check = teacher_vocabulary_find(v, bytes_of("\xe2\x9c", 2));
	struct buf out;

	(void)state;
	assert_int_equal(first.len, 1);
	assert_int_equal(utf8_valid_prefix(first.data, first.len), 0);
	assert_true(check >= ID_WORDS);
	buf_init(&out, 64);
	repair_text(teacher_vocabulary_bytes(v, (unsigned)check), &out);
	assert_bytes_equal(buf_bytes(&out), "\xef\xbf\xbd");
	buf_release(&out);
	teacher_vocabulary_free(v);
}

static void vocabulary__tokens_of_a_text_concatenate_to_it(void **state)
{
	static const char text[] =
		"Okay, Zo\xc3\xa9: the 1,234 quick brown foxes\n\tjump "
		"OVER  so many lazy dogs.";
	struct vocabulary *v = teacher_vocabulary_new();
	struct ids ids = {0};
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	teacher_vocabulary_encode(v, bytes_of(text, sizeof(text) - 1), &ids);
	for (size_t i = 0; i < ids.n; i++) {
		struct bytes word = teacher_vocabulary_bytes(v, ids.at[i]);

		buf_add(&out, word.data, word.len);
	}
	assert_bytes_equal(buf_bytes(&out), text);
	assert_true(ids.n < sizeof(text) * 2 / 3);
	id_list_release(&ids);
	buf_release(&out);
	teacher_vocabulary_free(v);
}

struct tally {
	unsigned right, looping, tokens, longest, halves;
};

/* Many answers, one to each prompt. */
static struct tally sample(const struct teacher_settings *settings, unsigned n)
{
	static const struct dialect *vllm;
	struct style style = {.splits = true, .opens = true};
	struct tally tally = {0};
	struct teacher t;

	vllm = dialect_find("vllm");
	style.dialect = vllm;
	teacher_init(&t, settings);
	for (unsigned i = 0; i < n; i++) {
		struct question q = ask_number(i);
		struct script script = {0};
		struct choice c = {0};
		struct speech_settings speech = {
			.sampling = {.temperature = 1, .top_p = 1},
			.seed = i,
			.max_tokens = 5000};

		teacher_script(&t, &q, true, true, &script);
		teacher_speak(&t, &q, &script, &speech, &c.speech);
		choice_read(&c, &style, true, &q);
		tally.right += c.verdict == VERDICT_RIGHT;
		tally.looping += c.speech.state[c.speech.n - 1] & STATE_LOOP ? 1 : 0;
		tally.tokens += (unsigned)c.speech.n;
		if (c.speech.n > tally.longest)
			tally.longest = (unsigned)c.speech.n;
		choice_release(&c);
		script_release(&script);
	}
	teacher_release(&t);
	return tally;
}

static void teacher__is_right_at_the_rate(void **state)
{
	struct tally t = sample(&usual, 4000);

	(void)state;
	/* Five standard deviations. */
	assert_in_range(t.right, 3200 - 130, 3200 + 130);
	assert_in_range(t.looping, 80 - 45, 80 + 45);
	assert_in_range(t.tokens / 4000, 60, 250);
}

static void teacher__rates_at_their_limits(void **state)
{
	const struct teacher_settings always = {.correct = 1, .loops = 0, .length = 1};
	const struct teacher_settings never = {.correct = 0, .loops = 0.7, .length = 0};
	struct tally t = sample(&always, 2000);

	(void)state;
	assert_in_range(t.right, 1999, 2000);
	assert_int_equal(t.looping, 0);
	t = sample(&never, 500);
	assert_in_range(t.right, 0, 1);
	assert_in_range(t.looping, 300, 400);
}

static void teacher__length_is_a_factor(void **state)
{
	const struct teacher_settings longer = {.correct = 1, .loops = 0, .length = 20};
	struct tally t = sample(&longer, 50);

	(void)state;
	assert_in_range(t.tokens / 50, 350, 700);
}

static void teacher__same_seed_same_words(void **state)
{
	struct teacher t;
	struct question q = ask_number(1);
	struct script script = {0};
	struct speech a = {0}, b = {0}, c = {0};
	struct speech_settings s = {.sampling = {.temperature = 1, .top_p = 1},
		.seed = 5,
		.max_tokens = 1000};

	(void)state;
	teacher_init(&t, &usual);
	teacher_script(&t, &q, true, true, &script);
	teacher_speak(&t, &q, &script, &s, &a);
	teacher_speak(&t, &q, &script, &s, &b);
	s.seed = 6;
	teacher_speak(&t, &q, &script, &s, &c);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.id, b.id, a.n * sizeof(*a.id));
	assert_true(a.n != c.n || memcmp(a.id, c.id, a.n * sizeof(*a.id)) != 0);
	speech_release(&a);
	speech_release(&b);
	speech_release(&c);
	script_release(&script);
	teacher_release(&t);
}

static void teacher__stops_before_the_stop_text(void **state)
{
	const struct bytes stop[] = {bytes_of("never said", 10), bytes_of("</thi", 5)};
	struct teacher t;
	struct question q = ask_number(1);
	struct script script = {0};
	struct speech a = {0};
	struct speech_settings s = {.sampling = {.temperature = 1, .top_p = 1},
		.seed = 5,
		.max_tokens = 1000,
		.stop = stop,
		.n_stop = 2};

	(void)state;
	teacher_init(&t, &usual);
	teacher_script(&t, &q, true, true, &script);
	teacher_speak(&t, &q, &script, &s, &a);
	assert_int_equal(a.end, SPEECH_STOP);
	assert_int_equal(a.stop, 1);
	assert_int_equal(a.id[a.n - 1], ID_END_THINK);
	assert_int_equal(a.text_len + 8, a.text.len);
	speech_release(&a);
	script_release(&script);
	teacher_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profile__probabilities_sum_to_one),
		cmocka_unit_test(profile__weights_fall_strictly_over_1024_ranks),
		cmocka_unit_test(order__gives_every_id_one_rank),
		cmocka_unit_test(lens__draws_follow_the_weights),
		cmocka_unit_test(lens__cuts_keep_the_first_ranks),
		cmocka_unit_test(lens__box_forgets_the_oldest),
		cmocka_unit_test(vocabulary__only_so_is_there_twice),
		cmocka_unit_test(vocabulary__halves_make_a_whole),
		cmocka_unit_test(vocabulary__tokens_of_a_text_concatenate_to_it),
		cmocka_unit_test(teacher__is_right_at_the_rate),
		cmocka_unit_test(teacher__rates_at_their_limits),
		cmocka_unit_test(teacher__length_is_a_factor),
		cmocka_unit_test(teacher__same_seed_same_words),
		cmocka_unit_test(teacher__stops_before_the_stop_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
