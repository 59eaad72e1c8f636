/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jrun_forms.h - the two forms of each search, for jrun.c and their test
 */
#ifndef RETORT_COMMON_JRUN_FORMS_H
#define RETORT_COMMON_JRUN_FORMS_H

#include "common/jrun.h"

struct jrun_searches {
	const unsigned char *(*text)(const unsigned char *, const unsigned char *);
	const unsigned char *(*space)(const unsigned char *, const unsigned char *);
	const unsigned char *(*control)(const unsigned char *, const unsigned char *);
};

extern const struct jrun_searches jrun_portable;

#if defined(__x86_64__)
#define JRUN_HAS_AVX2 1
extern const struct jrun_searches jrun_avx2;
#else
#define JRUN_HAS_AVX2 0
#endif

#endif
