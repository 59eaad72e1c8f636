/* SPDX-License-Identifier: Apache-2.0 */
/* The same lane, compiled for machines with AVX2 (CMakeLists.txt says how). */
#if defined(__AVX2__)
#include "worker/openai_row.c" /* NOLINT(bugprone-suspicious-include) */
#endif
