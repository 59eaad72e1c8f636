/* SPDX-License-Identifier: Apache-2.0 */
/*
 * export.h - a consistent copy of a dataset's samples, in the form of a trainer
 *
 * An export walks a reader (reader.h) and gives each sample to a format; when
 * all is written and synced it is renamed into place, with a manifest beside
 * it. It may run while the store is writing, and never changes the dataset.
 *
 * To add a format: write its four functions in export_<name>.c and a line in
 * the table in export.c.
 *
 * Ownership: the export owns `out` and the manifest until export_run returns;
 * a format owns what it hangs on `state`.
 */
#ifndef RETORT_STORE_EXPORT_H
#define RETORT_STORE_EXPORT_H

#include "store/manifest.h"
#include "store/reader.h"

struct export_options {
	const char *format; /* a name of the table */
	const char *out;    /* a path, or "-" where the format allows */
	const char *where;  /* NULL: all live samples */
	uint64_t since;
	bool with_logits;
	struct capture_choice capture; /* of logits */
	bool force;                    /* replace an export that is there */

	/* Of formats that place rows (causal.h). */
	uint32_t k;      /* candidates a position; 0: as many as the job asks for */
	uint32_t length; /* positions of every row; 0: as many as the sample has */
	bool shift_same; /* a row at the token that it describes, not before it */
	bool with_misaligned;
	/* A tokenizer.json and its template (templated.h); NULL: the server's ids only,
	 * and what lies beside it. */
	const char *tokenizer, *chat_template;
	uint64_t file_bytes; /* a further file after so much; 0: 512 MiB */
};

/* What a format works with. */
struct export
{
	const struct export_options *options;
	struct dataset *d;
	struct manifest manifest;
	struct outfile out; /* of formats that write one file */
	void *state;        /* the format's own */
	bool left_out;      /* add says that it did not take the sample */
};

struct export_format {
	const char *name, *summary;
	bool is_folder;   /* writes a folder, by itself */
	bool places_rows; /* takes the options for that */
	/* With the reader's view open. */
	enum err_code (*open)(struct export *e, struct err *err);
	/* Samples in key order, `entry` being the sample's in `key`. */
	enum err_code (*add)(struct export *e, struct sample *s,
		const struct key_entry *entry, struct err *err);
	/* With no view open. NULL: nothing. */
	enum err_code (*finish)(struct export *e, struct err *err);
	/* Always called once open has been; removes what is not finished. */
	void (*close)(struct export *e);
};

extern const struct export_format export_jsonl, export_messages, export_lmdb,
	export_distillkit, export_axolotl;

/* NULL, with an error that names the nearest one, for an unknown name. */
const struct export_format *export_find(const char *name, struct err *err);
/* The table, ended by NULL. */
const struct export_format *const *export_formats(void);

/* `d` has no view open. The manifest is the caller's, to read and release, also
 * after an error. ERR_INVALID: the options; ERR_EXISTS: what is in the way. */
enum err_code export_run(struct dataset *d, const struct export_options *options,
	struct manifest *manifest, struct err *err) MUST_CHECK;

#endif
