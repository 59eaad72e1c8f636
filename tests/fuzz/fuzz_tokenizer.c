/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer.json in pieces of any size: the same verdict as in one piece, and a
 * table that is true both ways. The first byte is the size of the pieces. */
#include "tests/fuzz/fuzz.h"

#include "common/tokenizer.h"

struct pieces {
	const uint8_t *at;
	size_t left, step;
	void *lent;
};

static enum err_code next_piece(void *from, struct bytes *chunk, struct err *err)
{
	struct pieces *p = from;
	size_t n = p->left < p->step ? p->left : p->step;

	(void)err;
	free(p->lent);
	p->lent = malloc(n + 1);
	MUST(p->lent);
	memcpy(p->lent, p->at, n);
	*chunk = bytes_of(p->lent, n);
	p->at += n;
	p->left -= n;
	return ERR_NONE;
}

static enum err_code read_in(
	const uint8_t *input, size_t len, size_t step, struct tokenizer *t)
{
	struct pieces p = {input, len, step, NULL};
	struct tokenizer_source source = {next_piece, &p};
	struct err err = {0};
	enum err_code code = tokenizer_read(&source, "t", t, &err);

	MUST((code == ERR_NONE) == (err.code == ERR_NONE));
	MUST(code == ERR_NONE || code == ERR_INVALID);
	free(p.lent);
	return code;
}

static void check_table(const struct token_table *t)
{
	uint32_t n = 0, n_shared = 0, n_weak = 0;

	for (uint32_t id = 0; id < t->size; id++) {
		struct bytes token, other;
		enum token_found found;
		uint32_t first;

		if (!token_table_get(t, id, &token))
			continue;
		n++;
		found = token_table_find(t, token, &first);
		MUST(found == (t->at[id].shared ? TOKEN_SHARED : TOKEN_ONE));
		MUST((t->at[id].ordinal == 0) == (found == TOKEN_ONE && first == id));
		MUST(found == TOKEN_SHARED || first == id || t->at[id].weak);
		MUST(token_table_get(t, first, &other));
		MUST(other.len == token.len);
		MUST(token.len == 0 || memcmp(other.data, token.data, token.len) == 0);
		n_shared += found == TOKEN_SHARED;
		n_weak += found == TOKEN_ONE && first != id;
	}
	MUST(n == t->n && n_shared == t->n_shared && n_weak == t->n_weak);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct tokenizer whole, cut;
	enum err_code code;
	char text[128];

	if (len == 0)
		return 0;
	code = read_in(input + 1, len - 1, len, &whole);
	MUST(read_in(input + 1, len - 1, input[0] + 1u, &cut) == code);
	if (code != ERR_NONE)
		return 0;
	MUST(whole.digest != 0 && whole.digest == cut.digest);
	MUST(whole.alphabet == cut.alphabet && whole.strips == cut.strips);
	MUST(whole.table.n == cut.table.n && whole.table.size == cut.table.size);
	check_table(&whole.table);
	tokenizer_describe(&whole, text, sizeof(text));
	tokenizer_collisions(&whole, text, sizeof(text));
	tokenizer_release(&whole);
	tokenizer_release(&cut);
	return 0;
}
