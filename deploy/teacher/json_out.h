/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_out.h - JSON, written straight into a buffer
 */
#ifndef RETORT_DEPLOY_TEACHER_JSON_OUT_H
#define RETORT_DEPLOY_TEACHER_JSON_OUT_H

#include "common/buf.h"

/* The text in quotes. It must be valid UTF-8. */
void json_out_text(struct buf *b, struct bytes text);
void json_out_str(struct buf *b, const char *s);
/* The inside of the quotes only. */
void json_out_escaped(struct buf *b, struct bytes text);
/* [1,2,3] of bytes. */
void json_out_bytes(struct buf *b, struct bytes bytes);

#endif
