/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overrides.h - what one prompt asks of its request by itself
 *
 * A corpus line may set sampling of its own and further members of the
 * request (tools, response_format and the like). They travel, and are kept,
 * as one JSON object in a normal form, the *request* of the prompt:
 *
 *   - members that are named like a key of the job's `sampling` (but n and
 *     n_per_request) take that key's place, with the same meaning and limits;
 *     `stop` is always a list here, and an empty one means none;
 *   - any other member goes to the teacher as it stands;
 *   - no value is null, no name stands twice, and a name is 1 to 64 letters,
 *     digits, '_', '-' or '.'.
 *
 * A prompt without any has no such object. Protocols see the two kinds apart:
 * every one knows sampling, and each must say what it makes of the rest.
 *
 * Pure. Ownership: members are lent from the text that was read; the list of
 * them and `stop` are the struct's own.
 */
#ifndef RETORT_COMMON_OVERRIDES_H
#define RETORT_COMMON_OVERRIDES_H

#include <stddef.h>

#include "common/job.h"

#define OVERRIDE_NAME_MAX 64
#define OVERRIDE_STOPS_MAX 16

struct request_member {
	struct bytes name, value; /* the value is JSON */
};

struct overrides {
	struct job_sampling sampling; /* what is not set is the job's affair */
	struct request_member *member;
	size_t n_members;
};

enum override_kind {
	OVERRIDE_BAD_NAME, /* cannot be a member of a request */
	OVERRIDE_MEMBER,   /* one that goes through as it stands */
	OVERRIDE_NUMBER,   /* a number of the job's sampling */
	OVERRIDE_STOP      /* `stop` */
};

/* The key of the job's sampling that a name has, for NUMBER and STOP; *kind
 * says what a member of that name is. */
struct job_key;
const struct job_key *override_find(struct bytes name, enum override_kind *kind);

/* Whether a number, which is valid JSON, is within the key's limits. */
bool override_number_is_good(const struct job_key *key, struct bytes value);

/* ERR_INVALID names the member. On error there is nothing to release. */
enum err_code overrides_read(
	struct bytes request, struct overrides *out, struct err *err) MUST_CHECK;
void overrides_release(struct overrides *o);

/* The sampling that holds for the prompt; `o` may be NULL. `stop` is lent from
 * one of the two, and NULL if there is none to send. */
struct job_sampling overrides_sampling(
	const struct overrides *o, const struct job_sampling *job);

#endif
