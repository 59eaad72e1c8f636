/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jinja.h - chat templates: messages to the text that a model is given
 *
 * An interpreter of that part of the Jinja language which chat templates are written
 * in, with the meaning that Jinja 3 and Hugging Face's apply_chat_template give it:
 * trim_blocks and lstrip_blocks are on, nothing is escaped, what is undefined prints
 * nothing, values are Python's (a list prints as Python prints it), `tojson` is
 * json.dumps without ensure_ascii. What it has:
 *
 *   statements   for (else, if, two targets), if, elif, else, set (names, attributes of
 *                namespaces, blocks), macro, break, continue, generation
 *   expressions  literals, all operators, slices, conditions, calls, filters, tests
 *   names        range, dict, namespace, raise_exception, loop.*
 *
 * and the filters, tests and methods that stand in the tables of jinja_filters.c,
 * jinja_tests.c and jinja_methods.c. Whatever else a template says is an error with
 * its line, when it is read or when it is met: a text that is rendered is the text that
 * Jinja renders. `strftime_now` is one of these: when the server rendered is not known.
 *
 * One thing is otherwise. A name that is given by the caller, and that the template sets
 * somewhere without having read it before, is undefined in Jinja's loops and macros up to
 * there; here it is what was given.
 *
 * Bounds: steps, depth, memory and output (limits.h), so that no template hangs.
 *
 * Values are jansson's. Pure. A compiled template may be used by several threads.
 */
#ifndef RETORT_COMMON_JINJA_H
#define RETORT_COMMON_JINJA_H

#include <jansson.h>

#include "common/buf.h"

struct jinja;

/* ERR_INVALID: "name:line: what". */
enum err_code jinja_compile(struct bytes source, const char *name, struct jinja **out,
	struct err *err) MUST_CHECK;
void jinja_free(struct jinja *t);

/* Appends what the template says of these variables (an object, which is not changed).
 * ERR_INVALID likewise, also for what the template itself refuses (raise_exception). */
enum err_code jinja_render(const struct jinja *t, json_t *variables, struct buf *out,
	struct err *err) MUST_CHECK;

#endif
