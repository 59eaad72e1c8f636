/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attempts.h - how often a prompt has been asked with a seed
 */
#ifndef RETORT_DEPLOY_TEACHER_ATTEMPTS_H
#define RETORT_DEPLOY_TEACHER_ATTEMPTS_H

#include <stddef.h>
#include <stdint.h>

struct attempts {
	struct tally {
		uint64_t key;
		uint32_t count; /* 0: a free place */
	} * place;
	size_t n, size; /* size is a power of two */
};

/* Counts one more and returns how many there are now. */
unsigned attempts_count(struct attempts *a, uint64_t key);
void attempts_release(struct attempts *a);

#endif
