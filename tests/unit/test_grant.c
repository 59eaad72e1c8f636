/* SPDX-License-Identifier: Apache-2.0 */
/* From shards in the ledger to GRANTs, after a reindex that moved every prompt. */
#include "unit/ledger_rig.h"

#include "coordinator/coordinator.h"

#define PROMPTS 100 /* in two shards */

static const char job[] =
	"{\"name\":\"g\",\"corpus\":[\"%s\"],\"teachers\":[{\"name\":\"t0\","
	"\"url\":[\"http://127.0.0.1:1/v1\"],\"model\":\"m\"}]}";

static struct folder folder;
static struct coordinator_options options = {.term_ms = 1000, .heartbeat_ms = 100};
static struct coordinator c;
static struct worker worker = {.number = 1, .name = "w", .peer = {.len = 1}};

/* The prompts p0, p1 and so on, behind one that was not there before. */
static char *write_corpus(bool with_new)
{
	struct buf text;
	char *path;

	buf_init(&text, MIB(1));
	if (with_new)
		buf_add_str(&text, "{\"id\":\"new\",\"prompt\":\"and?\"}\n");
	for (int i = 0; i < PROMPTS; i++)
		buf_printf(&text, "{\"id\":\"p%d\",\"prompt\":\"%d?\"}\n", i, i);
	path = folder_write(&folder, "p.jsonl", text.data, text.len);
	buf_release(&text);
	return path;
}

static void open_run(bool reindex)
{
	struct err err;

	c = (struct coordinator){
		.options = &options, .text_shard = UINT64_MAX, .lock = -1};
	c.leases = lease_table_new(options.term_ms);
	prompt_init(&c.prompt);
	shard_text_init(&c.text);
	options.reindex = reindex;
	must(start_open(&c, &err), &err);
	c.n_readers = c.job.n_corpus;
	c.reader = mem_zalloc(c.n_readers, sizeof(struct shard_reader *));
}

static void close_run(void)
{
	file_unlock(c.lock);
	start_close(&c);
}

static int begin(void **state)
{
	char *corpus, *text, *path;

	(void)state;
	folder_make(&folder);
	corpus = write_corpus(false);
	text = mem_printf(job, corpus);
	path = folder_write_text(&folder, "job.json", text);
	free(corpus);
	free(text);
	options.job_path = path;
	options.dir = file_join(folder.path, "g.run");
	open_run(false);
	close_run();
	free(write_corpus(true));
	open_run(true);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close_run();
	free((char *)(uintptr_t)options.job_path);
	free((char *)(uintptr_t)options.dir);
	folder_remove(&folder);
	return 0;
}

/* Every prompt that is to be sent has the number that it had before. */
static unsigned check_numbers(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < c.n_out; i++) {
		struct err err;
		struct wire m;

		must(wire_decode(buf_bytes(&c.out[i].frame), &m, &err), &err);
		assert_int_equal(m.type, WIRE_GRANT);
		for (uint32_t k = 0; k < m.grant.n_prompts; k++, n++) {
			const struct wire_prompt *p = &m.grant.prompt[k];
			char id[32];

			snprintf(
				id, sizeof(id), "p%llu", (unsigned long long)p->number);
			if (p->number == PROMPTS)
				assert_bytes_equal(p->id, "new");
			else
				assert_bytes_equal(p->id, id);
		}
		wire_release(&m);
	}
	out_drop(&c);
	return n;
}

/* Between two grants of one shard the ledger is asked about another, as when
 * samples are made eligible again or a prompt is convicted. */
static void grants__keep_the_numbers_of_their_shard(void **state)
{
	struct index_shard other;
	uint64_t shards[2] = {UINT64_MAX, 0};
	unsigned n = 0;

	(void)state;
	for (uint64_t s = 0; s < c.l->totals.next_shard; s++) {
		struct shard_row row = {0};

		if (ledger_load_shard(c.l, s, &row) != ERR_NONE ||
			row.state == SHARD_RETIRED)
			continue;
		shards[0] = s < shards[0] ? s : shards[0];
		shards[1] = s;
	}
	assert_true(shards[0] < shards[1]);
	while (grant_prompts(&c, &worker, 3, 0) > 0) {
		n += check_numbers();
		for (int i = 0; i < 2; i++)
			assert_int_equal(
				ledger_index_shard(c.l, shards[i], &other), ERR_NONE);
	}
	assert_int_equal(n, PROMPTS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			grants__keep_the_numbers_of_their_shard, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
