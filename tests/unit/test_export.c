/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "store/export.h"
#include "store/locate.h"
#include "store/reader.h"

static struct maker maker;

static const struct made samples[] = {
	{.prompt = 1,
		.sample = 0,
		.content = "four",
		.reasoning = "two and\ntwo",
		.answer = 1},
	{.prompt = 1, .sample = 1, .content = "four", .reasoning = "two and two"},
	{.prompt = 2,
		.sample = 0,
		.content = "",
		.finish = FINISH_LENGTH,
		.flags = FLAG_TRUNCATED},
	{.prompt = 2,
		.sample = 1,
		.tool_calls = "[{\"id\":\n\"c\"}]",
		.n_tokens = 3,
		.k = 2},
};
#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static int begin(void **state)
{
	(void)state;
	maker_begin(&maker);
	maker_store(&maker, samples, N_SAMPLES);
	return 0;
}

static int end(void **state)
{
	(void)state;
	maker_end(&maker);
	return 0;
}

static char *path_of(const char *name)
{
	return file_join(maker.folder.path, name);
}

static enum err_code run(
	struct export_options options, struct manifest *m, struct err *err)
{
	struct manifest local = {0};
	enum err_code code = export_run(maker.d, &options, m ? m : &local, err);

	manifest_release(&local);
	return code;
}

/* The file's text; the caller frees it. */
static char *contents(const char *path)
{
	struct buf text;
	struct err err;
	size_t len;

	buf_init(&text, MIB(64));
	must(file_read(path, &text, &err), &err);
	buf_add_byte(&text, '\0');
	return (char *)buf_take(&text, &len);
}

/* The nth line of a file as JSON. */
static json_t *line_of(const char *path, int n)
{
	char *text = contents(path), *at = text;
	json_error_t where;
	json_t *line;

	while (n-- > 0)
		at = strchr(at, '\n') + 1;
	*strchr(at, '\n') = '\0';
	line = json_loads(at, JSON_ALLOW_NUL, &where);
	if (!line)
		fail_msg("%s: %s", where.text, at);
	free(text);
	return line;
}

static const char jsonl_first[] =
	"{\"id\":\"p-1\",\"prompt_no\":1,\"sample\":0,\"revision\":0,"
	"\"prompt\":[{\"role\":\"user\",\"content\":\"what is \\\"1\\\"?\"}],"
	"\"request\":null,\"reasoning\":\"two and\\ntwo\",\"content\":\"four\",\"tool_calls\":null,"
	"\"refusal\":null,\"finish_reason\":\"stop\",\"model\":\"made-model\","
	"\"usage\":{\"prompt_tokens\":21,\"cached_prompt_tokens\":null,"
	"\"completion_tokens\":11,\"reasoning_tokens\":5},"
	"\"scores\":{\"length\":11,\"repetition\":0.1,\"compression_ratio\":null,"
	"\"finish\":null,\"refusal\":null,\"confidence\":null,\"entropy\":null,"
	"\"answer\":1},\"flags\":[],\"misaligned_rule\":null,\"duplicate_of\":null,\"accepted\":true,"
	"\"reference\":\"1\",\"provenance\":{\"teacher\":\"t0\","
	"\"endpoint\":\"http://127.0.0.1:1/v1\",\"request_id\":\"req-1-0\","
	"\"system_fingerprint\":null,\"attempts\":1,\"latency_ms\":250,"
	"\"cost_usd\":0.001234568,\"created_at\":\"2026-01-01T00:00:01.000Z\","
	"\"seed\":null,\"choice\":0,\"settings\":0,\"scored\":null},\"extra\":{\"level\":\"1\"}}\n";

static void export__writes_the_keys_that_are_fixed(void **state)
{
	char *out = path_of("out.jsonl"), *text;
	struct err err;

	(void)state;
	must(run((struct export_options){.format = "jsonl", .out = out}, NULL, &err),
		&err);
	text = contents(out);
	text[strlen(jsonl_first)] = '\0';
	assert_string_equal(text, jsonl_first);
	free(text);
	free(out);
}

