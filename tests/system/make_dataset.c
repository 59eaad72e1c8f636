/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_dataset - a dataset with one of everything, for tests that run commands
 *
 *   make_dataset RUN PROMPTS [SEED]
 *
 * Makes RUN/dataset with three samples of each prompt: with and without
 * reasoning, logits, tool calls; truncated, duplicate, revised; long, short,
 * empty, incompressible; dictionaries that begin half-way.
 */
#include "unit/make_dataset.h"

#define SAMPLES 3

static char *words(struct chance *c, size_t n)
{
	static const char *const list[] = {"so ", "we ", "add ", "both ", "and ",
		"get ", "twelve. ", "wait, ", "caf\xc3\xa9 ",
		"\xe4\xb8\xad\xe6\x96\x87 ", "\"x\" ", "a\\b\n", "\t\xf0\x9f\x99\x82 "};
	struct buf out;
	size_t len;

	buf_init(&out, MIB(1));
	while (n-- > 0)
		buf_add_str(
			&out, list[chance_below(c, sizeof(list) / sizeof(list[0]))]);
	buf_add_byte(&out, '\0');
	return (char *)buf_take(&out, &len);
}

/* Text that zstd makes no shorter, in pieces over several leaves. */
static char *noise(struct chance *c, size_t n)
{
	char *text = mem_alloc(n + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = (char)('!' + chance_below(c, 94));
	text[n] = '\0';
	return text;
}

static void add(struct maker *m, struct chance *c, uint64_t prompt, uint32_t sample)
{
	struct made made = {.prompt = prompt, .sample = sample};
	char *reasoning = NULL, *content;

	if (chance_below(c, 3))
		reasoning = words(c, chance_below(c, 200));
	switch (chance_below(c, 8)) {
	case 0:
		content = mem_dup_str("the same");
		free(reasoning);
		reasoning = NULL;
		break;
	case 1:
		content = noise(c, chance_below(c, 9000));
		break;
	case 2:
		content = words(c, 2000 + chance_below(c, 20000));
		break;
	default:
		content = words(c, chance_below(c, 300));
		break;
	}
	made.reasoning = reasoning;
	made.content = content;
	made.answer = (float)chance_below(c, 2);
	made.finish = chance_below(c, 4) ? FINISH_STOP : FINISH_LENGTH;
	made.flags = made.finish == FINISH_LENGTH ? FLAG_TRUNCATED : 0;
	made.interned = chance_below(c, 5) == 0;
	made.with_bytes = !made.interned && chance_below(c, 2);
	made.k = (uint32_t)chance_below(c, 21);
	made.n_tokens = chance_below(c, 4) ? 1 + (uint32_t)chance_below(c, 60) : 0;
	made.profile = (uint8_t)chance_below(c, 3);
	if (made.interned && made.k == 0)
		made.interned = false;
	if (chance_below(c, 6) == 0)
		made.tool_calls =
			"[{\"id\":\"c1\",\n \"function\":{\"name\":\"add\",\"arguments\":"
			"\"{\\\"a\\\":1}\"}}]";
	maker_add(m, &made);
	if (chance_below(c, 5) == 0) {
		made.revision = 1;
		made.content = "revised";
		made.reasoning = NULL;
		made.n_tokens = 0;
		maker_add(m, &made);
	}
	free(reasoning);
	free(content);
}

/* Not trained, only text that answers share. */
static void add_dictionary(struct maker *m)
{
	char text[2048] = "";
	struct err err;

	while (strlen(text) + 64 < sizeof(text))
		strcat(text, "so we add both and get twelve. wait, made-model req-");
	must(dataset_add_dictionary(m->d, bytes_of(text, strlen(text)), &err), &err);
}

int main(int argc, char **argv)
{
	struct chance chance = {argc > 3 ? strtoull(argv[3], NULL, 10) : 1};
	uint64_t prompts = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	struct maker maker;
	struct err err;

	if (argc < 3 || file_make_dir(argv[1], 0755, NULL) != ERR_NONE) {
		fprintf(stderr, "usage: make_dataset RUN PROMPTS [SEED]\n");
		return 2;
	}
	maker_begin_in(&maker, argv[1]);
	for (uint64_t p = 0; p < prompts; p++) {
		must(dataset_begin(maker.d, &err), &err);
		if (p == prompts / 2)
			add_dictionary(&maker);
		for (uint32_t s = 0; s < SAMPLES; s++)
			add(&maker, &chance, p, s);
		if (p % 50 == 0) {
			struct buf packed;

			buf_init(&packed, 65536);
			pack(maker.d->packer, str_bytes("an unreadable answer"),
				&packed);
			must(dataset_add_raw(maker.d, buf_bytes(&packed), &err), &err);
			buf_release(&packed);
		}
		must(dataset_commit(maker.d, &err), &err);
	}
	maker_write_shards(&maker, prompts);
	maker_close(&maker);
	accept_free(maker.accept);
	free(maker.dir);
	return 0;
}
