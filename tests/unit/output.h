/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - what a call writes to stdout or stderr
 */
#ifndef RETORT_TESTS_OUTPUT_H
#define RETORT_TESTS_OUTPUT_H

#include "unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

struct output {
	int fd, saved, file;
	char text[65536];
};

/* From here on what goes to `fd` is kept. */
static inline void output_begin(struct output *o, int fd)
{
	FILE *temp = tmpfile();

	assert_non_null(temp);
	fflush(NULL);
	o->fd = fd;
	o->saved = dup(fd);
	o->file = dup(fileno(temp));
	fclose(temp);
	assert_true(o->saved >= 0 && o->file >= 0);
	assert_int_equal(dup2(o->file, fd), fd);
}

/* What was written, with a NUL behind it; nothing is kept any more. */
static inline const char *output_end(struct output *o)
{
	ssize_t n;

	fflush(NULL);
	dup2(o->saved, o->fd);
	close(o->saved);
	n = pread(o->file, o->text, sizeof(o->text) - 1, 0);
	close(o->file);
	assert_true(n >= 0);
	o->text[n] = '\0';
	return o->text;
}

#endif