static void export__adds_logits_when_asked(void **state)
{
	static const char *const keys[] = {"prompt_token_ids", "token_ids", "logprobs",
		"top_ids", "top_logprobs", "tail_mass", "spans", "eos_row",
		"logprobs_mode", "capture"};
	char *out = path_of("out.jsonl");
	struct export_options options = {
		.format = "jsonl", .out = out, .with_logits = true};
	struct err err;
	json_t *line;

	(void)state;
	must(run(options, NULL, &err), &err);
	line = line_of(out, 3);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_non_null(json_object_get(line, keys[i]));
	assert_int_equal(json_array_size(json_object_get(line, "prompt_token_ids")), 3);
	assert_int_equal(json_array_size(json_object_get(line, "token_ids")), 3);
	assert_int_equal(json_array_size(json_object_get(line, "top_logprobs")), 3);
	assert_int_equal(
		json_array_size(json_array_get(json_object_get(line, "top_ids"), 2)),
		2);
	assert_int_equal(json_array_size(json_object_get(
				 json_object_get(line, "spans"), "content")),
		2);
	assert_true(json_is_true(json_object_get(line, "eos_row")));
	/* JSON that came with line breaks stays on its line. */
	assert_true(json_is_array(json_object_get(line, "tool_calls")));
	json_decref(line);
	line = line_of(out, 0);
	assert_true(json_is_null(json_object_get(line, "token_ids")));
	assert_true(json_is_null(json_object_get(line, "eos_row")));
	json_decref(line);
	free(out);
}

static void export__writes_conversations(void **state)
{
	char *out = path_of("out.jsonl"), *text;
	struct export_options options = {.format = "openai-messages", .out = out};
	struct err err;

	(void)state;
	must(run(options, NULL, &err), &err);
	text = contents(out);
	assert_string_equal(text,
		"{\"messages\":[{\"role\":\"user\",\"content\":\"what is \\\"1\\\"?\"},"
		"{\"role\":\"assistant\",\"content\":\"four\","
		"\"reasoning_content\":\"two and\\ntwo\"}]}\n"
		"{\"messages\":[{\"role\":\"user\",\"content\":\"what is \\\"1\\\"?\"},"
		"{\"role\":\"assistant\",\"content\":\"four\","
		"\"reasoning_content\":\"two and two\"}]}\n"
		"{\"messages\":[{\"role\":\"user\",\"content\":\"what is \\\"2\\\"?\"},"
		"{\"role\":\"assistant\",\"content\":\"\"}]}\n"
		"{\"messages\":[{\"role\":\"user\",\"content\":\"what is \\\"2\\\"?\"},"
		"{\"role\":\"assistant\",\"content\":null,"
		"\"tool_calls\":[{\"id\": \"c\"}]}]}\n");
	free(text);
	free(out);
}

static json_int_t count_of(const json_t *manifest, const char *group, const char *name)
{
	return json_integer_value(
		json_object_get(json_object_get(manifest, group), name));
}

static void export__explains_itself_in_a_manifest(void **state)
{
	char *out = path_of("out.jsonl"), *beside = path_of("out.jsonl.manifest.json");
	char *text, hex[2 * DIGEST_SIZE + 1];
	struct export_options options = {
		.format = "jsonl", .out = out, .where = "content is not null"};
	json_t *m, *file, *flags;
	struct outfile_sum sum;
	struct err err;

	(void)state;
	must(run(options, NULL, &err), &err);
	text = contents(beside);
	m = json_loads(text, 0, NULL);
	assert_non_null(m);
	assert_string_equal(
		json_string_value(json_object_get(m, "where")), options.where);
	assert_string_equal(
		json_string_value(json_object_get(m, "accept")), MADE_ACCEPT);
	assert_string_equal(
		json_string_value(json_object_get(m, "retort")), RETORT_VERSION);
	assert_int_equal(json_integer_value(json_object_get(m, "sequence")), 4);
	assert_int_equal(count_of(m, "counts", "samples"), 3);
	assert_int_equal(count_of(m, "counts", "prompts"), 2);
	assert_int_equal(count_of(m, "counts", "accepted"), 1);
	assert_int_equal(count_of(m, "counts", "duplicates"), 1);
	assert_int_equal(count_of(m, "tokens", "prompt"), 21 + 21 + 22);
	flags = json_object_get(json_object_get(m, "counts"), "flags");
	assert_int_equal(json_integer_value(json_object_get(flags, "truncated")), 1);
	file = json_array_get(json_object_get(m, "teachers"), 0);
	assert_string_equal(json_string_value(json_object_get(file, "license")), "MIT");
	file = json_array_get(json_object_get(m, "files"), 0);
	must(outfile_sum_of(out, &sum, &err), &err);
	text_hex(sum.digest, DIGEST_SIZE, hex);
	assert_string_equal(
		json_string_value(json_object_get(file, "blake2b_256")), hex);
	assert_int_equal(json_integer_value(json_object_get(file, "size")), sum.size);
	json_decref(m);
	free(text);
	free(out);
	free(beside);
}

