/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/limits.h"

static struct folder folder;

static int begin(void **state)
{
	(void)state;
	folder_make(&folder);
	return 0;
}

static int end(void **state)
{
	(void)state;
	folder_remove(&folder);
	return 0;
}

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_NONE)
		fail_msg("%s: %s", err_name(code), err->msg);
}

/* Entries of the folder, without "." and "..". */
static unsigned count_files(void)
{
	DIR *dir = opendir(folder.path);
	unsigned n = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return n;
}

static void file_read__takes_up_to_the_cap(void **state)
{
	static unsigned char bytes[200000];
	static const size_t sizes[] = {0, 1, 4096, 65535, 65536, 65537, 131072, 200000};
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 + i / 256);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *path = folder_write(&folder, "f", bytes, sizes[i]);
		struct buf out;

		buf_init(&out, sizes[i]);
		must(file_read(path, &out, &err), &err);
		assert_int_equal(out.len, sizes[i]);
		if (sizes[i])
			assert_memory_equal(out.data, bytes, sizes[i]);
		/* Read again, it is replaced, not added to. */
		must(file_read(path, &out, &err), &err);
		assert_int_equal(out.len, sizes[i]);
		buf_release(&out);
		if (sizes[i] > 0) {
			buf_init(&out, sizes[i] - 1);
			assert_int_equal(file_read(path, &out, &err), ERR_INVALID);
			assert_non_null(strstr(err.msg, "is larger than"));
			buf_release(&out);
		}
		free(path);
	}
}

