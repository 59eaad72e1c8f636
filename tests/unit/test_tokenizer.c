/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "common/limits.h"
#include "common/tokenizer.h"

/* A text in pieces of `step` bytes; each lies in memory of its own, so that a
 * sanitizer sees who keeps it too long. */
struct pieces {
	const char *at;
	size_t left, step;
	unsigned char *lent;
};

static enum err_code next_piece(void *from, struct bytes *chunk, struct err *err)
{
	struct pieces *p = from;
	size_t n = p->left < p->step ? p->left : p->step;

	(void)err;
	free(p->lent);
	p->lent = malloc(n + 1);
	assert_non_null(p->lent);
	memcpy(p->lent, p->at, n);
	*chunk = bytes_of(p->lent, n);
	p->at += n;
	p->left -= n;
	return ERR_NONE;
}

static enum err_code read_in(
	const char *text, size_t step, struct tokenizer *t, struct err *err)
{
	struct pieces p = {text, strlen(text), step, NULL};
	struct tokenizer_source source = {next_piece, &p};
	enum err_code code = tokenizer_read(&source, "t.json", t, err);

	free(p.lent);
	return code;
}

static struct tokenizer read_good(const char *text)
{
	struct tokenizer t, again;
	struct err err = {0};

	if (read_in(text, 4096, &t, &err) != ERR_NONE)
		fail_msg("%s", err.msg);
	/* Wherever the pieces end, the same comes out. */
	for (size_t step = 1; step < 9; step += 3) {
		assert_int_equal(read_in(text, step, &again, &err), ERR_NONE);
		assert_int_equal(again.digest, t.digest);
		assert_int_equal(again.table.n, t.table.n);
		assert_int_equal(again.table.size, t.table.size);
		for (uint32_t id = 0; id < t.table.size; id++) {
			struct bytes a = {0}, b = {0};

			assert_int_equal(token_table_get(&t.table, id, &a),
				token_table_get(&again.table, id, &b));
			assert_int_equal(a.len, b.len);
			if (a.len)
				assert_memory_equal(a.data, b.data, a.len);
		}
		tokenizer_release(&again);
	}
	return t;
}

static void check_token(const struct tokenizer *t, uint32_t id, const char *want)
{
	struct bytes token;

	assert_true(token_table_get(&t->table, id, &token));
	if (token.len != strlen(want) || memcmp(token.data, want, token.len) != 0)
		fail_msg("id %u is '%.*s', not '%s'", id, (int)token.len,
			(const char *)token.data, want);
}

static void check_refused(const char *text, const char *want)
{
	struct tokenizer t;
	struct err err = {0};

	for (size_t step = 1; step < 5000; step += 4095) {
		assert_int_equal(read_in(text, step, &t, &err), ERR_INVALID);
		if (!strstr(err.msg, want))
			fail_msg("'%s' has no '%s'", err.msg, want);
		assert_int_equal(strncmp(err.msg, "t.json:", 7), 0);
		assert_null(t.table.at);
	}
}

#define BYTE_LEVEL                                                                     \
	"\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["                 \
	"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\d\"},\"invert\":false},"     \
	"{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]},"   \
	"\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true}"
#define LLAMA                                                                          \
	"\"pre_tokenizer\":null,\"decoder\":{\"type\":\"Sequence\",\"decoders\":["     \
	"{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xe2\x96\x81\"},"             \
	"\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"          \
	"{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"
#define BPE(vocab, more)                                                               \
	"\"model\":{\"type\":\"BPE\",\"dropout\":null,\"vocab\":{" vocab               \
	"},\"merges\":[\"a b\",[\"c\",\"d\"]]" more "}"

