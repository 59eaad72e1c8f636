/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/signals.h"

static void signals__are_counted(void **state)
{
	int pipes[2];

	(void)state;
	signals_install();
	assert_int_equal(signals_stops(), 0);
	raise(SIGTERM);
	assert_int_equal(signals_stops(), 1);
	raise(SIGINT);
	assert_int_equal(signals_stops(), 2);
	/* A peer that is gone is an error to see, not an end. */
	assert_int_equal(pipe(pipes), 0);
	close(pipes[0]);
	assert_int_equal(write(pipes[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(signals_stops(), 2);
	close(pipes[1]);
}

static void signals__end_a_wait(void **state)
{
	int before = signals_stops(), pipes[2], rc;
	struct pollfd fd;
	pid_t parent = getpid(), child;
	sigset_t term, old;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	fd = (struct pollfd){pipes[0], POLLIN, 0};
	/* Blocked until the wait begins, so that none comes too early. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		kill(parent, SIGTERM);
		_exit(0);
	}
	rc = ppoll(&fd, 1, &(struct timespec){10, 0}, &old);
	assert_int_equal(rc, -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(signals_stops(), before + 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(pipes[0]);
	close(pipes[1]);
}

/* A process between, which is killed; its child must end as well. */
static void signals__end_a_process_with_its_parent(void **state)
{
	int said[2], held[2];
	char byte;
	pid_t between;

	(void)state;
	assert_int_equal(pipe(said), 0);
	assert_int_equal(pipe(held), 0);
	between = fork();
	assert_true(between >= 0);
	if (between == 0) {
		pid_t self = getpid();

		if (fork() == 0) {
			close(held[0]);
			byte = signals_die_with_parent((int)self) ? 'y' : 'n';
			if (write(said[1], &byte, 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(held[1]);
		for (;;)
			pause();
	}
	close(held[1]);
	assert_int_equal(read(said[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	assert_int_equal(kill(between, SIGKILL), 0);
	assert_int_equal(waitpid(between, NULL, 0), between);
	/* Ends only when the last holder of the other end has. */
	assert_int_equal(read(held[0], &byte, 1), 0);
	close(held[0]);
	close(said[0]);
	close(said[1]);
}

static void signals__tell_that_the_parent_is_gone(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) /* whoever it was, it is not the parent any more */
		_exit(signals_die_with_parent((int)getpid()) ? 1 : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals__are_counted),
		cmocka_unit_test(signals__end_a_wait),
		cmocka_unit_test(signals__end_a_process_with_its_parent),
		cmocka_unit_test(signals__tell_that_the_parent_is_gone),
	};

	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
