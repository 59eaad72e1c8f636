/* SPDX-License-Identifier: Apache-2.0 */
#include "common/overrides.h"

#include <stdlib.h>
#include <string.h>

#include "common/job_keys.h"
#include "common/jscan.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"

/* Longer numbers are no setting of anybody's. */
#define NUMBER_MAX 64

static bool name_is_plain(struct bytes name)
{
	if (name.len == 0 || name.len > OVERRIDE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
			return false;
	}
	return true;
}

static bool is_named(struct bytes name, const char *word)
{
	return name.len == strlen(word) && memcmp(name.data, word, name.len) == 0;
}

const struct job_key *override_find(struct bytes name, enum override_kind *kind)
{
	*kind = name_is_plain(name) ? OVERRIDE_MEMBER : OVERRIDE_BAD_NAME;
	if (is_named(name, "n") || is_named(name, "n_per_request"))
		*kind = OVERRIDE_BAD_NAME;
	for (const struct job_key *k = job_sampling_keys;
		k->name && *kind == OVERRIDE_MEMBER; k++) {
		if (!is_named(name, k->name))
			continue;
		*kind = k->kind == KEY_SPECIAL ? OVERRIDE_STOP : OVERRIDE_NUMBER;
		return k;
	}
	return NULL;
}

static bool number_fits(const struct job_key *key, const struct jnumber *v)
{
	if (key->kind == KEY_INTEGER && !v->is_integer)
		return false;
	return v->value >= key->min && v->value <= key->max;
}

bool override_number_is_good(const struct job_key *key, struct bytes value)
{
	unsigned char text[NUMBER_MAX + 1];
	const unsigned char *next;
	struct jnumber v;

	if (value.len == 0 || value.len > NUMBER_MAX)
		return false;
	/* Something must stand behind a number that is to be read. */
	memcpy(text, value.data, value.len);
	text[value.len] = ' ';
	return jt_number(text, text + value.len + 1, &next, &v) == JT_OK &&
	       next == text + value.len && number_fits(key, &v);
}

/* -- Reading -- */

struct reading {
	struct jscan scan;
	struct bytes text;
	struct overrides *out;
	size_t cap;
	struct bytes name; /* of the member at hand, in the text */
};

static void unset(struct job_sampling *s)
{
	*s = (struct job_sampling){.n = JOB_UNSET_INT,
		.n_per_request = JOB_UNSET_INT,
		.temperature = NAN,
		.top_p = NAN,
		.top_k = JOB_UNSET_INT,
		.min_p = NAN,
		.presence_penalty = NAN,
		.repetition_penalty = NAN,
		.max_tokens = JOB_UNSET_INT,
		.seed = JOB_UNSET_INT};
}

static void *place_of(struct overrides *o, const struct job_key *key)
{
	return (char *)&o->sampling + (key->offset - offsetof(struct job, sampling));
}

static enum err_code bad(const struct reading *r, const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "the prompt's request: %s: %s",
		log_quote_bytes(r->name.data, r->name.len).text, what);
}

static bool is_set(const struct overrides *o, const struct job_key *key)
{
	const void *at = (const char *)&o->sampling +
			 (key->offset - offsetof(struct job, sampling));

	return key->kind == KEY_INTEGER ? job_has_int(*(const int64_t *)at)
	       : key->kind == KEY_REAL  ? job_has_real(*(const double *)at)
					: *(json_t *const *)at != NULL;
}

static enum err_code read_number(
	struct reading *r, const struct job_key *key, struct err *err)
{
	void *to = place_of(r->out, key);

	if (is_set(r->out, key))
		return bad(r, "stands twice", err);
	if (jscan_next(&r->scan) != JSCAN_NUMBER || !number_fits(key, &r->scan.number))
		return bad(r, "not a number within the limits of the job's key", err);
	if (key->kind == KEY_INTEGER)
		*(int64_t *)to = r->scan.number.integer;
	else
		*(double *)to = r->scan.number.value;
	return ERR_NONE;
}

/* The value behind the key that has just been read, as it stands. */
static bool take_value(struct reading *r, struct bytes *value)
{
	const unsigned char *end = r->text.data + r->text.len;
	const unsigned char *from = r->text.data + jscan_offset(&r->scan);

	from = jt_space(from, end);
	from = jt_space(from < end ? from + 1 : end, end);
	jscan_skip(&r->scan);
	if (jscan_next(&r->scan) != JSCAN_SKIPPED)
		return false;
	*value = bytes_of(from, (size_t)(r->text.data + jscan_offset(&r->scan) - from));
	return true;
}

