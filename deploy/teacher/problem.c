/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/problem.h"

#include <ctype.h>
#include <string.h>

#include "common/banned.h"

#define WORDS_MAX 24
#define WORD_LEN 32
#define VALUE_MAX 1000000000000000 /* 10^15 */

/*
 * What a sentence means. `_` is any one word, `#` a number; v is the number
 * so far, n the first number of the sentence and m the second.
 */
static const struct rule {
	char sign;    /* + - * /: v := v sign n;  '=': v := n;  'x': v := n * m */
	int64_t with; /* stands for n where the sentence has no number */
	const char *pattern;
} rules[] = {
	{'=', 0, "_ has # _"},
	{'=', 0, "_ starts with # _"},
	{'=', 0, "_ counts # _ in the _"},
	{'=', 0, "there are # _ in the _"},
	{'=', 0, "a _ holds # _"},
	{'x', 0, "_ buys # boxes of # _ each"},
	{'x', 0, "_ fills # bags with # _ each"},
	{'x', 0, "_ reads # pages a day for # days"},
	{'x', 0, "_ saves # dollars a week for # weeks"},
	{'x', 0, "there are # rows of # _ in the _"},
	{'+', 0, "_ buys # more"},
	{'+', 0, "_ finds # more _"},
	{'+', 0, "_ gets # more from _"},
	{'+', 0, "_ adds # more _"},
	{'+', 0, "a friend brings # more"},
	{'+', 0, "# more _ arrive"},
	{'-', 0, "_ gives # of them to _"},
	{'-', 0, "_ loses # of them"},
	{'-', 0, "_ sells # of them"},
	{'-', 0, "_ uses # of them"},
	{'-', 0, "# of the _ are broken"},
	{'-', 0, "_ takes # _ away"},
	{'*', 2, "the number of _ doubles"},
	{'*', 3, "the number of _ triples"},
	{'*', 0, "the number of _ grows to # times as many"},
	{'*', 0, "each of the _ is worth # dollars"},
	{'*', 0, "_ has # times as many _"},
	{'/', 2, "half of them are sold"},
	{'/', 0, "_ shares them equally among # friends"},
	{'/', 0, "_ packs them into bags of #"},
	{'/', 0, "_ puts them into # equal piles"},
};

/* Said before a sentence without changing it. */
static const char *const lead_ins[] = {
	"then",
	"later",
	"finally",
	"after that",
	"the next day",
	"in the evening",
	"on the way home",
};

struct spoken {
	char word[WORDS_MAX][WORD_LEN];
	unsigned n;
	bool has_digit;
	bool too_long;
};

static bool is_edge(char c)
{
	return strchr(",;:\"'()*", c) && c;
}

