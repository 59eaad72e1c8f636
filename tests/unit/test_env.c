/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/make_dataset.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static struct maker maker;

static int begin(void **state)
{
	const struct made made = {.prompt = 1, .content = "a"};

	(void)state;
	maker_begin(&maker);
	maker_store(&maker, &made, 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	maker_end(&maker);
	return 0;
}

static void chmod_inside(const char *name, mode_t mode)
{
	char *path = file_join(maker.dir, name);

	assert_int_equal(chmod(path, mode), 0);
	free(path);
}

/* What opening and reading gives a user who may read and not write. */
static enum err_code as_nobody(void)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct dataset *d;
		struct record r;
		struct err err;
		enum err_code code;

		if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
			_exit(ERR_N);
		code = dataset_open(maker.dir, ENV_READ, &d, &err);
		if (code == ERR_NONE)
			code = dataset_begin_view(d, &err);
		if (code == ERR_NONE)
			code = dataset_record(d, 1, &r, &err);
		_exit((int)code);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return (enum err_code)WEXITSTATUS(status);
}

static void env__lets_others_read_what_nobody_writes(void **state)
{
	(void)state;
	if (getuid() != 0) {
		print_message("skipped: only root can become somebody else\n");
		return;
	}
	assert_int_equal(chmod(maker.folder.path, 0755), 0);
	assert_int_equal(chmod(maker.dir, 0755), 0);
	chmod_inside("data.mdb", 0644);
	chmod_inside("lock.mdb", 0644);
	/* The writer has it open and could not know of the reader. */
	assert_int_equal(as_nobody(), ERR_REFUSED);
	maker_close(&maker);
	assert_int_equal(as_nobody(), ERR_NONE);
	chmod_inside("lock.mdb", 0);
	assert_int_equal(as_nobody(), ERR_REFUSED);
	chmod_inside("lock.mdb", 0644);
	chmod_inside("data.mdb", 0);
	assert_int_equal(as_nobody(), ERR_IO);
}

static void env__grows_the_map_as_needed(void **state)
{
	const size_t len = MIB(40);
	unsigned char *bytes = mem_zalloc(len, 1), key[8];
	struct blob_filler filler = {0};
	struct bytes got;
	struct buf joined;
	struct err err;

	(void)state;
	buf_init(&joined, len + 64);
	for (uint64_t i = 1; i <= 3; i++) {
		put_u64_be(key, i);
		memset(bytes, (int)i, len);
		must(dataset_begin(maker.d, &err), &err);
		must(blob_append(maker.d->txn, DB_RAW, &filler, key, 8,
			     bytes_of(bytes, len), &err),
			&err);
		must(dataset_commit(maker.d, &err), &err);
	}
	assert_true(env_map_size(maker.d->env) > MIB(256));
	must(dataset_begin_view(maker.d, &err), &err);
	put_u64_be(key, 3);
	must(blob_get(maker.d->txn, DB_RAW, key, 8, &joined, &got, &err), &err);
	assert_int_equal(got.len, len);
	assert_int_equal(got.data[len - 1], 3);
	dataset_end_view(maker.d);
	buf_release(&joined);
	free(bytes);
}

static void env__says_what_is_not_a_dataset(void **state)
{
	struct dataset *d;
	struct err err;

	(void)state;
	assert_int_equal(dataset_open("/nonexistent/dataset", ENV_READ, &d, &err),
		ERR_NOT_FOUND);
	assert_string_equal(err.msg, "there is no dataset in '/nonexistent/dataset'");
	free(folder_write_text(&maker.folder, "data.mdb", "this is not LMDB at all"));
	assert_int_not_equal(
		dataset_open(maker.folder.path, ENV_READ, &d, &err), ERR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			env__lets_others_read_what_nobody_writes, begin, end),
		cmocka_unit_test_setup_teardown(
			env__grows_the_map_as_needed, begin, end),
		cmocka_unit_test_setup_teardown(
			env__says_what_is_not_a_dataset, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