static void file_read__says_what_it_cannot_read(void **state)
{
	struct buf out;
	struct err err;
	char *path = file_join(folder.path, "none");

	(void)state;
	buf_init(&out, 10);
	assert_int_equal(file_read(path, &out, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(file_read(folder.path, &out, &err), ERR_IO);
	buf_release(&out);
	free(path);
}

static void check_contents(const char *path, const char *want)
{
	struct buf out;
	struct err err;

	buf_init(&out, MIB(1));
	must(file_read(path, &out, &err), &err);
	assert_bytes_equal(out, want);
	buf_release(&out);
}

static void file_write__replaces_and_leaves_nothing_beside(void **state)
{
	char *path = file_join(folder.path, "f");
	struct stat st;
	struct err err;

	(void)state;
	umask(022);
	must(file_write(path, "old", 3, 0640, &err), &err);
	check_contents(path, "old");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	must(file_write(path, "", 0, 0644, &err), &err);
	check_contents(path, "");
	must(file_write(path, "new", 3, 0644, &err), &err);
	check_contents(path, "new");
	assert_int_equal(count_files(), 1);
	free(path);
}

static void file_write__leaves_the_old_where_it_fails(void **state)
{
	char *path = file_join(folder.path, "dir"), *inside, *nowhere;
	struct err err;

	(void)state;
	/* A folder with something in it cannot be renamed over. */
	must(file_make_dir(path, 0755, &err), &err);
	free(folder_write_text(&folder, "dir/kept", "kept"));
	assert_int_not_equal(file_write(path, "new", 3, 0644, &err), ERR_NONE);
	assert_non_null(strstr(err.msg, "cannot rename"));
	inside = file_join(path, "kept");
	check_contents(inside, "kept");
	assert_int_equal(count_files(), 1);
	nowhere = file_join(folder.path, "no/f");
	assert_int_equal(file_write(nowhere, "new", 3, 0644, &err), ERR_NOT_FOUND);
	free(inside);
	free(nowhere);
	free(path);
}

/* Whoever reads while it is written sees the one or the other, whole. */
static void file_write__is_never_seen_half(void **state)
{
	static char a[30000], b[50000];
	char *path = file_join(folder.path, "f");
	struct buf out;
	struct err err;
	int seen = 0, status;
	pid_t child;

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	must(file_write(path, a, sizeof(a), 0644, &err), &err);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		for (int i = 0; i < 40; i++) {
			bool is_a = i % 2;

			if (file_write(path, is_a ? a : b, is_a ? sizeof(a) : sizeof(b),
				    0644, &err) != ERR_NONE)
				_exit(1);
		}
		_exit(0);
	}
	buf_init(&out, MIB(1));
	while (waitpid(child, &status, WNOHANG) == 0) {
		must(file_read(path, &out, &err), &err);
		seen++;
		if (out.data[0] == 'a')
			assert_true(out.len == sizeof(a) &&
				    memcmp(out.data, a, sizeof(a)) == 0);
		else
			assert_true(out.len == sizeof(b) &&
				    memcmp(out.data, b, sizeof(b)) == 0);
	}
	assert_int_equal(status, 0);
	assert_true(seen > 0);
	buf_release(&out);
	free(path);
}

static void file_make_dir__makes_one_or_finds_one(void **state)
{
	char *dir = file_join(folder.path, "d"), *deep = file_join(folder.path, "x/y");
	char *file = folder_write_text(&folder, "f", "");
	struct stat st;
	struct err err;

	(void)state;
	umask(022);
	must(file_make_dir(dir, 0750, &err), &err);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	must(file_make_dir(dir, 0700, &err), &err);
	assert_int_equal(file_make_dir(file, 0700, &err), ERR_EXISTS);
	assert_int_equal(file_make_dir(deep, 0700, &err), ERR_NOT_FOUND);
	assert_true(file_exists(dir) && file_exists(file));
	assert_false(file_exists(deep));
	free(dir);
	free(deep);
	free(file);
}

static void file_remove_all__takes_a_tree_and_follows_no_link(void **state)
{
	char *tree = file_join(folder.path, "tree");
	char *link = file_join(folder.path, "tree/link");
	char *deep = file_join(folder.path, "tree/sub");
	char *outside = file_join(folder.path, "outside");
	struct err err;

	(void)state;
	must(file_make_dir(tree, 0755, &err), &err);
	must(file_make_dir(deep, 0755, &err), &err);
	must(file_make_dir(outside, 0755, &err), &err);
	free(folder_write_text(&folder, "tree/sub/f", "1"));
	free(folder_write_text(&folder, "outside/kept", "1"));
	assert_int_equal(symlink(outside, link), 0);
	must(file_remove_all(tree, &err), &err);
	assert_false(file_exists(tree));
	must(file_remove_all(tree, &err), &err);
	free(link);
	link = file_join(outside, "kept");
	assert_true(file_exists(link));
	must(file_remove_all(link, &err), &err);
	assert_false(file_exists(link));
	free(tree);
	free(link);
	free(deep);
	free(outside);
}

static void check_beside(const char *base, const char *path, const char *want)
{
	char *got = file_beside(base, path);

	assert_string_equal(got, want);
	free(got);
}

static void file_beside__starts_at_the_folder_of_the_base(void **state)
{
	char *job = file_join(folder.path, "job.json"), *want, *old = getcwd(NULL, 0);

	(void)state;
	check_beside(job, "/abs/p.jsonl", "/abs/p.jsonl");
	want = file_join(folder.path, "p.jsonl");
	check_beside(job, "p.jsonl", want);
	assert_int_equal(chdir(folder.path), 0);
	check_beside("job.json", "p.jsonl", want);
	check_beside("./job.json", "p.jsonl", want);
	assert_int_equal(chdir(old), 0);
	check_beside("/job.json", "p.jsonl", "//p.jsonl");
	/* A folder that is not there stays as it is written. */
	check_beside("/none/such/job.json", "../p", "/none/such/../p");
	free(old);
	free(want);
	free(job);
}

static void file_lock__is_one_byte_of_one_holder(void **state)
{
	char *path = file_join(folder.path, "lock");
	struct err err;
	pid_t owner;
	int first, second, third;

	(void)state;
	must(file_lock(path, 0, &first, &owner, &err), &err);
	must(file_lock(path, 2, &second, &owner, &err), &err);
	/* Also against the same process: the lock is the open file's. */
	assert_int_equal(file_lock(path, 0, &third, &owner, &err), ERR_EXISTS);
	assert_int_equal(third, -1);
	assert_int_equal(owner, getpid());
	assert_int_equal(file_lock(path, 2, &third, &owner, &err), ERR_EXISTS);
	assert_int_equal(owner, getpid());
	must(file_lock(path, 1, &third, &owner, &err), &err);
	/* Closing some other descriptor of the file frees nothing. */
	file_unlock(third);
	assert_int_equal(file_lock(path, 0, &third, &owner, &err), ERR_EXISTS);
	file_unlock(first);
	must(file_lock(path, 0, &first, &owner, &err), &err);
	file_unlock(first);
	file_unlock(second);
	file_unlock(-1);
	free(path);
}

static void file_lock__ends_with_its_process(void **state)
{
	char *path = file_join(folder.path, "lock"), byte;
	int fd, pipes[2];
	struct err err;
	pid_t owner, child;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (file_lock(path, 1, &fd, &owner, &err) != ERR_NONE)
			_exit(1);
		if (write(pipes[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(file_lock(path, 1, &fd, &owner, &err), ERR_EXISTS);
	assert_int_equal(owner, child);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	must(file_lock(path, 1, &fd, &owner, &err), &err);
	file_unlock(fd);
	close(pipes[0]);
	close(pipes[1]);
	free(path);
}

static void file__syncs_and_checks_local_folders(void **state)
{
	char *path = file_join(folder.path, "f"), *nowhere;
	struct err err;

	(void)state;
	must(file_sync_parent(path, &err), &err);
	must(file_sync_parent("plain", &err), &err);
	must(file_sync_parent("/plain", &err), &err);
	must(file_check_local(folder.path, &err), &err);
	nowhere = file_join(folder.path, "no/f");
	assert_int_equal(file_sync_parent(nowhere, &err), ERR_NOT_FOUND);
	assert_int_equal(file_check_local(nowhere, &err), ERR_NOT_FOUND);
	free(nowhere);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(file_read__takes_up_to_the_cap),
		TEST(file_read__says_what_it_cannot_read),
		TEST(file_write__replaces_and_leaves_nothing_beside),
		TEST(file_write__leaves_the_old_where_it_fails),
		TEST(file_write__is_never_seen_half),
		TEST(file_make_dir__makes_one_or_finds_one),
		TEST(file_remove_all__takes_a_tree_and_follows_no_link),
		TEST(file_beside__starts_at_the_folder_of_the_base),
		TEST(file_lock__is_one_byte_of_one_holder),
		TEST(file_lock__ends_with_its_process),
		TEST(file__syncs_and_checks_local_folders),
	};

	return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
