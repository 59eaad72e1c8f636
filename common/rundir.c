/* SPDX-License-Identifier: Apache-2.0 */
#include "common/rundir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/mem.h"

static const struct {
	const char *name;
	mode_t mode;
} parts[] = {{"dataset", 0750}, {"corpus", 0750}, {"sock", 0700}, {"log", 0750}};

enum err_code rundir_make(const char *dir, struct err *err)
{
	enum err_code code = file_make_dir(dir, 0755, err);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && code == ERR_NONE;
		i++) {
		char *path = file_join(dir, parts[i].name);

		code = file_make_dir(path, parts[i].mode, err);
		free(path);
	}
	if (code == ERR_NONE)
		code = file_check_local(dir, err);
	return code;
}

enum err_code rundir_take(
	const char *dir, enum rundir_lock which, int wait_ms, int *fd, struct err *err)
{
	static const char *const who[] = {"'retort run'", "a coordinator", "a store"};
	char *path = file_join(dir, "lock");
	int64_t until = clock_mono_ms() + wait_ms;
	enum err_code code;
	pid_t owner;

	for (;;) {
		code = file_lock(path, (off_t)which, fd, &owner, err);
		if (code != ERR_EXISTS || clock_mono_ms() >= until)
			break;
		usleep(20000);
	}
	free(path);
	if (code == ERR_EXISTS)
		err_set(err, ERR_EXISTS,
			"%s works on '%s' already (process %ld); stop it, or choose another --dir",
			who[which], dir, (long)owner);
	return code;
}

bool rundir_is_at_work(const char *dir)
{
	char *path = file_join(dir, "lock");
	bool at_work = file_is_locked(path, LOCK_SUPERVISOR) ||
		       file_is_locked(path, LOCK_COORDINATOR);

	free(path);
	return at_work;
}

enum err_code rundir_socket(
	const char *dir, const char *name, char address[64], struct err *err)
{
	char folder[32], *joined;
	const char *slash = strrchr(name, '/');
	int fd;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - name) : 1,
		slash ? name : ".");
	joined = file_join(dir, folder);
	fd = open(joined, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err_sys(err, "cannot open the folder '%s'", joined);
	free(joined);
	if (fd < 0)
		return err ? err->code : ERR_IO;
	snprintf(
		address, 64, "ipc:///proc/self/fd/%d/%s", fd, slash ? slash + 1 : name);
	return ERR_NONE;
}

char *rundir_default(const char *job_path, const char *job_name)
{
	char *name = mem_printf("%s.run", job_name);
	char *path = file_beside(job_path, name);

	free(name);
	return path;
}
