/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - a whole answer turned into server-sent events
 *
 * An event for the role, one for each token with its row and its ids, one for
 * the finish reason, one for the usage if it was asked for, and "[DONE]". The
 * texts are shared out evenly over the tokens' events, at whole characters:
 * which token has which letters is in the rows. Without rows there is an event
 * for each STREAM_PIECE bytes of text.
 *
 * A body that a fault has made unreadable becomes one event as it is.
 */
#ifndef RETORT_DEPLOY_TEACHER_STREAM_H
#define RETORT_DEPLOY_TEACHER_STREAM_H

#include <stdbool.h>

#include "common/buf.h"

#define STREAM_PIECE 8

void stream_write(struct bytes whole, bool with_usage, struct buf *out);

#endif
