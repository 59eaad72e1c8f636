/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings.h - what a settings generation of `meta` says about its samples
 *
 * A record names its teacher and endpoint by number; the names stand in the
 * job of its settings generation. The JSON is read leniently, key by key: a
 * dataset of an older or newer build stays readable even if this build would
 * refuse its job.
 *
 * Ownership: a cache owns its settings; they live until settings_release.
 */
#ifndef RETORT_STORE_SETTINGS_H
#define RETORT_STORE_SETTINGS_H

#include <jansson.h>

#include "store/dataset.h"

struct settings {
	uint32_t generation;
	json_t *json;
	bool dedup_exact;
};

/* Zeroed at start. */
struct settings_cache {
	struct settings **at;
	size_t n, cap;
};
void settings_release(struct settings_cache *cache);

/* The settings of a generation, read at the first call. ERR_NOT_FOUND. */
enum err_code settings_find(struct settings_cache *cache, struct dataset *d,
	uint32_t generation, const struct settings **out, struct err *err) MUST_CHECK;
/* Those of the highest generation. ERR_NOT_FOUND if there are none. */
enum err_code settings_newest(struct settings_cache *cache, struct dataset *d,
	const struct settings **out, struct err *err) MUST_CHECK;
/* All generations, in rising order, into the cache. */
enum err_code settings_load_all(
	struct settings_cache *cache, struct dataset *d, struct err *err) MUST_CHECK;

/* Texts of a teacher, lent; NULL if not told. */
const char *settings_teacher(
	const struct settings *s, uint16_t teacher, const char *key);
const char *settings_endpoint(
	const struct settings *s, uint16_t teacher, uint16_t endpoint);

#endif
