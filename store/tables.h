/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables.h - vocabularies that a tokenizer.json gave (common/tokenizer.h)
 *
 * Their ids are the tokenizer's own. The coordinator sends a table in parts,
 * each of which is committed before the next one is asked for; how far it has
 * got stands in the dataset, so that it goes on after any crash. Until all
 * tables of the job are whole nothing is opened, and so nothing is stored.
 *
 * A token's bytes give its id only where the table leaves no doubt: no id for
 * bytes that are not in it or that several ids have, for an empty text or one
 * in which a broken character was replaced, for the second of two candidates
 * with equal bytes, and, where the tokenizer's texts lose a blank in front, for
 * a first token that might be another one without its blank.
 *
 * Ownership: tables are read from the dataset at first use and kept.
 */
#ifndef RETORT_STORE_TABLES_H
#define RETORT_STORE_TABLES_H

#include "common/job.h"
#include "common/wire.h"
#include "store/dataset.h"

struct tables;

struct tables *tables_new(void);
void tables_free(struct tables *t);

/* The tables that a job needs; ERR_REFUSED if the dataset has one of another
 * tokenizer in its place. Within a transaction or a view. */
enum err_code tables_expect(struct tables *t, struct dataset *d, const struct job *job,
	uint32_t settings, struct err *err) MUST_CHECK;
/* True if all of them are whole. */
bool tables_are_whole(const struct tables *t);

/* Writes the part that comes next; any other is passed over. *out says how far
 * the table is, as it is once the caller has committed. ERR_NOT_FOUND: nobody
 * expects it. */
enum err_code tables_take(struct tables *t, struct dataset *d,
	const struct wire_table *part, struct wire_table_at *out, struct err *err)
	MUST_CHECK;
/* The part was committed, or was not. */
void tables_end_part(struct tables *t, bool committed);

/* The id of a token, or TOKEN_ID_UNKNOWN, counted; `ordinal` as in INTERN.
 * ERR_NOT_FOUND: there is no whole table of that number. */
enum err_code tables_look_up(struct tables *t, struct dataset *d, uint32_t number,
	uint16_t ordinal, struct bytes token, uint32_t *id, struct err *err) MUST_CHECK;

/* Holds what an endpoint's answer tells of ids (offer.h) against the table. */
enum err_code tables_compare(struct tables *t, struct dataset *d, uint16_t endpoint,
	struct bytes entries, struct err *err) MUST_CHECK;

/* The next expected table whose counts have changed since they were last given;
 * lists are lent. *at begins at 0. */
bool tables_news(struct tables *t, size_t *at, struct wire_table_at *out);

#endif