/* One word, lower-cased, without the punctuation at its ends. */
static void add_word(struct spoken *s, const unsigned char *p, size_t len)
{
	while (len > 0 && is_edge((char)p[0])) {
		p++;
		len--;
	}
	while (len > 0 && is_edge((char)p[len - 1]))
		len--;
	if (len == 0)
		return;
	if (s->n == WORDS_MAX || len >= WORD_LEN) {
		s->too_long = true;
		return;
	}
	for (size_t i = 0; i < len; i++)
		s->word[s->n][i] = (char)tolower(p[i]);
	s->word[s->n++][len] = '\0';
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts a sentence into words. */
static void read_words(struct bytes sentence, struct spoken *out)
{
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	while (at < sentence.len) {
		size_t from;

		while (at < sentence.len && is_blank(sentence.data[at]))
			at++;
		from = at;
		for (; at < sentence.len && !is_blank(sentence.data[at]); at++)
			out->has_digit |= isdigit(sentence.data[at]) != 0;
		add_word(out, sentence.data + from, at - from);
	}
}

/* A whole number with commas and dollar sign allowed. */
static bool read_number(const char *word, int64_t *out)
{
	int64_t v = 0;

	word += *word == '$';
	if (!isdigit((unsigned char)*word))
		return false;
	for (; *word; word++) {
		if (*word == ',')
			continue;
		if (!isdigit((unsigned char)*word))
			return false;
		v = v * 10 + (*word - '0');
		if (v > VALUE_MAX)
			return false;
	}
	*out = v;
	return true;
}

/* Whether the words from `first` on are what the pattern says. */
static bool matches(
	const struct spoken *s, unsigned first, const char *pattern, int64_t number[2])
{
	unsigned i = first, n = 0;

	for (; *pattern; i++) {
		size_t len = strcspn(pattern, " ");

		if (i == s->n)
			return false;
		if (len == 1 && *pattern == '#') {
			if (!read_number(s->word[i], &number[n++]))
				return false;
		} else if (!(len == 1 && *pattern == '_') &&
			   (strlen(s->word[i]) != len ||
				   memcmp(s->word[i], pattern, len) != 0)) {
			return false;
		}
		pattern += len + (pattern[len] == ' ');
	}
	return i == s->n;
}

/* Words of a lead-in at the front. */
static unsigned skip_lead_in(const struct spoken *s)
{
	for (size_t i = 0; i < sizeof(lead_ins) / sizeof(lead_ins[0]); i++) {
		const char *at = lead_ins[i];
		unsigned n = 0;

		for (; *at && n < s->n; n++) {
			size_t len = strcspn(at, " ");

			if (strlen(s->word[n]) != len ||
				memcmp(s->word[n], at, len) != 0)
				break;
			at += len + (at[len] == ' ');
		}
		if (!*at)
			return n;
	}
	return 0;
}

static bool compute(int64_t left, char sign, int64_t right, int64_t *out)
{
	bool over;

	switch (sign) {
	case '+':
		over = __builtin_add_overflow(left, right, out);
		break;
	case '-':
		over = __builtin_sub_overflow(left, right, out);
		break;
	case '*':
		over = __builtin_mul_overflow(left, right, out);
		break;
	default:
		if (right == 0 || left % right != 0)
			return false;
		*out = left / right;
		return true;
	}
	return !over && *out <= VALUE_MAX && *out >= -VALUE_MAX;
}

static bool add_step(struct problem *p, int64_t left, char sign, int64_t right)
{
	struct step *step = &p->step[p->n_steps];

	if (p->n_steps == PROBLEM_STEPS)
		return false;
	*step = (struct step){.left = left, .right = right, .sign = sign};
	if (!compute(left, sign, right, &step->result))
		return false;
	p->answer = step->result;
	p->n_steps++;
	return true;
}

/* Does what a rule says; false where it makes no sense. */
static bool apply(
	const struct rule *rule, int64_t n, int64_t m, bool *is_set, struct problem *p)
{
	bool sets = rule->sign == '=' || rule->sign == 'x';

	if (sets == *is_set)
		return false;
	*is_set = true;
	if (rule->sign == '=') {
		p->answer = n;
		return true;
	}
	if (rule->sign == 'x')
		return add_step(p, n, '*', m);
	return add_step(p, p->answer, rule->sign, rule->with ? rule->with : n);
}

/* One sentence that is not the question. */
static bool read_sentence(const struct spoken *s, bool *is_set, struct problem *p)
{
	unsigned first = skip_lead_in(s);

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		int64_t number[2] = {0, 0};

		if (!s->too_long && matches(s, first, rules[i].pattern, number))
			return apply(&rules[i], number[0], number[1], is_set, p);
	}
	return !s->has_digit; /* talk, which changes nothing */
}

/* Where the sentence at p ends: at . ? ! or a line break, but not at the
 * point of a decimal. */
static size_t sentence_length(const unsigned char *p, size_t len)
{
	size_t i = 0;

	for (; i < len; i++) {
		if (p[i] == '\n' || p[i] == '?' || p[i] == '!')
			break;
		if (p[i] == '.' && !(i > 0 && i + 1 < len && isdigit(p[i - 1]) &&
					   isdigit(p[i + 1])))
			break;
	}
	return i;
}

bool problem_solve(struct bytes text, struct problem *out)
{
	bool is_set = false, is_asked = false;
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	while (at < text.len) {
		size_t n = sentence_length(text.data + at, text.len - at);
		bool asks = at + n < text.len && text.data[at + n] == '?';
		struct spoken spoken;

		read_words(bytes_of(text.data + at, n), &spoken);
		at += n + 1;
		if (asks && spoken.n > 0 && strcmp(spoken.word[0], "how") == 0) {
			if (is_asked || spoken.has_digit)
				return false;
			is_asked = true;
		} else if (!read_sentence(&spoken, &is_set, out)) {
			return false;
		}
	}
	return is_set && is_asked;
}