static void tokenizer__reads_byte_level_pieces(void **state)
{
	/* U+0120 is a blank, U+010A a line feed, U+0100 a zero byte, U+00E2 and
	 * U+0122 the halves of a character; U+0143 the soft hyphen's byte. */
	struct tokenizer t = read_good(
		"{\"version\":\"1.0\",\"truncation\":null,\"added_tokens\":["
		"{\"id\":9,\"content\":\"<|im_end|>\",\"single_word\":false,"
		"\"lstrip\":false,\"normalized\":false,\"special\":true},"
		"{\"id\":11,\"content\":\"\xc4\xa0 \xc3\xa9\",\"special\":false},"
		"{\"id\":0,\"content\":\"a\",\"special\":false}],\"normalizer\":null," BYTE_LEVEL
		",\"post_processor\":{\"x\":[1,2.5e3]}," BPE(
			"\"a\":0,\"\xc4\xa0the\":1,\"\xc4\x8a\":2,\"\xc4\x80\":3,"
			"\"\xc3\xa2\xc4\xa2\":4,\"\xc5\x83\":5,\"\\u0120x\":6,"
			"\"\xef\xbd\x9c"
			"end\":7",
			",\"byte_fallback\":false") "}");
	struct bytes zero;
	uint32_t id;
	char text[256];

	(void)state;
	assert_int_equal(t.alphabet, ALPHABET_BYTE_LEVEL);
	assert_false(t.unigram || t.strips || t.byte_fallback);
	check_token(&t, 0, "a");
	check_token(&t, 1, " the");
	check_token(&t, 2, "\n");
	assert_true(token_table_get(&t.table, 3, &zero));
	assert_int_equal(zero.len, 1);
	assert_int_equal(zero.data[0], 0);
	check_token(&t, 4, "\xe2\x80");
	check_token(&t, 5, "\xad");
	check_token(&t, 6, " x");
	/* A character that is no byte's: the piece is its own text. */
	check_token(&t, 7,
		"\xef\xbd\x9c"
		"end");
	check_token(&t, 9, "<|im_end|>");
	/* Only in added_tokens: literally. */
	check_token(&t, 11, "\xc4\xa0 \xc3\xa9");
	assert_int_equal(t.table.n, 10);
	assert_int_equal(t.table.size, 12);
	assert_int_equal(t.n_added, 2);
	assert_int_equal(t.n_replaced, 0);
	assert_int_equal(
		token_table_find(&t.table, bytes_of(" the", 4), &id), TOKEN_ONE);
	assert_int_equal(id, 1);
	tokenizer_describe(&t, text, sizeof(text));
	assert_string_equal(text, "10 ids, byte-level BPE");
	tokenizer_collisions(&t, text, sizeof(text));
	assert_string_equal(text, "");
	tokenizer_release(&t);
}

