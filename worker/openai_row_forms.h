/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openai_row_forms.h - the lane's two forms, for openai_lane.c, which chooses
 *
 * They are one text (openai_row.c); what differs stands in jdecimal.h,
 * openai_entry.h and openai_layout.h under __AVX2__. Both read the same.
 */
#ifndef RETORT_WORKER_OPENAI_ROW_FORMS_H
#define RETORT_WORKER_OPENAI_ROW_FORMS_H

#include "common/jrun_forms.h"
#include "worker/openai_row.h"

/* As openai_lane_read. */
enum jt openai_read_rows(struct openai_lane *lane, const unsigned char *p,
	const unsigned char *end, const unsigned char **next);
#if JRUN_HAS_AVX2
/* At 64 - n begin n bytes that count, and then 64 that do not. */
__attribute__((visibility("hidden"))) extern const signed char openai_run_keep[128];
enum jt openai_read_rows_avx2(struct openai_lane *lane, const unsigned char *p,
	const unsigned char *end, const unsigned char **next);
#endif

#endif
