/* SPDX-License-Identifier: Apache-2.0 */
#include "store/verify.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/limits.h"
#include "common/text.h"
#include "store/dedup.h"
#include "store/outfile.h"
#include "store/seal.h"
#include "store/settings.h"
#include "store/verify_state.h"

void verify_say(struct verify *v, const char *fmt, ...)
{
	char line[ERR_MSG_MAX + 160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	v->counts->findings++;
	v->tell(v->to, line);
}

enum err_code verify_take(struct verify *v, enum err_code code, const char *fmt, ...)
{
	char what[160];
	va_list ap;

	if (code != ERR_CORRUPT && code != ERR_NOT_FOUND && code != ERR_INVALID)
		return code;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	verify_say(v, "%s: %s", what,
		code == ERR_NOT_FOUND ? "it is missing" : v->err->msg);
	return ERR_NONE;
}

/* What the accept bits and groups are checked against. */
static enum err_code read_rules(struct verify *v)
{
	struct settings_cache cache = {0};
	const struct settings *newest;
	struct bytes text;
	enum err_code code = settings_newest(&cache, v->d, &newest, v->err);

	v->exact = code != ERR_NONE || newest->dedup_exact;
	if (code != ERR_NOT_FOUND)
		code = verify_take(v, code, "meta: settings");
	settings_release(&cache);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return code;
	code = dataset_accept(v->d, &text, v->err);
	if (code == ERR_NONE && text.len > 0) { /* empty: bits are being rewritten */
		char *expression = mem_dup_text((const char *)text.data, text.len);

		code = filter_compile(expression, &v->accept, NULL, v->err);
		free(expression);
	}
	if (v->accept && (filter_needs(v->accept) & ~(unsigned)NEEDS_DUPLICATE)) {
		filter_free(v->accept);
		v->accept = NULL;
	}
	return code == ERR_NOT_FOUND ? ERR_NONE : verify_take(v, code, "meta: accept");
}

enum err_code verify_meta(struct verify *v)
{
	struct env_cursor *c;
	struct bytes key, value, payload;
	enum err_code code = env_cursor_open(v->d->txn, DB_META, &c, v->err);

	if (code != ERR_NONE)
		return code;
	for (code = env_first(c, &key, &value, v->err); code == ERR_NONE;
		code = env_next(c, &key, &value, v->err)) {
		char name[64];

		text_escape(key.data, key.len, name, sizeof(name));
		v->counts->bytes += value.len;
		v->counts->snapshot |= strcmp(name, "snapshot") == 0;
		code = verify_take(v,
			seal_open(key.data, key.len, value, &payload, v->err),
			"meta: %s", name);
		if (code != ERR_NONE)
			break;
	}
	env_cursor_close(c);
	return code == ERR_NOT_FOUND ? read_rules(v) : code;
}

static enum err_code in_one_view(struct verify *v)
{
	enum err_code (*const steps[])(struct verify *) = {verify_meta, verify_records,
		verify_keys, verify_shards, verify_raw, verify_vocabulary};
	enum err_code code = dataset_begin_view(v->d, v->err);

	if (code != ERR_NONE)
		return code;
	v->last_sequence = v->d->state.last_sequence;
	v->last_prompt = v->d->state.last_prompt;
	v->counts->sequence = v->last_sequence;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && code == ERR_NONE;
		i++)
		code = steps[i](v);
	dataset_end_view(v->d);
	return code;
}

static enum err_code in_renewed_views(struct verify *v)
{
	enum err_code code = dataset_begin_view(v->d, v->err);

	if (code == ERR_NONE)
		code = verify_prompts(v);
	if (code == ERR_NONE)
		code = verify_samples(v);
	dataset_end_view(v->d);
	return code;
}

/* The entry of `name` in the manifest against the file. */
static void check_file(struct verify *v, const char *dir, const json_t *entry)
{
	const char *name = json_string_value(json_object_get(entry, "name"));
	const char *want = json_string_value(json_object_get(entry, "blake2b_256"));
	json_int_t size = json_integer_value(json_object_get(entry, "size"));
	char hex[2 * DIGEST_SIZE + 1], *path;
	struct outfile_sum sum;
	enum err_code code;

	if (!name || !want || strchr(name, '/')) {
		verify_say(v, "manifest.json: an entry of `files` makes no sense");
		return;
	}
	path = file_join(dir, name);
	code = outfile_sum_of(path, &sum, v->err);
	free(path);
	text_hex(sum.digest, DIGEST_SIZE, hex);
	if (code != ERR_NONE)
		verify_say(v, "%s", v->err->msg);
	else if (sum.size != (uint64_t)size)
		verify_say(v, "%s: has %llu bytes, manifest.json says %lld", name,
			(unsigned long long)sum.size, (long long)size);
	else if (strcmp(hex, want) != 0)
		verify_say(v, "%s: its digest is not the one in manifest.json", name);
}

void verify_manifest(struct verify *v, const char *dir)
{
	char *path = file_join(dir, "manifest.json");
	json_error_t where;
	json_t *manifest, *entry;
	size_t i;

	if (!file_exists(path)) {
		if (v->counts->snapshot)
			verify_say(v, "manifest.json: is missing");
		free(path);
		return;
	}
	manifest = json_load_file(path, JSON_ALLOW_NUL, &where);
	free(path);
	if (!json_is_array(json_object_get(manifest, "files")))
		verify_say(v, "manifest.json: cannot be read, or names no files");
	json_array_foreach(json_object_get(manifest, "files"), i, entry)
		check_file(v, dir, entry);
	json_decref(manifest);
}

static void release(struct verify *v)
{
	dataset_close(v->d);
	filter_free(v->accept);
	bitmap_release(&v->records);
	bitmap_release(&v->named);
	free(v->prompt_kind);
	free(v->shard);
}

enum err_code verify_dataset(const char *dir, verify_tell tell, void *to,
	struct verify_counts *counts, struct err *err)
{
	struct verify v = {.tell = tell, .to = to, .counts = counts, .err = err};
	enum err_code code = dataset_open(dir, ENV_READ, &v.d, err);

	*counts = (struct verify_counts){0};
	/* A dataset whose first values are damaged cannot be opened at all. */
	if (code == ERR_CORRUPT)
		return verify_take(&v, code, "meta");
	if (code != ERR_NONE)
		return code;
	code = in_one_view(&v);
	if (code == ERR_NONE)
		code = in_renewed_views(&v);
	release(&v);
	if (code == ERR_NONE)
		verify_manifest(&v, dir);
	return code;
}