static void digest__is_that_of_b2sum(void **state)
{
	/* printf abc | b2sum -l 256 */
	static const char want[] =
		"bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
	struct outfile_sum sum;
	char hex[2 * DIGEST_SIZE + 1], *path;
	struct err err;

	(void)state;
	path = folder_write_text(&maker.folder, "abc", "abc");
	must(outfile_sum_of(path, &sum, &err), &err);
	text_hex(sum.digest, DIGEST_SIZE, hex);
	assert_string_equal(hex, want);
	assert_string_equal(sum.name, "abc");
	free(path);
}

/* Same bytes from the original and from a snapshot of it. */
static void export__makes_snapshots_that_say_the_same(void **state)
{
	char *folder = path_of("snapshot"), *a = path_of("a"), *b = path_of("b");
	char *texts[2];
	struct dataset *snapshot, *original = maker.d;
	struct err err;

	(void)state;
	must(run((struct export_options){.format = "lmdb", .out = folder}, NULL, &err),
		&err);
	must(run(
		     (struct export_options){
			     .format = "jsonl", .out = a, .with_logits = true},
		     NULL, &err),
		&err);
	must(locate_and_open(folder, &snapshot, &err), &err);
	maker.d = snapshot;
	must(run(
		     (struct export_options){
			     .format = "jsonl", .out = b, .with_logits = true},
		     NULL, &err),
		&err);
	maker.d = original;
	dataset_close(snapshot);
	texts[0] = contents(a);
	texts[1] = contents(b);
	assert_string_equal(texts[0], texts[1]);
	free(texts[0]);
	free(texts[1]);
	free(folder);
	free(a);
	free(b);
}

static void snapshot__has_what_its_samples_need(void **state)
{
	char *folder = path_of("snapshot"), *lock;
	struct export_options options = {
		.format = "lmdb", .out = folder, .where = "sample == 1"};
	struct bytes bytes;
	struct dataset *d;
	struct buf room;
	struct err err;
	struct sections parts;
	uint16_t ordinal;

	(void)state;
	must(run(options, NULL, &err), &err);
	lock = file_join(folder, "lock.mdb");
	assert_false(file_exists(lock));
	must(dataset_open(folder, ENV_READ, &d, &err), &err);
	must(dataset_begin_view(d, &err), &err);
	/* Sequence numbers stay; there are gaps. */
	assert_int_equal(d->state.last_sequence, 4);
	assert_int_equal(env_entries(d->txn, DB_RECORD), 2);
	assert_int_equal(env_entries(d->txn, DB_KEY), 2);
	assert_int_equal(env_entries(d->txn, DB_SHARD), 0);
	assert_int_equal(env_entries(d->txn, DB_RAW), 0);
	buf_init(&room, PACK_RAW_MAX);
	must(dataset_prompt(d, 2, 0, &room, &parts, &err), &err);
	must(dataset_prompt_ids(d, 2, 0, &room, &bytes, &err), &err);
	assert_int_equal(bytes.len, 12);
	must(dataset_settings(d, 0, &bytes, &err), &err);
	must(dataset_accept(d, &bytes, &err), &err);
	assert_int_equal(
		dataset_token(d, 0, 999999, &ordinal, &bytes, &err), ERR_NOT_FOUND);
	assert_true(env_entries(d->txn, DB_VOCAB) > 0);
	dataset_end_view(d);
	dataset_close(d);
	buf_release(&room);
	free(lock);
	free(folder);
}

