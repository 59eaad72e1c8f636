/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locate.h - which dataset a path on a command line means
 *
 * A run's folder holds its dataset in `dataset/`; a dataset or a snapshot is
 * named by its own folder.
 */
#ifndef RETORT_STORE_LOCATE_H
#define RETORT_STORE_LOCATE_H

#include "store/dataset.h"

/* The dataset's folder; the caller frees it. ERR_NOT_FOUND if there is none. */
enum err_code locate_dataset(const char *path, char **dir, struct err *err) MUST_CHECK;

/* locate_dataset and dataset_open, for a command that reads: see cut_off.h. */
enum err_code locate_and_open(const char *path, struct dataset **d, struct err *err)
	MUST_CHECK;

#endif
