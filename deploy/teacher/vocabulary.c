/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/vocabulary.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/banned.h"
#include "common/mem.h"
#include "common/text.h"
#include "deploy/teacher/sentences.h"

#define TABLE_SIZE 8192u /* power of two, several times the ids in it */

struct vocabulary {
	struct buf pool;
	uint32_t start[VOCABULARY_SIZE + 1];
	unsigned n_words;
	/* Open addressing over the ids that can be found by their bytes. */
	int32_t table[TABLE_SIZE];
};

static const char *const marks[ID_BYTES] = {
	"<pad>",
	"<bos>",
	"<eos>",
	"<think>",
	"</think>",
	"<|system|>",
	"<|user|>",
	"<|assistant|>",
	"<|end|>",
	"<|tool|>",
	"<unk>",
	"<mask>",
	"<sep>",
	"<cls>",
	"<|image|>",
	"<|audio|>",
};

/* FNV-1a; only finds words, so no part of the model. */
static uint32_t hash_word(struct bytes word)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < word.len; i++)
		h = (h ^ word.data[i]) * 16777619u;
	return h;
}

struct bytes teacher_vocabulary_bytes(const struct vocabulary *v, unsigned id)
{
	assert(id < VOCABULARY_SIZE);
	return bytes_of(v->pool.data + v->start[id], v->start[id + 1] - v->start[id]);
}

bool teacher_vocabulary_is_special(unsigned id)
{
	return (id < ID_BYTES && id != ID_THINK && id != ID_END_THINK) ||
	       (id >= ID_RESERVED && id < ID_WORDS);
}

static bool is_same(struct bytes a, struct bytes b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

int teacher_vocabulary_find(const struct vocabulary *v, struct bytes word)
{
	uint32_t i = hash_word(word) % TABLE_SIZE;

	for (; v->table[i] >= 0; i = (i + 1) % TABLE_SIZE)
		if (is_same(teacher_vocabulary_bytes(v, (unsigned)v->table[i]), word))
			return v->table[i];
	return -1;
}

unsigned teacher_vocabulary_n_words(const struct vocabulary *v)
{
	return v->n_words;
}

/* The smaller id stays findable where two have the same bytes. */
static void make_findable(struct vocabulary *v, unsigned id)
{
	struct bytes word = teacher_vocabulary_bytes(v, id);
	uint32_t i = hash_word(word) % TABLE_SIZE;

	while (v->table[i] >= 0) {
		if (is_same(teacher_vocabulary_bytes(v, (unsigned)v->table[i]), word))
			return;
		i = (i + 1) % TABLE_SIZE;
	}
	v->table[i] = (int32_t)id;
}

static void add_byte_token(struct buf *pool, unsigned byte)
{
	unsigned char picture[4];

	if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f)
		buf_add(pool, picture,
			utf8_encode(byte == 0x7f ? 0x2421 : 0x2400 + byte, picture));
	else
		buf_add_byte(pool, (unsigned char)byte);
}

/* The bytes of an id below ID_WORDS. */
static void add_fixed_token(struct buf *pool, unsigned id)
{
	if (id < ID_BYTES) {
		buf_add_str(pool, marks[id]);
	} else if (id < ID_PAIRS) {
		add_byte_token(pool, id - ID_BYTES);
	} else if (id < ID_LETTERS) {
		buf_add_byte(pool, (unsigned char)('a' + (id - ID_PAIRS) / 26));
		buf_add_byte(pool, (unsigned char)('a' + (id - ID_PAIRS) % 26));
	} else if (id < ID_RESERVED) {
		unsigned letter = id - ID_LETTERS;

		buf_add_byte(pool, ' ');
		buf_add_byte(pool, (unsigned char)(letter < 26 ? 'A' + letter
							       : 'a' + letter - 26));
	} else {
		buf_printf(pool, "<|extra_%u|>", id - ID_RESERVED);
	}
}

static void add_syllable(struct buf *pool, unsigned n)
{
	buf_add_byte(pool, (unsigned char)"bdfgklmnprstvzxj"[n / 4]);
	buf_add_byte(pool, (unsigned char)"aiou"[n % 4]);
}