static enum err_code read_stop(struct reading *r, struct err *err)
{
	struct bytes value;
	json_t *list, *one;
	size_t i;
	bool good;

	if (r->out->sampling.stop)
		return bad(r, "stands twice", err);
	if (!take_value(r, &value))
		return bad(r, "not JSON", err);
	list = json_loadb((const char *)value.data, value.len, 0, NULL);
	good = json_is_array(list) && json_array_size(list) <= OVERRIDE_STOPS_MAX;
	json_array_foreach(list, i, one)
		good = good && json_is_string(one) && *json_string_value(one);
	if (!good) {
		json_decref(list);
		return bad(r, "not a list of at most 16 texts", err);
	}
	r->out->sampling.stop = list;
	return ERR_NONE;
}

static enum err_code read_member(struct reading *r, struct err *err)
{
	struct overrides *o = r->out;
	struct request_member m = {.name = r->name};

	for (size_t i = 0; i < o->n_members; i++)
		if (o->member[i].name.len == m.name.len &&
			memcmp(o->member[i].name.data, m.name.data, m.name.len) == 0)
			return bad(r, "stands twice", err);
	if (!take_value(r, &m.value) || m.value.data[0] == 'n')
		return bad(r, "has no value", err);
	MEM_GROW(o->member, r->cap, o->n_members + 1);
	o->member[o->n_members++] = m;
	return ERR_NONE;
}

static enum err_code read_one(struct reading *r, struct err *err)
{
	const unsigned char *behind = r->text.data + jscan_offset(&r->scan);
	size_t len = r->scan.text.len;
	const struct job_key *key;
	enum override_kind kind;

	key = override_find(r->scan.text, &kind);
	/* A plain name stands in the text as it is, unless it was escaped. */
	if ((size_t)(behind - r->text.data) < len + 2 ||
		memcmp(behind - 1 - len, r->scan.text.data, len) != 0)
		kind = OVERRIDE_BAD_NAME;
	else
		r->name = bytes_of(behind - 1 - len, len);
	switch (kind) {
	case OVERRIDE_NUMBER:
		return read_number(r, key, err);
	case OVERRIDE_STOP:
		return read_stop(r, err);
	case OVERRIDE_MEMBER:
		return read_member(r, err);
	case OVERRIDE_BAD_NAME:
		break;
	}
	r->name = r->scan.text;
	return bad(r, "cannot be a member of a request", err);
}

static enum err_code read_all(struct reading *r, struct err *err)
{
	enum jscan_event event;

	if (jscan_next(&r->scan) != JSCAN_OBJECT)
		return err_set(
			err, ERR_INVALID, "the prompt's request is no JSON object");
	while ((event = jscan_next(&r->scan)) == JSCAN_KEY) {
		enum err_code code = read_one(r, err);

		if (code != ERR_NONE)
			return code;
	}
	if (event == JSCAN_OBJECT_END && jscan_next(&r->scan) == JSCAN_MORE) {
		jscan_end(&r->scan);
		if (jscan_next(&r->scan) == JSCAN_DONE)
			return ERR_NONE;
	}
	return err_set(err, ERR_INVALID, "the prompt's request is not JSON");
}

enum err_code overrides_read(
	struct bytes request, struct overrides *out, struct err *err)
{
	struct reading r = {.text = request, .out = out};
	enum err_code code;

	*out = (struct overrides){0};
	unset(&out->sampling);
	jscan_init(&r.scan, LIMIT_JSON_DEPTH + 1, JSCAN_TEXT_MAX);
	jscan_feed(&r.scan, request.data, request.len);
	code = read_all(&r, err);
	jscan_release(&r.scan);
	if (code != ERR_NONE)
		overrides_release(out);
	return code;
}

void overrides_release(struct overrides *o)
{
	json_decref(o->sampling.stop);
	free(o->member);
	memset(o, 0, sizeof(*o));
}

struct job_sampling overrides_sampling(
	const struct overrides *o, const struct job_sampling *job)
{
	struct job_sampling s = *job;

	if (!o)
		return s;
	for (const struct job_key *k = job_sampling_keys; k->name; k++) {
		size_t at = k->offset - offsetof(struct job, sampling);

		if (!is_set(o, k))
			continue;
		memcpy((char *)&s + at, (const char *)&o->sampling + at,
			k->kind == KEY_INTEGER ? sizeof(int64_t)
			: k->kind == KEY_REAL  ? sizeof(double)
					       : sizeof(json_t *));
	}
	if (s.stop && json_array_size(s.stop) == 0)
		s.stop = NULL;
	return s;
}
