/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - asking a running coordinator to do something
 *
 * One JSON object each way over RUN/control.sock:
 *
 *   {"do": "drain"}                               finish what is in flight, end
 *   {"do": "gone", "name": N, "crashed": bool}    a worker's process has ended
 *   {"do": "retry", "reason": R or null}          failed samples again
 *   {"do": "retry", "keys": [[prompt, sample], ...]}   these samples again
 *
 * The answer has "ok": true, or "error": text; for retry also "samples".
 */
#ifndef RETORT_COORDINATOR_CONTROL_H
#define RETORT_COORDINATOR_CONTROL_H

#include <jansson.h>

#include "common/err.h"

/* Sends a request to the coordinator of a run and waits for its answer (a new
 * reference). ERR_NOT_FOUND: none is running; ERR_REFUSED: it says no. */
enum err_code control_ask(const char *dir, const json_t *request, int timeout_ms,
	json_t **answer, struct err *err) MUST_CHECK;

#endif
