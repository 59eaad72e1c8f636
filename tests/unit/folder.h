/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder.h - a temporary folder for a test, files in it, and real corpora
 */
#ifndef RETORT_TESTS_FOLDER_H
#define RETORT_TESTS_FOLDER_H

#include "unit/unit.h"

#include <unistd.h>

#include "common/file.h"
#include "common/mem.h"

struct folder {
	char path[64];
};

static inline void folder_make(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/retort-test-XXXXXX");
	assert_non_null(mkdtemp(f->path));
}

static inline void folder_remove(struct folder *f)
{
	assert_int_equal(file_remove_all(f->path, NULL), ERR_NONE);
}

/* Writes (or replaces, as a new file) and returns the path; free it. */
static inline char *folder_write(
	const struct folder *f, const char *name, const void *bytes, size_t len)
{
	char *path = file_join(f->path, name);
	FILE *file;

	unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	return path;
}

static inline char *folder_write_text(
	const struct folder *f, const char *name, const char *text)
{
	return folder_write(f, name, text, strlen(text));
}

/* Real corpora are no part of the project: where they are, they lie in
 * shared/data beside the source tree, which tests run somewhere below. The path
 * of one of them, or NULL after saying that it is not there; free it. */
static inline char *real_corpus(const char *name)
{
	char up[64] = "";

	for (int i = 0; i < 8; i++) {
		char *path = mem_printf("%s../shared/data/%s", up, name);

		if (file_exists(path))
			return path;
		free(path);
		strncat(up, "../", sizeof(up) - strlen(up) - 1);
	}
	print_message("skipped: no ../shared/data/%s beside the source tree\n", name);
	return NULL;
}

#endif
