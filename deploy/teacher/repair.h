/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair.h - bytes of tokens as text
 *
 * A token may be half a character, and a run of tokens may end in one. As
 * servers do, what is no UTF-8 is shown as U+FFFD, one for each maximal part
 * of a sequence (the rule of the Unicode standard, of WHATWG, and of Python's
 * bytes.decode("utf-8", "replace")).
 */
#ifndef RETORT_DEPLOY_TEACHER_REPAIR_H
#define RETORT_DEPLOY_TEACHER_REPAIR_H

#include "common/buf.h"

void repair_text(struct bytes raw, struct buf *out);

#endif
