/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main of a fuzz target that is built without libFuzzer: runs every file of
 * the folders and all files that are given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

#define INPUT_MAX ((size_t)64 << 20)

static size_t runs;

static void run_file(const char *path)
{
	struct buf text;
	struct err err;
	uint8_t *input;

	buf_init(&text, INPUT_MAX);
	if (file_read(path, &text, &err) != ERR_NONE) {
		fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	/* Memory of its own length, so that a checker sees reads past it. */
	input = malloc(text.len ? text.len : 1);
	MUST(input);
	if (text.len)
		memcpy(input, text.data, text.len);
	LLVMFuzzerTestOneInput(input, text.len);
	runs++;
	free(input);
	buf_release(&text);
}

static void run_folder(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(dir))) {
		char *file = file_join(path, entry->d_name);

		if (entry->d_name[0] != '.')
			run_file(file);
		free(file);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			run_folder(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("%zu inputs\n", runs);
	return runs > 0 ? 0 : 1;
}
