/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing by the tables of job_keys.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/job_keys.h"
#include "common/jplace.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"

bool job_complain(struct job_reader *r, const char *key_path, const char *fmt, ...)
{
	char what[ERR_MSG_MAX];
	int line = 1, column = 1;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!jplace_find(r->text, r->len, key_path, &line, &column)) {
		/* A missing key: its place is the object that should have it. */
		const char *dot = strrchr(key_path, '.');
		char *parent =
			mem_dup_text(key_path, dot ? (size_t)(dot - key_path) : 0);

		jplace_find(r->text, r->len, parent, &line, &column);
		free(parent);
	}
	err_set(r->err, ERR_INVALID, "%s:%d:%d: %s: %s", r->path, line, column,
		key_path, what);
	return false;
}

static const struct job_key *find_key(const struct job_key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

static bool complain_unknown(struct job_reader *r, const char *path,
	const struct job_key *keys, const char *name)
{
	const char *names[64], *nearest;
	size_t n = 0;

	for (; keys->name && n < 63; keys++)
		names[n++] = keys->name;
	names[n] = NULL;
	nearest = text_nearest(name, names);
	if (nearest)
		return job_complain(
			r, path, "unknown key (did you mean '%s'?)", nearest);
	return job_complain(r, path,
		"unknown key; the manual retort(1) lists those that there are");
}

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a text";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a number";
	case JSON_NULL:
		return "null";
	default:
		return "true or false";
	}
}

static bool read_text(struct job_reader *r, const char *path, json_t *v, char **to)
{
	if (!json_is_string(v))
		return job_complain(r, path, "must be a text, not %s", type_name(v));
	if (strlen(json_string_value(v)) != json_string_length(v))
		return job_complain(r, path, "must not hold a NUL character");
	free(*to);
	*to = mem_dup_text(json_string_value(v), json_string_length(v));
	return true;
}

static bool read_number(struct job_reader *r, const char *path, const struct job_key *k,
	json_t *v, void *to)
{
	bool integer = k->kind == KEY_INTEGER;
	double number;

	if (!(integer ? json_is_integer(v) : json_is_number(v)))
		return job_complain(r, path, "must be %s, not %s",
			integer ? "an integer" : "a number", type_name(v));
	number = json_number_value(v);
	if (number < k->min || number > k->max)
		return job_complain(
			r, path, "must be from %.15g to %.15g", k->min, k->max);
	if (integer)
		*(int64_t *)to = json_integer_value(v);
	else
		*(double *)to = number;
	return true;
}

static bool read_choice(struct job_reader *r, const char *path, const struct job_key *k,
	json_t *v, int64_t *to)
{
	char all[256];
	size_t at = 0;
	const char *nearest;

	if (!json_is_string(v))
		return job_complain(r, path, "must be a text, not %s", type_name(v));
	for (int64_t i = 0; k->choices[i]; i++) {
		if (strcmp(k->choices[i], json_string_value(v)) == 0) {
			*to = i;
			return true;
		}
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%s",
			i ? ", " : "", k->choices[i]);
	}
	nearest = text_nearest(json_string_value(v), k->choices);
	if (nearest)
		return job_complain(r, path, "%s is not known (did you mean '%s'?)",
			log_quote(json_string_value(v)).text, nearest);
	return job_complain(r, path, "must be one of %s", all);
}

static bool read_later(
	struct job_reader *r, const char *path, const struct job_key *k, json_t *v)
{
	json_t *offered = json_loads(k->fallback, JSON_DECODE_ANY, NULL);
	bool same = json_equal(v, offered) || json_is_null(v);

	json_decref(offered);
	return same || job_complain(r, path,
			       "is known, but this build does not offer it (only %s)",
			       k->fallback);
}

