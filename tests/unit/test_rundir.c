/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/folder.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/link.h"
#include "common/rundir.h"

static struct folder folder;
static char *run;

static int begin(void **state)
{
	(void)state;
	folder_make(&folder);
	run = file_join(folder.path, "job.run");
	return 0;
}

static int end(void **state)
{
	(void)state;
	folder_remove(&folder);
	free(run);
	return 0;
}

static void must(enum err_code code, const struct err *err)
{
	if (code != ERR_NONE)
		fail_msg("%s: %s", err_name(code), err->msg);
}

static void check_mode(const char *name, mode_t want)
{
	char *path = file_join(run, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, want);
	free(path);
}

static void rundir_make__makes_what_is_missing(void **state)
{
	struct err err;
	char *log = file_join(run, "log"), *deep = file_join(run, "no/such");

	(void)state;
	umask(0);
	must(rundir_make(run, &err), &err);
	check_mode(".", 0755);
	check_mode("dataset", 0750);
	check_mode("corpus", 0750);
	check_mode("sock", 0700);
	check_mode("log", 0750);
	must(file_remove_all(log, &err), &err);
	must(rundir_make(run, &err), &err);
	check_mode("log", 0750);
	assert_int_equal(rundir_make(deep, &err), ERR_NOT_FOUND);
	umask(022);
	free(log);
	free(deep);
}

static void rundir_take__gives_each_part_to_one_process(void **state)
{
	char want[32];
	struct err err;
	int supervisor, coordinator, store, other;

	(void)state;
	must(rundir_make(run, &err), &err);
	must(rundir_take(run, LOCK_SUPERVISOR, 0, &supervisor, &err), &err);
	must(rundir_take(run, LOCK_COORDINATOR, 0, &coordinator, &err), &err);
	must(rundir_take(run, LOCK_STORE, 0, &store, &err), &err);
	assert_int_equal(rundir_take(run, LOCK_STORE, 0, &other, &err), ERR_EXISTS);
	snprintf(want, sizeof(want), "(process %ld)", (long)getpid());
	assert_memory_equal(err.msg, "a store works on '", 18);
	assert_non_null(strstr(err.msg, want));
	assert_int_equal(
		rundir_take(run, LOCK_SUPERVISOR, 0, &other, &err), ERR_EXISTS);
	assert_non_null(strstr(err.msg, "'retort run' works on"));
	assert_int_equal(
		rundir_take(run, LOCK_COORDINATOR, 0, &other, &err), ERR_EXISTS);
	assert_non_null(strstr(err.msg, want));
	file_unlock(store);
	must(rundir_take(run, LOCK_STORE, 0, &store, &err), &err);
	file_unlock(store);
	assert_true(rundir_is_at_work(run));
	file_unlock(coordinator);
	assert_true(rundir_is_at_work(run));
	file_unlock(supervisor);
	assert_false(rundir_is_at_work(run));
	assert_false(rundir_is_at_work(folder.path));
}

static void rundir_take__waits_for_one_that_is_just_ending(void **state)
{
	int64_t begun;
	struct err err;
	int fd, ready[2], go[2];
	char byte;
	pid_t child;

	(void)state;
	must(rundir_make(run, &err), &err);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (rundir_take(run, LOCK_COORDINATOR, 0, &fd, &err) != ERR_NONE ||
			write(ready[1], "x", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		usleep(30000);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(rundir_take(run, LOCK_COORDINATOR, 0, &fd, &err), ERR_EXISTS);
	assert_int_equal(write(go[1], "x", 1), 1);
	begun = clock_mono_ms();
	must(rundir_take(run, LOCK_COORDINATOR, 20000, &fd, &err), &err);
	assert_true(clock_mono_ms() - begun < 15000);
	file_unlock(fd);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

/* A socket's path holds about 100 bytes; a run may lie deeper. */
static void rundir_socket__works_at_any_depth(void **state)
{
	static const char *const names[] = {"control.sock", "sock/store"};
	char long_name[200], *deep, address[64];
	struct err err;

	(void)state;
	memset(long_name, 'd', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	deep = file_join(folder.path, long_name);
	must(rundir_make(deep, &err), &err);
	for (size_t i = 0; i < 2; i++) {
		struct link *server, *client;
		struct link_message m;
		struct buf frame;
		char *socket = file_join(deep, names[i]);

		must(rundir_socket(deep, names[i], address, &err), &err);
		must(link_serve(address, &server, &err), &err);
		assert_true(file_exists(socket));
		must(rundir_socket(deep, names[i], address, &err), &err);
		must(link_connect(address, &client, &err), &err);
		do {
			buf_init(&frame, 16);
			buf_add_str(&frame, "hello");
		} while (link_send(client, NULL, &frame) != ERR_NONE);
		while (link_receive(server, &m) != ERR_NONE)
			link_wait(&server, 1, -1, 100);
		assert_bytes_equal(m.frame, "hello");
		link_message_release(&m);
		link_close(client);
		link_close(server);
		free(socket);
	}
	link_end();
	assert_int_equal(
		rundir_socket(run, "control.sock", address, &err), ERR_NOT_FOUND);
	free(deep);
}

static void rundir_default__lies_beside_the_job(void **state)
{
	char *job = file_join(folder.path, "my.json"), *got, *want;

	(void)state;
	got = rundir_default(job, "gsm8k");
	want = file_join(folder.path, "gsm8k.run");
	assert_string_equal(got, want);
	free(got);
	free(want);
	free(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(rundir_make__makes_what_is_missing),
		TEST(rundir_take__gives_each_part_to_one_process),
		TEST(rundir_take__waits_for_one_that_is_just_ending),
		TEST(rundir_socket__works_at_any_depth),
		TEST(rundir_default__lies_beside_the_job),
	};

	return cmocka_run_group_tests_name("rundir", tests, NULL, NULL);
}