/* All 256 bytes, by the rule that the table was made with. */
static void tokenizer__knows_every_byte(void **state)
{
	struct tokenizer t;
	struct buf text;
	unsigned other = 256;

	(void)state;
	buf_init(&text, MIB(1));
	buf_add_str(&text, "{" BYTE_LEVEL ",\"model\":{\"type\":\"BPE\",\"vocab\":{");
	for (unsigned b = 0; b < 256; b++) {
		bool own =
			(b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;

		buf_printf(
			&text, "%s\"\\u%04x\":%u", b ? "," : "", own ? b : other++, b);
	}
	buf_add_str(&text, "}}}");
	t = read_good(buf_text(&text));
	assert_int_equal(t.table.n, 256);
	assert_int_equal(t.table.n_shared, 0);
	for (unsigned b = 0; b < 256; b++) {
		struct bytes token;

		assert_true(token_table_get(&t.table, b, &token));
		assert_int_equal(token.len, 1);
		assert_int_equal(token.data[0], b);
	}
	tokenizer_release(&t);
	buf_release(&text);
}

static void tokenizer__reads_sentencepiece_with_byte_fallback(void **state)
{
	struct tokenizer t = read_good(
		"{\"added_tokens\":[{\"id\":2,\"content\":\"</s>\",\"special\":true},"
		"{\"id\":20,\"content\":\"\xe2\x96\x81\xe2\x96\x81\",\"special\":false}],"
		"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
		"{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"}]}," LLAMA
		"," BPE("\"<unk>\":0,\"</s>\":2,\"<0x0A>\":3,\"<0xe2>\":4,\"<0xZ0>\":5,"
			"\"\xe2\x96\x81the\":6,\"\xe2\x96\x81\":7,\"x\xe2\x96\x81y\":8,"
			"\"\xc4\xa0\":9,\"\\n\":10,\"  \":11",
			",\"byte_fallback\":true") "}");
	uint32_t id;
	char text[256];

	(void)state;
	assert_int_equal(t.alphabet, ALPHABET_SENTENCEPIECE);
	assert_true(t.strips && t.byte_fallback);
	check_token(&t, 2, "</s>");
	check_token(&t, 3, "\n");
	check_token(&t, 4, "\xe2");
	check_token(&t, 5, "<0xZ0>");
	check_token(&t, 6, " the");
	check_token(&t, 7, " ");
	check_token(&t, 8, "x y");
	check_token(&t, 9, "\xc4\xa0");
	check_token(&t, 20, "  ");
	/* The byte piece gives way to the character's; of two signs neither does. */
	assert_int_equal(token_table_find(&t.table, bytes_of("\n", 1), &id), TOKEN_ONE);
	assert_int_equal(id, 10);
	assert_int_equal(
		token_table_find(&t.table, bytes_of("\xe2", 1), &id), TOKEN_ONE);
	assert_int_equal(id, 4);
	assert_int_equal(
		token_table_find(&t.table, bytes_of("  ", 2), &id), TOKEN_SHARED);
	assert_int_equal(t.table.n_shared, 2);
	assert_int_equal(t.table.n_weak, 1);
	tokenizer_describe(&t, text, sizeof(text));
	assert_string_equal(text, "12 ids, SentencePiece BPE with byte fallback; 2 of "
				  "them cannot be told apart by their bytes");
	tokenizer_collisions(&t, text, sizeof(text));
	assert_string_equal(text, "11 and 20 are \"  \"");
	tokenizer_release(&t);
}

