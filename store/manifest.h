/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - what is in an export, and where it comes from
 *
 * Counts are kept sample by sample while an export is written. The manifest
 * lies beside the data, so that a dataset can be explained, checked and cited
 * without the run that made it: what was asked of whom under which licence,
 * which filter chose it, up to which sequence, with digests of the files.
 *
 * Ownership: the manifest owns its texts until manifest_release.
 */
#ifndef RETORT_STORE_MANIFEST_H
#define RETORT_STORE_MANIFEST_H

#include <jansson.h>

#include "store/outfile.h"
#include "store/sample.h"

#define MANIFEST_TEACHERS 64 /* over all settings generations */

struct manifest_teacher {
	uint32_t settings;
	uint16_t teacher;
	uint64_t samples;
};

struct manifest {
	const char *format; /* lent */
	const char *where;  /* lent; NULL: all live samples */
	bool with_logits;
	uint64_t since, until;

	uint64_t samples, prompts, accepted, duplicates;
	uint64_t finish[FINISH_N], flags[32];
	uint64_t with_tokens; /* samples that have a capture */
	uint64_t prompt_tokens, cached_prompt_tokens;
	uint64_t completion_tokens, reasoning_tokens;
	int64_t cost_nusd, wasted_nusd;
	struct manifest_teacher teacher[MANIFEST_TEACHERS];
	size_t n_teachers;

	struct outfile_sum *file;
	size_t n_files, cap_files;
	json_t *rows; /* of formats that place rows: how, and what is left out */

	char said[1024]; /* of such formats: what a person should know; lines */

	uint64_t last_prompt; /* of the sample counted last */
	json_t *origin;       /* run, settings, ...: from the dataset */
};

/* Takes down run, accept filter and settings from a dataset's view. */
enum err_code manifest_begin(struct manifest *m, struct dataset *d,
	struct settings_cache *settings, struct err *err) MUST_CHECK;
void manifest_release(struct manifest *m);

/* Samples come in key order. */
void manifest_count(struct manifest *m, const struct sample *s);
void manifest_add_file(struct manifest *m, const struct outfile_sum *sum);

/* As JSON; the caller frees it. */
char *manifest_text(const struct manifest *m, bool indent);

#endif