static bool read_value(struct job_reader *r, const char *path, const struct job_key *k,
	json_t *v, void *base)
{
	void *to = (char *)base + k->offset;

	/* null means the default, which stands there already. */
	if (json_is_null(v) && !k->required)
		return true;
	switch (k->kind) {
	case KEY_TEXT:
		return read_text(r, path, v, to);
	case KEY_INTEGER:
	case KEY_REAL:
		return read_number(r, path, k, v, to);
	case KEY_BOOL:
		if (!json_is_boolean(v))
			return job_complain(
				r, path, "must be true or false, not %s", type_name(v));
		*(bool *)to = json_is_true(v);
		return true;
	case KEY_CHOICE:
		return read_choice(r, path, k, v, to);
	case KEY_OBJECT_OF:
		if (!json_is_object(v))
			return job_complain(
				r, path, "must be an object, not %s", type_name(v));
		return job_read_members(r, path, v, k->members, base);
	case KEY_SPECIAL:
		return k->special(r, path, v, to);
	case KEY_LATER:
		return read_later(r, path, k, v);
	}
	abort();
}

/* Gives a member its default. */
static bool read_fallback(
	struct job_reader *r, const char *path, const struct job_key *k, void *base)
{
	json_t *v;
	bool ok;

	if (k->kind == KEY_INTEGER && !k->fallback)
		*(int64_t *)((char *)base + k->offset) = JOB_UNSET_INT;
	if (k->kind == KEY_REAL && !k->fallback)
		*(double *)((char *)base + k->offset) = NAN;
	if (!k->fallback || k->kind == KEY_LATER)
		return true;
	v = json_loads(k->fallback, JSON_DECODE_ANY, NULL);
	ok = v && read_value(r, path, k, v, base);
	json_decref(v);
	return ok;
}

bool job_read_members(struct job_reader *r, const char *path, json_t *object,
	const struct job_key *keys, void *to)
{
	const char *name;
	json_t *v;
	bool ok = true;

	json_object_foreach(object, name, v) {
		char *member = mem_printf("%s%s%s", path, *path ? "." : "", name);

		if (!find_key(keys, name))
			ok = complain_unknown(r, member, keys, name);
		free(member);
		if (!ok)
			return false;
	}
	for (const struct job_key *k = keys; k->name && ok; k++) {
		char *member = mem_printf("%s%s%s", path, *path ? "." : "", k->name);

		v = json_object_get(object, k->name);
		ok = read_fallback(r, member, k, to);
		if (ok && v)
			ok = read_value(r, member, k, v, to);
		else if (ok && k->required)
			ok = job_complain(r, member, "is missing");
		free(member);
	}
	return ok;
}

static json_t *write_value(const struct job_key *k, const void *base)
{
	const void *from = (const char *)base + k->offset;

	switch (k->kind) {
	case KEY_TEXT:
		return *(char *const *)from ? json_string(*(char *const *)from)
					    : json_null();
	case KEY_INTEGER:
		return job_has_int(*(const int64_t *)from)
			       ? json_integer(*(const int64_t *)from)
			       : json_null();
	case KEY_REAL:
		return job_has_real(*(const double *)from)
			       ? json_real(*(const double *)from)
			       : json_null();
	case KEY_BOOL:
		return json_boolean(*(const bool *)from);
	case KEY_CHOICE:
		return json_string(k->choices[*(const int64_t *)from]);
	case KEY_OBJECT_OF:
		return job_write_members(k->members, base);
	case KEY_SPECIAL:
		return k->special_json(from);
	case KEY_LATER:
		return NULL;
	}
	abort();
}

json_t *job_write_members(const struct job_key *keys, const void *from)
{
	json_t *object = json_object();

	for (; keys->name; keys++) {
		json_t *v = write_value(keys, from);

		if (v)
			json_object_set_new(object, keys->name, v);
	}
	return object;
}

void job_release_members(const struct job_key *keys, void *from)
{
	for (; keys->name; keys++) {
		if (keys->kind == KEY_TEXT) {
			char **text = (char **)((char *)from + keys->offset);

			free(*text);
			*text = NULL;
		} else if (keys->kind == KEY_OBJECT_OF) {
			job_release_members(keys->members, from);
		}
	}
}
