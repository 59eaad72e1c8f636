/* SPDX-License-Identifier: Apache-2.0 */
#include "store/locate.h"

#include <stdlib.h>

#include "common/file.h"
#include "common/mem.h"
#include "store/cut_off.h"

static bool holds_dataset(const char *dir)
{
	char *path = file_join(dir, "data.mdb");
	bool there = file_exists(path);

	free(path);
	return there;
}

enum err_code locate_dataset(const char *path, char **dir, struct err *err)
{
	*dir = mem_dup_str(path);
	if (holds_dataset(*dir))
		return ERR_NONE;
	free(*dir);
	*dir = file_join(path, "dataset");
	if (holds_dataset(*dir))
		return ERR_NONE;
	free(*dir);
	*dir = NULL;
	return err_set(err, ERR_NOT_FOUND, "'%s' holds no run, dataset or snapshot%s",
		path, file_exists(path) ? "" : " (it is not there)");
}

enum err_code locate_and_open(const char *path, struct dataset **d, struct err *err)
{
	char *dir;
	enum err_code code = locate_dataset(path, &dir, err);

	if (code != ERR_NONE)
		return code;
	cut_off_explain(dir);
	code = dataset_open(dir, ENV_READ, d, err);
	free(dir);
	return code;
}
