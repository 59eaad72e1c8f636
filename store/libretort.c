/* SPDX-License-Identifier: Apache-2.0 */
/* The library: opening, and single samples. libretort_iter.c has the walks,
 * libretort_sample.c what a sample holds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/mem.h"
#include "store/find_prompt.h"
#include "store/libretort.h"
#include "store/locate.h"

/* LMDB loses its locks when a process opens an environment a second time, so
 * there is a list of what is open. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct retort *all_open;

static enum retort_code code_of(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
		return RETORT_OK;
	case ERR_NOT_FOUND:
		return RETORT_NOT_FOUND;
	case ERR_INVALID:
		return RETORT_INVALID;
	case ERR_AGAIN:
		return RETORT_AGAIN;
	case ERR_REFUSED:
	case ERR_EXISTS:
		return RETORT_BUSY;
	case ERR_CORRUPT:
		return RETORT_CORRUPT;
	default:
		return RETORT_FAILED;
	}
}

enum retort_code retort_enter(struct retort *r)
{
	r->err = (struct err){0};
	return code_of(dataset_begin_view(r->d, &r->err));
}

enum retort_code retort_leave(struct retort *r, enum err_code code)
{
	dataset_end_view(r->d);
	return code_of(code);
}

/* Puts r into the list, unless its file is there already. */
static enum err_code enlist(struct retort *r, const char *dir, struct err *err)
{
	char *path = file_join(dir, "data.mdb");
	enum err_code code = ERR_NONE;
	struct stat st;

	if (stat(path, &st) < 0) {
		code = err_sys(err, "cannot open '%s'", path);
		free(path);
		return code;
	}
	r->device = (uint64_t)st.st_dev;
	r->inode = (uint64_t)st.st_ino;
	pthread_mutex_lock(&open_lock);
	for (struct retort *other = all_open; other; other = other->next)
		if (other->device == r->device && other->inode == r->inode)
			code = err_set(err, ERR_EXISTS,
				"'%s' is open in this process already", path);
	if (code == ERR_NONE) {
		r->next = all_open;
		all_open = r;
	}
	pthread_mutex_unlock(&open_lock);
	if (code != ERR_NONE)
		r->inode = 0;
	free(path);
	return code;
}

static void delist(struct retort *r)
{
	pthread_mutex_lock(&open_lock);
	for (struct retort **at = &all_open; *at; at = &(*at)->next) {
		if (*at == r) {
			*at = r->next;
			break;
		}
	}
	pthread_mutex_unlock(&open_lock);
}

static enum err_code open_dataset(struct retort *r, const char *path, struct err *err)
{
	struct reader_query query = {0};
	char *dir;
	enum err_code code = locate_dataset(path, &dir, err);

	if (code != ERR_NONE)
		return code;
	code = enlist(r, dir, err);
	if (code == ERR_NONE)
		code = dataset_open(dir, ENV_READ, &r->d, err);
	free(dir);
	if (code == ERR_NONE)
		code = dataset_begin_view(r->d, err);
	if (code != ERR_NONE)
		return code;
	code = reader_open(r->d, &query, &r->lookup, err);
	if (code == ERR_NONE)
		r->until = reader_until(r->lookup);
	dataset_end_view(r->d);
	return code;
}

enum retort_code retort_open(
	const char *path, struct retort **out, char *error, size_t size)
{
	struct retort *r = mem_zalloc(1, sizeof(*r));
	struct err err = {0};
	enum err_code code = open_dataset(r, path, &err);

	*out = NULL;
	buf_init(&r->lent, PACK_RAW_MAX);
	if (size > 0)
		snprintf(error, size, "%s", err.msg);
	if (code == ERR_NONE)
		*out = r;
	else
		retort_close(r);
	return code_of(code);
}

void retort_close(struct retort *r)
{
	if (!r)
		return;
	reader_close(r->lookup);
	dataset_close(r->d);
	settings_release(&r->settings);
	buf_release(&r->lent);
	delist(r);
	free(r);
}

const char *retort_error(const struct retort *r)
{
	return r->err.msg;
}

uint64_t retort_sequence(const struct retort *r)
{
	return r->until;
}

const char *retort_version(void)
{
	return RETORT_VERSION;
}

enum retort_code retort_count(struct retort *r, uint64_t *n)
{
	struct reader_query query = {.until = r->until};
	struct reader *reader;
	struct sample *s;
	enum retort_code entered = retort_enter(r);
	enum err_code code;

