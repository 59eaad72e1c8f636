/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elsewhere.h - the same text for another prompt
 *
 * A teacher that gives one long answer to different prompts is looping, or a
 * cache in front of it is broken. A bounded table of fingerprints finds most
 * of these; a slot that is taken over forgets, so a miss proves nothing and a
 * hit is a flag, not a verdict.
 *
 * Pure. 16 MiB.
 */
#ifndef RETORT_STORE_ELSEWHERE_H
#define RETORT_STORE_ELSEWHERE_H

#include <stdbool.h>
#include <stdint.h>

/* Shorter texts are equal by chance: "4", "yes". */
#define ELSEWHERE_MIN_TOKENS 64

struct elsewhere;

struct elsewhere *elsewhere_new(void);
void elsewhere_free(struct elsewhere *e);

/* Whether another prompt had this fingerprint; remembers this one. */
bool elsewhere_seen(struct elsewhere *e, uint64_t fingerprint, uint64_t prompt);

#endif