static void export__replaces_only_what_it_may(void **state)
{
	char *file = path_of("file"), *folder = path_of("folder"), *inside, *text;
	struct export_options lines = {.format = "jsonl", .out = file};
	struct export_options copy = {.format = "lmdb", .out = folder};
	struct err err;

	(void)state;
	/* An empty file or folder is as good as none. */
	free(folder_write_text(&maker.folder, "file", ""));
	must(run(lines, NULL, &err), &err);
	assert_int_equal(run(lines, NULL, &err), ERR_EXISTS);
	lines.force = true;
	must(run(lines, NULL, &err), &err);
	lines.out = maker.folder.path;
	assert_int_equal(run(lines, NULL, &err), ERR_EXISTS);
	/* Never a file that holds anything but lines of JSON. */
	free(folder_write_text(&maker.folder, "file", "mine"));
	lines.out = file;
	assert_int_equal(run(lines, NULL, &err), ERR_EXISTS);
	text = contents(file);
	assert_string_equal(text, "mine");
	free(text);

	assert_int_equal(mkdir(folder, 0755), 0);
	must(run(copy, NULL, &err), &err);
	assert_int_equal(run(copy, NULL, &err), ERR_EXISTS);
	copy.force = true;
	must(run(copy, NULL, &err), &err);
	/* Never a folder that holds anything else, asked or not. */
	copy.out = maker.folder.path;
	assert_int_equal(run(copy, NULL, &err), ERR_EXISTS);
	copy.out = maker.dir;
	assert_int_equal(run(copy, NULL, &err), ERR_EXISTS);
	inside = file_join(folder, "notes.txt");
	must(file_write(inside, "mine", 4, 0644, &err), &err);
	copy.out = folder;
	assert_int_equal(run(copy, NULL, &err), ERR_EXISTS);
	text = contents(inside);
	assert_string_equal(text, "mine");
	free(text);
	free(inside);
	free(file);
	free(folder);
}

static void export__leaves_nothing_behind_when_it_fails(void **state)
{
	char *folder = path_of("folder"), *aside;
	struct export_options copy = {.format = "lmdb", .out = folder};
	struct err err;

	(void)state;
	/* Not even begun: the accept filter is being applied anew. */
	must(dataset_begin(maker.d, &err), &err);
	must(dataset_set_accept(maker.d, bytes_of("", 0), &err), &err);
	must(dataset_commit(maker.d, &err), &err);
	assert_int_equal(run(copy, NULL, &err), ERR_AGAIN);
	aside = mem_printf("%s.%ld.tmp", folder, (long)getpid());
	assert_false(file_exists(aside));
	assert_false(file_exists(folder));
	copy.format = "jsonl";
	assert_int_equal(run(copy, NULL, &err), ERR_AGAIN);
	assert_false(file_exists(aside));
	assert_false(file_exists(folder));
	free(aside);
	free(folder);
}

/* A folder of Parquet files with a manifest; what is read back of them is the affair
 * of tests/system/trainer_exports.py. */
static void export__gives_trainers_what_has_tokens_and_rows(void **state)
{
	char *folder = path_of("rows"), *inside, *text;
	struct export_options options = {.format = "axolotl", .out = folder, .k = 2};
	json_t *m, *rows;
	struct err err;

	(void)state;
	must(run(options, NULL, &err), &err);
	inside = file_join(folder, "manifest.json");
	text = contents(inside);
	m = json_loads(text, 0, NULL);
	assert_non_null(m);
	rows = json_object_get(m, "rows");
	/* One of the four; the others have no logits. */
	assert_int_equal(count_of(m, "counts", "samples"), 1);
	assert_int_equal(count_of(rows, "left_out", "no_logits"), 3);
	assert_int_equal(json_integer_value(json_object_get(rows, "positions")), 6);
	assert_int_equal(json_integer_value(json_object_get(rows, "distributions")), 3);
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(m, "files"), 0), "name")),
		"data_0.parquet");
	json_decref(m);
	free(text);
	/* Replaced when asked, and never if there is anything else. */
	assert_int_equal(run(options, NULL, &err), ERR_EXISTS);
	options.force = true;
	options.format = "distillkit";
	must(run(options, NULL, &err), &err);
	free(inside);
	inside = file_join(folder, "data_x.parquet");
	must(file_write(inside, "mine", 4, 0644, &err), &err);
	assert_int_equal(run(options, NULL, &err), ERR_EXISTS);
	free(inside);
	free(folder);
}