	*n = 0;
	if (entered != RETORT_OK || r->until == 0)
		return entered != RETORT_OK ? entered : retort_leave(r, ERR_NONE);
	code = reader_open(r->d, &query, &reader, &r->err);
	while (code == ERR_NONE) {
		code = reader_next(reader, &s, &r->err);
		*n += code == ERR_NONE;
	}
	reader_close(reader);
	return retort_leave(r, code == ERR_NOT_FOUND ? ERR_NONE : code);
}

/* Copies what is lent from the map, which goes with the view. */
static void lend(struct retort *r, struct bytes from, struct retort_bytes *to)
{
	buf_clear(&r->lent);
	buf_add(&r->lent, from.data, from.len);
	*to = (struct retort_bytes){buf_text(&r->lent), from.len};
}

enum retort_code retort_settings(
	struct retort *r, uint32_t generation, struct retort_bytes *json)
{
	struct bytes text;
	enum retort_code entered = retort_enter(r);
	enum err_code code;

	*json = (struct retort_bytes){0};
	if (entered != RETORT_OK)
		return entered;
	code = dataset_settings(r->d, generation, &text, &r->err);
	if (code == ERR_NONE)
		lend(r, text, json);
	else if (code == ERR_NOT_FOUND)
		err_set(&r->err, code, "there are no settings %u", generation);
	return retort_leave(r, code);
}

enum retort_code retort_token(
	struct retort *r, uint32_t vocabulary, uint32_t id, struct retort_bytes *token)
{
	struct bytes bytes;
	uint16_t ordinal;
	enum retort_code entered = retort_enter(r);
	enum err_code code;

	*token = (struct retort_bytes){0};
	if (entered != RETORT_OK)
		return entered;
	code = dataset_token(r->d, vocabulary, id, &ordinal, &bytes, &r->err);
	if (code == ERR_NONE)
		lend(r, bytes, token);
	else if (code == ERR_NOT_FOUND)
		err_set(&r->err, code, "the bytes of token %u are not known", id);
	return retort_leave(r, code);
}

/* A sample of its own, at the place where the reader's stands. */
static enum err_code copy_sample(struct retort *r, const struct sample *from,
	const struct key_entry *entry, struct retort_sample **out)
{
	struct retort_sample *s = mem_zalloc(1, sizeof(*s));
	enum err_code code;

	s->r = r;
	s->s = &s->own;
	sample_init(&s->own, r->d, &r->settings);
	code = sample_from_entry(&s->own, entry, &r->err);
	s->own.is_duplicate = from->is_duplicate;
	s->own.duplicate_of = from->duplicate_of;
	s->own.accepted = from->accepted;
	retort_fill_head(s);
	if (code == ERR_NONE)
		*out = s;
	else
		retort_sample_free(s);
	return code;
}

static enum err_code get_sample(struct retort *r, uint64_t prompt_no, uint32_t sample,
	struct retort_sample **out)
{
	struct sample *s;
	enum err_code code;

	reader_seek(r->lookup, prompt_no);
	for (;;) {
		code = reader_next(r->lookup, &s, &r->err);
		if (code != ERR_NONE && code != ERR_NOT_FOUND)
			return code;
		if (code == ERR_NOT_FOUND || s->head.key.prompt != prompt_no)
			return err_set(&r->err, ERR_NOT_FOUND,
				"prompt %llu has no sample %u",
				(unsigned long long)prompt_no, sample);
		if (s->head.key.sample == sample)
			return copy_sample(r, s, reader_entry(r->lookup), out);
	}
}

enum retort_code retort_get(struct retort *r, uint64_t prompt_no, uint32_t sample,
	struct retort_sample **out)
{
	enum retort_code entered = retort_enter(r);

	*out = NULL;
	if (entered != RETORT_OK)
		return entered;
	return retort_leave(r, get_sample(r, prompt_no, sample, out));
}

enum retort_code retort_find(
	struct retort *r, const char *id, uint32_t sample, struct retort_sample **out)
{
	enum retort_code entered = retort_enter(r);
	uint64_t prompt_no;
	enum err_code code;

	*out = NULL;
	if (entered != RETORT_OK)
		return entered;
	code = find_prompt(r->d, id, &prompt_no, &r->err);
	if (code == ERR_NONE)
		code = get_sample(r, prompt_no, sample, out);
	return retort_leave(r, code);
}