static void add_invented_token(struct buf *pool, unsigned id)
{
	unsigned n = id - ID_WORDS;

	buf_add_byte(pool, ' ');
	add_syllable(pool, n % 64);
	add_syllable(pool, n / 64 % 64);
	if (n >= 4096)
		add_syllable(pool, n / 4096);
}

/* Ends the token begun at the pool's end, which is that of `id`. */
static void end_token(struct vocabulary *v, unsigned id, bool findable)
{
	v->start[id + 1] = (uint32_t)v->pool.len;
	if (findable)
		make_findable(v, id);
}

/* Gives ids to the words of a sentence that have none yet. */
static void add_words_of(struct vocabulary *v, const char *text)
{
	struct piece piece;

	while (sentence_next(&text, &piece)) {
		for (unsigned i = 0; piece.kind == PIECE_WORDS && i < piece.n; i++) {
			const struct word *w = &piece.word[i];
			unsigned id = ID_WORDS + v->n_words;

			if (w->id >= 0 || teacher_vocabulary_find(
						  v, bytes_of(w->bytes, w->len)) >= 0)
				continue;
			buf_add(&v->pool, w->bytes, w->len);
			end_token(v, id, true);
			v->n_words++;
		}
	}
}

struct vocabulary *teacher_vocabulary_new(void)
{
	struct vocabulary *v = mem_zalloc(1, sizeof(*v));

	buf_init(&v->pool, (size_t)1 << 20);
	memset(v->table, 0xff, sizeof(v->table));
	for (unsigned id = 0; id < ID_WORDS; id++) {
		add_fixed_token(&v->pool, id);
		end_token(v, id, true);
	}
	for (size_t i = 0; i < n_sentences; i++)
		add_words_of(v, sentences[i].text);
	for (unsigned id = ID_WORDS + v->n_words; id < ID_TWIN; id++) {
		add_invented_token(&v->pool, id);
		end_token(v, id, false);
	}
	buf_add_str(&v->pool, " so");
	end_token(v, ID_TWIN, false);
	return v;
}

void teacher_vocabulary_free(struct vocabulary *v)
{
	if (!v)
		return;
	buf_release(&v->pool);
	free(v);
}

static bool is_letter(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_small(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

/* A space at most and the letters behind it, if that is a word of ours. */
static int find_run(
	const struct vocabulary *v, const unsigned char *p, size_t len, size_t *eaten)
{
	size_t first = p[0] == ' ', n = first;
	int id;

	while (n < len && n < WORD_MAX && is_letter(p[n]))
		n++;
	*eaten = n;
	if (n == first)
		return -1;
	id = teacher_vocabulary_find(v, bytes_of(p, n));
	return id >= ID_WORDS ? id : -1;
}

void teacher_vocabulary_encode(
	const struct vocabulary *v, struct bytes text, struct ids *out)
{
	const unsigned char *p = text.data;
	size_t left = text.len, n;

	while (left > 0) {
		int id = find_run(v, p, left, &n);

		if (id < 0 && left >= 2 && is_small(p[0]) && is_small(p[1])) {
			id = ID_PAIRS + 26 * (p[0] - 'a') + (p[1] - 'a');
			n = 2;
		} else if (id < 0 && left >= 2 && p[0] == ' ' && is_letter(p[1])) {
			id = ID_LETTERS +
			     (is_small(p[1]) ? 26 + p[1] - 'a' : p[1] - 'A');
			n = 2;
		} else if (id < 0) {
			id = ID_BYTES + p[0];
			n = 1;
		}
		id_list_add(out, (unsigned)id);
		p += n;
		left -= n;
	}
}

void id_list_add(struct ids *list, unsigned id)
{
	MEM_GROW(list->at, list->cap, list->n + 1);
	list->at[list->n++] = (uint16_t)id;
}

void id_list_release(struct ids *list)
{
	free(list->at);
	*list = (struct ids){0};
}