static void export__begins_a_further_file_when_one_is_full(void **state)
{
	enum { N = 12 };
	char *folder = path_of("rows"), name[32];
	struct export_options options = {
		.format = "distillkit", .out = folder, .k = 2, .file_bytes = 1};
	struct made more[N] = {0};
	struct manifest m = {0};
	struct err err;

	(void)state;
	for (int i = 0; i < N; i++)
		more[i] = (struct made){.prompt = 10 + (uint64_t)i,
			.content = "x",
			.n_tokens = 3,
			.k = 2};
	maker_store(&maker, more, N);
	must(export_run(maker.d, &options, &m, &err), &err);
	assert_int_equal(m.samples, N + 1);
	assert_int_equal(m.n_files, N + 1);
	for (size_t i = 0; i < m.n_files; i++) {
		char *path;

		snprintf(name, sizeof(name), "data_%zu.parquet", i);
		assert_string_equal(m.file[i].name, name);
		path = file_join(folder, name);
		assert_true(file_exists(path));
		free(path);
	}
	manifest_release(&m);
	free(folder);
}

static void export__never_mixes_tokenizers(void **state)
{
	char *folder = path_of("rows");
	struct export_options options = {.format = "distillkit", .out = folder, .k = 2};
	struct made other = {
		.prompt = 3, .content = "x", .n_tokens = 3, .k = 2, .tokenizer = 7};
	struct err err;

	(void)state;
	maker_store(&maker, &other, 1);
	assert_int_equal(run(options, NULL, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "more than one tokenizer"));
	assert_false(file_exists(folder));
	options.where = "prompt_no == 3";
	must(run(options, NULL, &err), &err);
	free(folder);
}

/* The job asks for no logprobs, so nobody says how many candidates. */
static void export__asks_for_k_where_the_job_has_none(void **state)
{
	char *folder = path_of("rows");
	struct export_options options = {.format = "distillkit", .out = folder};
	struct err err;

	(void)state;
	assert_int_equal(run(options, NULL, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "--k"));
	assert_false(file_exists(folder));
	free(folder);
}

/* A disk that is full: neither the folder nor what was written aside of it. */
static void export__of_rows_that_fails_leaves_nothing(void **state)
{
	char *folder = path_of("rows"), *aside;
	struct export_options options = {.format = "axolotl", .out = folder, .k = 2};
	struct rlimit was, none;
	void (*signal_was)(int) = signal(SIGXFSZ, SIG_IGN);
	struct err err;

	(void)state;
	aside = mem_printf("%s.%ld.tmp", folder, (long)getpid());
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = (struct rlimit){0, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(run(options, NULL, &err), ERR_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, signal_was);
	assert_false(file_exists(folder));
	assert_false(file_exists(aside));
	must(run(options, NULL, &err), &err);
	free(aside);
	free(folder);
}

static void export__refuses_what_it_does_not_know(void **state)
{
	struct export_options options = {.format = "jsonk", .out = "-"};
	struct err err;

	(void)state;
	assert_int_equal(run(options, NULL, &err), ERR_INVALID);
	assert_string_equal(
		err.msg, "there is no format 'jsonk' (did you mean 'jsonl'?)");
	options.format = "lmdb";
	assert_int_equal(run(options, NULL, &err), ERR_INVALID);
	options = (struct export_options){.format = "jsonl", .out = "-", .where = "x"};
	assert_int_equal(run(options, NULL, &err), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			export__writes_the_keys_that_are_fixed, begin, end),
		cmocka_unit_test_setup_teardown(
			export__adds_logits_when_asked, begin, end),
		cmocka_unit_test_setup_teardown(
			export__writes_conversations, begin, end),
		cmocka_unit_test_setup_teardown(
			export__explains_itself_in_a_manifest, begin, end),
		cmocka_unit_test_setup_teardown(digest__is_that_of_b2sum, begin, end),
		cmocka_unit_test_setup_teardown(
			export__makes_snapshots_that_say_the_same, begin, end),
		cmocka_unit_test_setup_teardown(
			snapshot__has_what_its_samples_need, begin, end),
		cmocka_unit_test_setup_teardown(
			export__replaces_only_what_it_may, begin, end),
		cmocka_unit_test_setup_teardown(
			export__leaves_nothing_behind_when_it_fails, begin, end),
		cmocka_unit_test_setup_teardown(
			export__gives_trainers_what_has_tokens_and_rows, begin, end),
		cmocka_unit_test_setup_teardown(
			export__begins_a_further_file_when_one_is_full, begin, end),
		cmocka_unit_test_setup_teardown(
			export__never_mixes_tokenizers, begin, end),
		cmocka_unit_test_setup_teardown(
			export__asks_for_k_where_the_job_has_none, begin, end),
		cmocka_unit_test_setup_teardown(
			export__of_rows_that_fails_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			export__refuses_what_it_does_not_know, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
