/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libretort.h - what the files of the library share, inside libretort*.c only
 */
#ifndef RETORT_STORE_LIBRETORT_H
#define RETORT_STORE_LIBRETORT_H

#include "store/reader.h"
#include "store/retort.h"

struct retort {
	struct dataset *d;
	struct settings_cache settings;
	struct err err;
	uint64_t until;
	struct reader *lookup; /* for single samples */
	struct buf lent;       /* what retort_token and retort_settings lend */
	struct retort *next;   /* all that are open in this process */
	uint64_t device, inode;
};

struct retort_sample {
	struct retort *r;
	struct sample *s; /* own, or the reader's */
	struct sample own;
	struct retort_head head;
};

struct retort_iter {
	struct retort *r;
	struct filter *where;
	struct reader *reader;
	bool by_sequence;
	uint64_t sequence; /* the last one looked at */
	struct retort_sample sample;
};

/*
 * A view of the dataset for the length of one call: an idle program must not
 * keep old pages alive. Views of later calls are of later commits, but what is
 * read up to `until` is never changed.
 */
enum retort_code retort_enter(struct retort *r);
/* Ends the view; the code for what happened, with its words. */
enum retort_code retort_leave(struct retort *r, enum err_code code);

/* Fills the public head from the sample at hand. */
void retort_fill_head(struct retort_sample *s);

#endif
