/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields.h - the names of a sample's fields: one table for export and filter
 *
 * The rows are the keys of the jsonl export in their order, a name with a dot
 * being a member of an object. A filter uses the same names, so there is one
 * place that says what a name means and what must be read to know it.
 *
 * Numbers that are kept as float32 say so: 0.7 in a filter must find a score
 * of 0.7f, which as a double is less.
 *
 * Ownership: values lend their bytes from the sample or from `room`, which is
 * the caller's and is overwritten.
 */
#ifndef RETORT_STORE_FIELDS_H
#define RETORT_STORE_FIELDS_H

#include "store/sample.h"

enum value_kind {
	VALUE_ABSENT,
	VALUE_INTEGER,
	VALUE_REAL,
	VALUE_REAL32, /* in `real`, kept as float32 */
	VALUE_NANO,   /* in `integer`, in units of 10^-9 */
	VALUE_TEXT,
	VALUE_BOOL,
	VALUE_FLAGS,
	VALUE_JSON /* an array or object, as JSON text */
};

struct value {
	enum value_kind kind;
	int64_t integer;
	double real;
	struct bytes text; /* TEXT, JSON */
	bool truth;
	uint32_t flags;
};

/* What a filter may use a field for. */
enum field_type {
	FIELD_TEXT,
	FIELD_NUMBER,
	FIELD_BOOL,
	FIELD_FLAGS,
	FIELD_PRESENCE, /* only whether it is null */
	FIELD_ANY,      /* text, number or boolean: the value decides */
	FIELD_COLUMN    /* a column of the logits; not for filters */
};

enum field_needs {
	NEEDS_TEXT = 1,
	NEEDS_PROMPT = 2,
	NEEDS_SETTINGS = 4,
	NEEDS_DUPLICATE = 8, /* depends on whether it is taken as a duplicate */
	NEEDS_ACCEPTED = 16
};

struct field {
	const char *name;
	enum field_type type;
	unsigned needs;             /* enum field_needs */
	bool with_logits;           /* exported only with --logits */
	const char *const *choices; /* all texts that it can have, or NULL */
	void (*get)(const struct field *f, struct sample *s, bool as_duplicate,
		struct buf *room, struct value *v); /* NULL for columns */
	int arg;                                    /* for get */
};

extern const struct field fields[];
extern const size_t n_fields;

const struct field *field_find(const char *name);
/* What was probably meant by a name that does not exist, or NULL. */
const char *field_nearest(const char *name);
/* True if `name` is an object whose members are fields, like "usage". */
bool field_is_group(const char *name);

/* Reads what the field needs of the sample, then its value. */
enum err_code field_get(const struct field *f, struct sample *s, bool as_duplicate,
	struct buf *room, struct value *v, struct err *err) MUST_CHECK;

/* A JSON text as a value; a text with escapes is put into `room`. */
void value_from_json(struct bytes json, struct buf *room, struct value *v);

#endif
