/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_keys.h - every key of the job file, as tables
 *
 * Reading, the normal form, the messages about unknown keys and the manual
 * all come from these. A key of a later build stands here with the reason why
 * it is refused.
 */
#ifndef RETORT_COMMON_JOB_KEYS_H
#define RETORT_COMMON_JOB_KEYS_H

#include <stddef.h>

#include "common/job.h"

enum key_kind {
	KEY_TEXT,      /* char * */
	KEY_INTEGER,   /* int64_t, min..max */
	KEY_REAL,      /* double, min..max */
	KEY_BOOL,      /* bool */
	KEY_CHOICE,    /* int64_t, index into `choices` */
	KEY_OBJECT_OF, /* keys of `members`, of the same struct */
	KEY_SPECIAL,   /* `special` reads it */
	KEY_LATER      /* refused: `fallback` is what this build does, as JSON */
};

struct job_reader;

struct job_key {
	const char *name;
	enum key_kind kind;
	size_t offset; /* into struct job or struct job_teacher */
	bool required;
	double min, max;
	const char *fallback; /* JSON text of the default; NULL: unset, "not sent" */
	const char *const *choices;
	const struct job_key *members;
	/* Reads a value that has a shape of its own. */
	bool (*special)(struct job_reader *r, const char *path, json_t *v, void *to);
	/* And writes it back; NULL: nothing. A new reference. */
	json_t *(*special_json)(const void *from);
};

extern const struct job_key job_keys[];
extern const struct job_key job_teacher_keys[];
extern const struct job_key job_sampling_keys[]; /* of struct job */

/* What reading a job carries along. */
struct job_reader {
	const char *path, *text;
	size_t len;
	struct err *err;
};

/* Sets the error, with the place of `key_path`; returns false. */
bool job_complain(struct job_reader *r, const char *key_path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Reads the members of `object` that `keys` lists into the struct at `to`. */
bool job_read_members(struct job_reader *r, const char *path, json_t *object,
	const struct job_key *keys, void *to);
/* The members as JSON. A new reference. */
json_t *job_write_members(const struct job_key *keys, const void *from);
/* job_api.c, job_tokenizer.c: keys with shapes of their own. */
bool job_read_api(struct job_reader *r, const char *path, json_t *v, void *to);
json_t *job_api_json(const void *from);
bool job_read_tokenizer(struct job_reader *r, const char *path, json_t *v, void *to);
json_t *job_tokenizer_json(const void *from);
/* job_roles.c: whether teachers that sample and teachers that score go together. */
bool job_roles_are_consistent(struct job_reader *r, const struct job *job);
void job_release_members(const struct job_key *keys, void *from);

#endif
