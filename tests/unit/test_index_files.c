/* SPDX-License-Identifier: Apache-2.0 */
/* Reindex, packed corpora, and files that are lost, cut or of a run that died. */
#include "unit/index_rig.h"

#include <fcntl.h>
#include <zlib.h>
#include <zstd.h>

static void index__reindex_keeps_the_numbers_of_known_ids(void **state)
{
	struct ledger l;
	struct buf text;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	add_rows(&text, 0, 150);
	buf_add_str(&text, "broken\n");
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);

	/* Other files, another order, lines gone, new and doubled. */
	buf_clear(&text);
	add_rows(&text, 149, 1);
	add_rows(&text, 300, 2);
	add_rows(&text, 20, 100);
	buf_add_str(&text, "\nbroken again\n");
	add_rows(&text, 50, 1);
	put(&l, 0, "b.jsonl", text.data, text.len);
	buf_clear(&text);
	add_rows(&text, 0, 10);
	add_rows(&text, 300, 1);
	put(&l, 1, "a.jsonl", text.data, text.len);
	run_fails(&l, ERR_INVALID, "--reindex");
	l.reindex = true;
	run_ok(&l);
	l.reindex = false;
	assert_int_equal(l.totals.n_duplicates, 2);
	assert_int_equal(l.totals.n_rejected, 3);
	assert_int_equal(count_prompts(&l), 113);
	assert_int_equal(l.totals.n_prompts, 113);
	assert_int_equal(number_of(&l, "r149"), 149);
	assert_int_equal(number_of(&l, "r20"), 20);
	assert_int_equal(number_of(&l, "r119"), 119);
	assert_int_equal(number_of(&l, "r9"), 9);
	assert_int_equal(number_of(&l, "r130"), -1);
	assert_int_equal(number_of(&l, "r300"), 152);
	assert_int_equal(number_of(&l, "r301"), 153);
	assert_int_equal(l.reject[1].line, 106);
	assert_int_equal(l.reject[1].first_line, 34);
	assert_int_equal(l.reject[2].corpus, 1);
	assert_int_equal(l.reject[2].first_corpus, 0);
	assert_int_equal(l.reject[2].first_line, 2);
	assert_false(l.reject[2].takes_back);

	/* A run goes on from there: the same, then more behind it. */
	run_ok(&l);
	assert_int_equal(l.n_read, 0);
	buf_add_str(&text, "{\"id\":\"z\",\"prompt\":\"x\"}\n");
	add_rows(&text, 25, 1);
	put(&l, 1, "a.jsonl", text.data, text.len);
	run_ok(&l);
	assert_int_equal(number_of(&l, "z"), l.totals.next_prompt - 2);
	assert_int_equal(l.reject[3].first_line, 9);
	assert_int_equal(l.reject[3].first_corpus, 0);

	/* What was lost gets its number back; so do those found since. */
	buf_clear(&text);
	add_rows(&text, 130, 5);
	add_rows(&text, 301, 1);
	put(&l, 0, "b.jsonl", text.data, text.len);
	l.reindex = true;
	run_ok(&l);
	assert_int_equal(number_of(&l, "r130"), 130);
	assert_int_equal(number_of(&l, "r301"), 153);
	buf_release(&text);
	ledger_remove(&l);
}

static void index__gives_a_lost_id_that_returns_by_growth_a_new_number(void **state)
{
	struct ledger l;

	(void)state;
	ledger_make(&l);
	put_text(&l, 0, "a.jsonl",
		"{\"id\":\"a\",\"prompt\":\"1\"}\n{\"id\":\"b\",\"prompt\":\"2\"}\n");
	run_ok(&l);
	put_text(&l, 0, "a.jsonl", "{\"id\":\"b\",\"prompt\":\"2\"}\n");
	l.reindex = true;
	run_ok(&l);
	l.reindex = false;
	put_text(&l, 0, "a.jsonl",
		"{\"id\":\"b\",\"prompt\":\"2\"}\n{\"id\":\"a\",\"prompt\":\"1\"}\n");
	run_ok(&l);
	assert_int_equal(l.totals.n_duplicates, 0);
	assert_int_equal(number_of(&l, "b"), 1);
	assert_int_equal(number_of(&l, "a"), 3);
	ledger_remove(&l);
}

