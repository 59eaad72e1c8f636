/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/question.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "common/banned.h"
#include "common/bytes.h"
#include "deploy/teacher/mix.h"

/* The place of the answer among those that MIX_WRONG speaks of. */
#define WRONG_ANSWER ((uint64_t)1 << 32)

static void hash_part(crypto_generichash_state *state, struct bytes part)
{
	unsigned char len[4];

	put_u32(len, (uint32_t)part.len);
	crypto_generichash_update(state, len, sizeof(len));
	crypto_generichash_update(state, part.data, part.len);
}

static void read_digest(const struct message *messages, size_t n, struct question *out)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
	for (size_t i = 0; i < n; i++) {
		hash_part(&state, messages[i].role);
		hash_part(&state, messages[i].content);
	}
	crypto_generichash_final(&state, out->digest, DIGEST_BYTES);
	out->key = mix2(get_u64(out->digest), get_u64(out->digest + 8));
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* The first numbers of the text: runs of digits with commas or a point inside. */
static void read_numbers(struct bytes text, struct question *out)
{
	size_t at = 0;

	while (at < text.len && out->n_numbers < NUMBERS_MAX) {
		const unsigned char *p = text.data + at;
		size_t left = text.len - at, n = 0;

		while (n < left &&
			(is_digit(p[n]) ||
				(n > 0 && n + 1 < left &&
					(p[n] == ',' || p[n] == '.') &&
					is_digit(p[n - 1]) && is_digit(p[n + 1]))))
			n++;
		if (n > 0 && n <= 12 &&
			decimal_plain((const char *)p, n, out->number[out->n_numbers]))
			out->n_numbers++;
		at += n > 0 ? n : 1;
	}
}

/* Whether the byte may be the one that goes wrong: a digit of a number, but
 * not the first of several before the point; a letter or digit of other texts. */
static bool may_decide(const struct question *q, bool is_number, size_t i)
{
	unsigned char c = (unsigned char)q->answer[i];
	size_t first = strspn(q->answer, "-");

	if (is_number) {
		unsigned char next = (unsigned char)q->answer[i + 1];

		return is_digit(c) && (i > first || (!is_digit(next) && next != ','));
	}
	return c < 0x80 && isalnum(c);
}

static char other_of_kind(char c, uint64_t h)
{
	char base = is_digit((unsigned char)c) ? '0' : (c >= 'a' ? 'a' : 'A');
	unsigned size = base == '0' ? 10 : 26;

	return (char)(base + (int)(((unsigned)(c - base) + 1 + h % (size - 1)) % size));
}

/* Chooses where the answer may go wrong; false if nowhere. */
static bool choose_decision(struct question *q, bool is_number)
{
	uint64_t h = mix3(q->key, MIX_WRONG, WRONG_ANSWER);
	size_t len = strlen(q->answer);
	unsigned n = 0, pick;

	for (size_t i = 0; i < len; i++)
		n += may_decide(q, is_number, i);
	if (n == 0)
		return false;
	pick = (unsigned)(h % n);
	for (size_t i = 0; i < len; i++) {
		if (!may_decide(q, is_number, i) || pick-- > 0)
			continue;
		q->decision = (unsigned)i;
		q->wrong = other_of_kind(q->answer[i], h >> 32);
		break;
	}
	return true;
}

/* Takes an answer for true; false if it is not one that can be said. */
static bool adopt_answer(struct question *q, const char *truth)
{
	size_t len = strlen(truth);
	bool is_number = decimal_plain(truth, len, q->answer);

	if (!is_number) {
		if (len == 0 || len >= DECIMAL_MAX || strpbrk(truth, "\n{}\\"))
			return false;
		memcpy(q->answer, truth, len + 1);
	} else if (mix3(q->key, MIX_ANSWER, 1) & 1) {
		decimal_group(q->answer);
	}
	return choose_decision(q, is_number);
}

static struct bytes last_user_text(const struct message *messages, size_t n)
{
	for (size_t i = n; i-- > 0;)
		if (messages[i].role.len == 4 &&
			memcmp(messages[i].role.data, "user", 4) == 0)
			return messages[i].content;
	return n ? messages[n - 1].content : bytes_of(NULL, 0);
}

void question_read(const struct message *messages, size_t n,
	const struct references *references, struct question *out)
{
	struct bytes text = last_user_text(messages, n);
	const char *truth = references ? references_find(references, text) : NULL;
	char number[DECIMAL_MAX];

	memset(out, 0, sizeof(*out));
	read_digest(messages, n, out);
	read_numbers(text, out);
	if (truth && adopt_answer(out, truth)) {
		out->has_truth = true;
		return;
	}
	out->is_solved = !truth && problem_solve(text, &out->problem);
	snprintf(number, sizeof(number), "%lld",
		out->is_solved ? (long long)out->problem.answer
			       : (long long)(mix3(out->key, MIX_ANSWER, 0) % 1000));
	out->has_truth = out->is_solved;
	if (!adopt_answer(out, number))
		out->has_truth = false;
}
