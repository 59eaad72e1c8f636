/* SPDX-License-Identifier: Apache-2.0 */
/*
 * misaligned.h - the rules of the alignment proof, as one closed list
 *
 * The worker finds out which one an answer broke (worker/align.h says what each
 * means), datasets keep it with the sample, the wire carries counts, and people
 * read the names. Numbers are in datasets and on the wire: add at the end, never
 * change one.
 */
#ifndef RETORT_COMMON_MISALIGNED_H
#define RETORT_COMMON_MISALIGNED_H

/* X(number, NAME, "name"), the one that is noted of several first */
#define MISALIGNED_RULES(X)                                                            \
	X(1, ROWS, "rows_not_tokens")        /* not as many rows as token ids */       \
	X(2, ID, "row_of_other_id")          /* a row is not that of its token id */   \
	X(3, USAGE, "usage_not_rows")        /* usage counts other tokens than rows */ \
	X(4, ENTRY, "sampled_not_its_entry") /* two logprobs for the sampled token */  \
	X(5, PLACE, "sampled_above_list")    /* it should be listed, and is not */     \
	X(6, MISSING, "sampled_missing")     /* this server always lists it */         \
	X(7, SUM, "sum_above_one")           /* of a row's probabilities */            \
	X(8, TWICE, "listed_twice")          /* a candidate */                         \
	X(9, SHORT, "list_short")            /* shorter than those of other rows */    \
	X(10, TAIL, "tail_unexplained")      /* too much is missing from a list */     \
	X(11, DRAFT, "draft_token")          /* logprob 0 and an empty list */         \
	X(12, BYTES, "token_not_its_bytes")  /* a token's text and bytes disagree */   \
	X(13, TEXT, "text_not_in_tokens")    /* the tokens are not the texts */        \
	X(14, SPANS, "span_outside_rows")    /* of reasoning or content */

enum misaligned {
	MISALIGNED_NONE,
#define MISALIGNED_ENUM(number, name, text) MISALIGNED_##name = (number),
	MISALIGNED_RULES(MISALIGNED_ENUM)
#undef MISALIGNED_ENUM
		MISALIGNED_N
};

/* "sum_above_one"; NULL for MISALIGNED_NONE and what this build does not know. */
const char *misaligned_name(enum misaligned rule);
/* All names, NULL behind the last. */
extern const char *const misaligned_names[];

#endif