static void add_gzip(struct buf *out, const void *text, size_t len)
{
	z_stream z = {0};
	size_t bound;

	assert_int_equal(
		deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	bound = deflateBound(&z, len) + 32;
	z.next_out = buf_reserve(out, bound);
	z.avail_out = (uInt)bound;
	z.next_in = (unsigned char *)text;
	z.avail_in = (uInt)len;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	deflateEnd(&z);
}

static void add_zstd(struct buf *out, const void *text, size_t len)
{
	size_t bound = ZSTD_compressBound(len);

	out->len += ZSTD_compress(buf_reserve(out, bound), bound, text, len, 3);
}

static void index__of_packed_files_is_that_of_plain_ones(void **state)
{
	struct ledger plain, packed;
	struct buf text, more, file;

	(void)state;
	buf_init(&text, MIB(1));
	buf_init(&more, MIB(1));
	buf_init(&file, MIB(1));
	buf_add_str(&text, "{\"prompt\":\"no id\"}\r\r\n\r\nbad\n");
	add_rows(&text, 0, 200);
	add_rows(&more, 150, 100);
	for (int zstd = 0; zstd < 2; zstd++) {
		void (*add)(struct buf *, const void *, size_t) =
			zstd ? add_zstd : add_gzip;

		ledger_make(&plain);
		ledger_make(&packed);
		put(&plain, 0, "a.jsonl", text.data, text.len);
		buf_clear(&file);
		add(&file, text.data, text.len);
		put(&packed, 0, "a.jsonl.gz", file.data, file.len);
		run_ok(&plain);
		run_ok(&packed);
		for (int grown = 0; grown < 2; grown++) {
			assert_true(packed.corpus[0].spooled);
			assert_memory_equal(&packed.corpus[0].digest,
				&plain.corpus[0].digest, sizeof(struct hash128));
			assert_int_equal(packed.n_shards, plain.n_shards);
			for (size_t i = 0; i < plain.n_shards; i++) {
				struct index_shard *a = &plain.shard[i].shard;
				struct index_shard *b = &packed.shard[i].shard;

				assert_true(a->present == b->present);
				assert_memory_equal(a->line_hash, b->line_hash,
					a->n_lines * sizeof(uint32_t));
			}
			assert_int_equal(number_of(&packed, "r199"), 202);
			assert_int_equal(number_of(&packed, "r249"), grown ? 302 : -1);
			/* Grown at its end, by a member or frame of its own. */
			add(&file, more.data, more.len);
			put(&packed, 0, "a.jsonl.gz", file.data, file.len);
			if (!grown) {
				buf_add(&text, more.data, more.len);
				put(&plain, 0, "a.jsonl", text.data, text.len);
				run_ok(&plain);
				run_ok(&packed);
				assert_int_equal(packed.totals.n_duplicates, 50);
			}
		}
		buf_truncate(&text, text.len - more.len);
		ledger_remove(&plain);
		ledger_remove(&packed);
	}
	buf_release(&text);
	buf_release(&more);
	buf_release(&file);
}

static void index__spool_survives_a_run_that_died(void **state)
{
	struct ledger l;
	struct buf text, file;
	struct spool *spool;
	uint64_t offset, length;
	char *path;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	buf_init(&file, MIB(1));
	add_rows(&text, 0, 70);
	add_zstd(&file, text.data, text.len);
	put(&l, 0, "a.zst", file.data, file.len);
	run_ok(&l);
	path = spool_path(l.spool_dir, 0);
	offset = l.shard[1].shard.offset + l.shard[1].shard.length;
	/* A frame that no ledger knows. */
	assert_int_equal(spool_open(path, offset, &spool, NULL), ERR_NONE);
	assert_int_equal(
		spool_add(spool, bytes_of("lost\n", 5), &offset, &length, NULL),
		ERR_NONE);
	spool_close(spool);
	buf_clear(&text);
	add_rows(&text, 70, 1);
	add_zstd(&file, text.data, text.len);
	put(&l, 0, "a.zst", file.data, file.len);
	run_ok(&l);
	assert_int_equal(l.shard[2].shard.offset, offset);
	assert_int_equal(number_of(&l, "r70"), 70);
	/* A spool that lost something is noticed. */
	assert_int_equal(truncate(path, 10), 0);
	add_zstd(&file, "\n", 1);
	put(&l, 0, "a.zst", file.data, file.len);
	run_fails(&l, ERR_CORRUPT, "0.zst");
	free(path);
	buf_release(&text);
	buf_release(&file);
	ledger_remove(&l);
}

static void index__fails_on_a_file_cut_short(void **state)
{
	struct ledger l;
	struct buf text, file;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	buf_init(&file, MIB(1));
	add_rows(&text, 0, 2000);
	add_gzip(&file, text.data, text.len);
	put(&l, 0, "a.gz", file.data, file.len - 100);
	run_fails(&l, ERR_CORRUPT, "a.gz");
	/* Plain when the run began. */
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	put(&l, 0, "a.jsonl", file.data, file.len);
	run_fails(&l, ERR_INVALID, "packed now");
	buf_release(&text);
	buf_release(&file);
	ledger_remove(&l);
}

static void index__makes_a_lost_ids_file_anew(void **state)
{
	struct ledger l;
	struct buf text;
	struct ids *ids;

	(void)state;
	ledger_make(&l);
	buf_init(&text, MIB(1));
	add_rows(&text, 0, 100);
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	unlink(l.ids_old);
	l.reindex = true;
	run_fails(&l, ERR_NOT_FOUND, "once without --reindex");
	l.reindex = false;
	add_rows(&text, 99, 2);
	put(&l, 0, "a.jsonl", text.data, text.len);
	run_ok(&l);
	assert_int_equal(l.totals.n_duplicates, 1);
	assert_int_equal(l.totals.n_prompts, 1);
	assert_int_equal(l.reject[0].first_line, 100);
	assert_int_equal(ids_open(l.ids_new, &ids, NULL), ERR_NONE);
	assert_int_equal(ids_count(ids), 101);
	ids_close(ids);

	/* A ledger that takes a duplicate for a prompt is taken as it is. */
	l.shard[2].shard.present |= 1;
	unlink(l.ids_old);
	run_ok(&l);
	assert_int_equal(l.totals.n_duplicates, 0);
	buf_release(&text);
	ledger_remove(&l);
}

static void index__ignores_ids_of_a_run_that_died(void **state)
{
	struct ledger l;
	char *old;

	(void)state;
	ledger_make(&l);
	put_text(&l, 0, "a.jsonl", "{\"id\":\"a\",\"prompt\":\"1\"}\n");
	run_ok(&l);
	/* The ids file is written, the ledger's commit never happens. */
	old = mem_dup(l.shard, sizeof(*l.shard));
	put_text(&l, 0, "a.jsonl",
		"{\"id\":\"a\",\"prompt\":\"1\"}\n{\"id\":\"b\",\"prompt\":\"2\"}\n");
	run_ok(&l);
	l.n_shards = 1;
	memcpy(l.shard, old, sizeof(*l.shard));
	l.corpus[0].n_lines = 1;
	l.corpus[0].size = l.corpus[0].text_size = l.shard[0].shard.length;
	l.corpus[0].digest = hash128("{\"id\":\"a\",\"prompt\":\"1\"}\n", 24);
	l.totals.next_prompt = 1;
	l.totals.next_shard = 1;
	run_ok(&l);
	assert_int_equal(l.totals.n_duplicates, 0);
	assert_int_equal(number_of(&l, "b"), 1);
	free(old);
	ledger_remove(&l);
}

static void index_read_shard__names_a_line_that_changes_under_the_run(void **state)
{
	struct shard_reader *r;
	struct shard_text text;
	struct ledger l;
	struct buf rows;
	struct err err;
	int fd;

	(void)state;
	ledger_make(&l);
	buf_init(&rows, MIB(1));
	add_rows(&rows, 0, 100);
	put(&l, 0, "a.jsonl", rows.data, rows.len);
	run_ok(&l);
	shard_text_init(&text);
	assert_int_equal(shard_reader_open(l.path[0], NULL, &r, &err), ERR_NONE);
	assert_int_equal(index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_NONE);
	assert_bytes_equal(
		text.line[0], "{\"id\":\"r64\",\"question\":\"what is 64?\"}");

	l.shard[1].shard.length--;
	assert_int_equal(index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_NONE);
	l.shard[1].shard.length -= 2;
	assert_int_equal(
		index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_CORRUPT);
	l.shard[1].shard.length += 3;
	/* A line more than there should be. */
	l.shard[0].shard.n_lines--;
	assert_int_equal(
		index_read_shard(r, &l.shard[0].shard, &text, &err), ERR_CORRUPT);
	l.shard[0].shard.n_lines++;
	assert_int_equal(index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_NONE);

	/* In place, line 66. */
	fd = open(l.path[0], O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1,
				 (off_t)(text.line[1].data - text.text.data + 5 +
					 (ptrdiff_t)l.shard[1].shard.offset)),
		1);
	assert_int_equal(
		index_read_shard(r, &l.shard[1].shard, &text, &err), ERR_CORRUPT);
	assert_non_null(
		strstr(err.msg, "a.jsonl:66 changed while the run is using it"));
	assert_int_equal(index_read_shard(r, &l.shard[0].shard, &text, &err), ERR_NONE);
	assert_int_equal(ftruncate(fd, (off_t)(l.shard[0].shard.length - 50)), 0);
	assert_int_equal(
		index_read_shard(r, &l.shard[0].shard, &text, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "a.jsonl:63 "));
	close(fd);
	shard_reader_close(r);
	shard_text_release(&text);
	buf_release(&rows);
	ledger_remove(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index__reindex_keeps_the_numbers_of_known_ids),
		cmocka_unit_test(
			index__gives_a_lost_id_that_returns_by_growth_a_new_number),
		cmocka_unit_test(index__of_packed_files_is_that_of_plain_ones),
		cmocka_unit_test(index__spool_survives_a_run_that_died),
		cmocka_unit_test(index__fails_on_a_file_cut_short),
		cmocka_unit_test(index__makes_a_lost_ids_file_anew),
		cmocka_unit_test(index__ignores_ids_of_a_run_that_died),
		cmocka_unit_test(
			index_read_shard__names_a_line_that_changes_under_the_run),
	};

	return cmocka_run_group_tests_name(
		"index_files", tests, make_rules, release_rules);
}
