/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/mem.h"
#include "common/tokenizer.h"

#define CHUNK KIB(64)

struct file {
	int fd;
	const char *path;
	unsigned char *room;
};

static enum err_code next(void *from, struct bytes *chunk, struct err *err)
{
	struct file *f = from;
	ssize_t n;

	do
		n = read(f->fd, f->room, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "cannot read '%s'", f->path);
	*chunk = bytes_of(f->room, (size_t)n);
	return ERR_NONE;
}

enum err_code tokenizer_read_file(
	const char *path, struct tokenizer *t, struct err *err)
{
	struct file f = {.fd = open(path, O_RDONLY | O_CLOEXEC), .path = path};
	struct tokenizer_source source = {next, &f};
	enum err_code code;

	*t = (struct tokenizer){0};
	if (f.fd < 0)
		return err_sys(err, "cannot read '%s'", path);
	f.room = mem_alloc(CHUNK);
	code = tokenizer_read(&source, path, t, err);
	free(f.room);
	close(f.fd);
	return code;
}