static void tokenizer__reads_unigram(void **state)
{
	struct tokenizer t = read_good(
		"{\"model\":{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":[[\"<pad>\",0.0],"
		"[\"</s>\",0],[\"<unk>\",-1e400],[\"\xe2\x96\x81to\",-3.5],"
		"[\"x\",-4]]},\"added_tokens\":[],"
		"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
		"\"add_prefix_space\":true},\"decoder\":{\"type\":\"Metaspace\","
		"\"replacement\":\"\xe2\x96\x81\",\"add_prefix_space\":true}}");

	(void)state;
	assert_true(t.unigram && t.strips);
	assert_false(t.byte_fallback);
	assert_int_equal(t.alphabet, ALPHABET_SENTENCEPIECE);
	check_token(&t, 0, "<pad>");
	check_token(&t, 3, " to");
	check_token(&t, 4, "x");
	assert_int_equal(t.table.n, 5);
	tokenizer_release(&t);
}

static void tokenizer__takes_the_alphabet_from_what_is_there(void **state)
{
	/* No decoder: the pre_tokenizer says it. No type, as in files of old. */
	struct tokenizer t = read_good(
		"{\"decoder\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\"},"
		"\"model\":{\"vocab\":{\"\xc4\xa0\":0},\"merges\":[],"
		"\"end_of_word_suffix\":\"\"}}");

	(void)state;
	assert_int_equal(t.alphabet, ALPHABET_BYTE_LEVEL);
	check_token(&t, 0, " ");
	tokenizer_release(&t);
	t = read_good(
		"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\","
		"\"prepend_scheme\":\"never\"}," BPE("\"_a\":3", "") "}");
	assert_int_equal(t.alphabet, ALPHABET_SENTENCEPIECE);
	assert_false(t.strips);
	check_token(&t, 3, " a");
	tokenizer_release(&t);
	/* Gemma's: no Strip, so a text begins as its tokens do. */
	t = read_good(
		"{\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
		"{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xe2\x96\x81\"},"
		"\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"
		"]}," BPE("\"\xe2\x96\x81"
			  "a\":0",
			"") "}");
	assert_true(t.byte_fallback);
	assert_false(t.strips);
	tokenizer_release(&t);
}

/* An added token overrules the piece that has its id. */
static void tokenizer__lets_added_tokens_overrule(void **state)
{
	struct tokenizer t = read_good(
		"{\"added_tokens\":[{\"id\":1,\"content\":\"<|new|>\"}]," BYTE_LEVEL
		"," BPE("\"a\":0,\"old\":1", "") "}");
	uint32_t id;

	(void)state;
	check_token(&t, 1, "<|new|>");
	assert_int_equal(t.n_replaced, 1);
	assert_int_equal(t.n_added, 0);
	assert_int_equal(
		token_table_find(&t.table, bytes_of("old", 3), &id), TOKEN_NONE);
	tokenizer_release(&t);
}

static void tokenizer__refuses_what_it_cannot_decide(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"{" BYTE_LEVEL
		 ",\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}",
			"model.type: \"WordPiece\" is not offered"},
		{"{" BYTE_LEVEL
		 ",\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}}}",
			"WordLevel"},
		{"{" BYTE_LEVEL ",\"model\":{\"vocab\":{\"a\":0}}}",
			"a model without one"},
		{"{\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\"}," BPE(
			 "\"a\":0", "") "}",
			"decoder: a step \"WordPiece\""},
		{"{\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Strip\","
		 "\"content\":\" \",\"start\":1,\"stop\":0},{\"type\":\"Fuse\"}]}," BPE(
			 "\"a\":0", "") "}",
			"a step \"Strip\" as here"},
		{"{\"decoder\":{\"type\":\"Fuse\"}," BPE("\"a\":0", "") "}",
			"no step says how pieces write a blank"},
		{"{\"decoder\":null,\"pre_tokenizer\":{\"type\":\"Whitespace\"}," BPE(
			 "\"a\":0", "") "}",
			"there is none"},
		{"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"decoder\":{\"type\":"
		 "\"Metaspace\"}," BPE("\"a\":0", "") "}",
			"as well"},
		{"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\"},"
		 "\"decoder\":{\"type\":\"Metaspace\"}," BPE("\"a\":0", "") "}",
			"different signs"},
		{"{\"decoder\":{\"type\":\"Metaspace\"}," BPE(
			 "\"a\":0", ",\"byte_fallback\":true") "}",
			"no ByteFallback"},
		{"{" BYTE_LEVEL
		 "," BPE("\"a\":0", ",\"end_of_word_suffix\":\"</w>\"") "}",
			"end_of_word_suffix"},
		{"{" BYTE_LEVEL "," BPE("\"a\":0,\"b\":0", "") "}",
			"model.vocab: id 0 is that of \"a\" and of \"b\""},
		{"{\"added_tokens\":[{\"id\":5,\"content\":\"x\"},{\"id\":5,"
		 "\"content\":\"y\"}]," BYTE_LEVEL "," BPE("\"a\":0", "") "}",
			"added_tokens[1]: id 5 is that of \"x\" and of \"y\""},
		{"{" BYTE_LEVEL
		 ",\"model\":{\"type\":\"Unigram\",\"vocab\":{\"a\":0}}}",
			"must be a list for Unigram"},
		{"{" BYTE_LEVEL "}", "has no model"},
		{"{" BYTE_LEVEL ",\"model\":{\"type\":\"BPE\"}}",
			"model: has no vocab"},
		{"{" BYTE_LEVEL "," BPE("", "") "}", "model.vocab: is empty"},
		{"{" BYTE_LEVEL "," BPE("\"a\":0", "") "," BPE("\"a\":0", "") "}",
			"model: is there twice"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(cases[i].text, cases[i].want);
}

static void tokenizer__names_the_place_of_what_is_broken(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", "t.json:1:1: "},
		{"[]", "t.json:1:1: must be an object"},
		{"{\n \"model\":\n  7}", "t.json:3:3: model: must be an object"},
		{"{" BYTE_LEVEL
		 ",\n\"model\":{\"type\":\"BPE\",\n  \"vocab\":{\"a\":0,\n"
		 "    \"b\":\"1\"}}}",
			"t.json:4:"},
		{"{\"model\":{\"vocab\":{\"a\":-1}}}", "an id must be from 0"},
		{"{\"model\":{\"vocab\":{\"a\":2097152}}}", "an id must be from 0"},
		{"{\"model\":{\"vocab\":{\"a\":1.5}}}", "must be an integer"},
		{"{\"model\":{\"vocab\":{\"a\":99999999999999999999999}}}",
			"must be an integer"},
		{"{\"model\":{\"vocab\":[[1,2]]}}", "model.vocab[0]: must begin"},
		{"{\"model\":{\"vocab\":[[\"a\",2],7]}}", "an entry must be a list"},
		{"{\"model\":{\"vocab\":7}}", "must be an object or a list"},
		{"{\"added_tokens\":[{\"id\":1}]}", "added_tokens[0]: needs an id"},
		{"{\"added_tokens\":[7]}", "added_tokens[0]: must be an object"},
		{"{\"added_tokens\":[{\"id\":1,\"content\":7}]}",
			"content must be a text"},
		{"{\"added_tokens\":{}}", "added_tokens: must be a list"},
		{"{\"decoder\":7}", "decoder: must be an object or null"},
		{"{\"decoder\":{\"type\":7}}", "decoder: must be a text"},
		{"{\"decoder\":{\"decoders\":7}}", "must be a list of steps"},
		{"{\"decoder\":{\"decoders\":[7]}}", "a step must be an object"},
		{"{\"model\":{\"vocab\":{\"a\":0}}", "t.json:1:"},
		{"{\"model\":{\"vocab\":{\"a\xff\":0}}}", "t.json:1:"},
		{"{} x", "t.json:1:"},
	};
	struct buf text;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(cases[i].text, cases[i].want);
	buf_init(&text, MIB(1));
	buf_add_str(&text, "{\"model\":{\"vocab\":{\"");
	buf_add_fill(&text, 'x', LIMIT_TOKEN_BYTES + 1);
	buf_add_str(&text, "\":0}}}");
	check_refused(buf_text(&text), "a token is longer than");
	buf_clear(&text);
	buf_add_str(&text, "{\"decoder\":{\"decoders\":[");
	for (int i = 0; i < 40; i++)
		buf_printf(&text, "%s{\"type\":\"Fuse\"}", i ? "," : "");
	buf_add_str(&text, "]}}");
	check_refused(buf_text(&text), "more than 32 steps");
	buf_release(&text);
}

static void tokenizer__says_what_it_cannot_open(void **state)
{
	struct tokenizer t;
	struct err err = {0};

	(void)state;
	assert_int_equal(
		tokenizer_read_file("/nowhere/t.json", &t, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "/nowhere/t.json"));
	assert_int_equal(tokenizer_read_file("/", &t, &err), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokenizer__reads_byte_level_pieces),
		cmocka_unit_test(tokenizer__knows_every_byte),
		cmocka_unit_test(tokenizer__reads_sentencepiece_with_byte_fallback),
		cmocka_unit_test(tokenizer__reads_unigram),
		cmocka_unit_test(tokenizer__takes_the_alphabet_from_what_is_there),
		cmocka_unit_test(tokenizer__lets_added_tokens_overrule),
		cmocka_unit_test(tokenizer__refuses_what_it_cannot_decide),
		cmocka_unit_test(tokenizer__names_the_place_of_what_is_broken),
		cmocka_unit_test(tokenizer__says_what_it_cannot_open),
	};

	return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
