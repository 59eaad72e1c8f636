/* SPDX-License-Identifier: Apache-2.0 */
#include "common/jinja.h"

#include <stdlib.h>

#include "common/jinja_run.h"
#include "common/mem.h"

void jinja_free(struct jinja *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		json_decref(t->node[i]->value);
		free(t->node[i]->list);
		free(t->node[i]->names);
		free(t->node[i]);
	}
	free(t->node);
	tokens_release(&t->tokens);
	free(t->name);
	free(t);
}

enum err_code jinja_compile(
	struct bytes source, const char *name, struct jinja **out, struct err *err)
{
	struct jinja *t = mem_zalloc(1, sizeof(*t));
	struct parser p = {.t = t};

	*out = NULL;
	t->name = mem_dup_str(name);
	if (!jinja_lex(source, &t->tokens)) {
		err_set(err, ERR_INVALID, "%s:%u: %s", name, t->tokens.line,
			t->tokens.error);
		jinja_free(t);
		return ERR_INVALID;
	}
	t->root = parse_template(&p);
	if (!t->root) {
		err_set(err, ERR_INVALID, "%s:%u: %s", name, p.line, p.error);
		jinja_free(t);
		return ERR_INVALID;
	}
	*out = t;
	return ERR_NONE;
}

enum err_code jinja_render(
	const struct jinja *t, json_t *variables, struct buf *out, struct err *err)
{
	struct run run;
	bool ok;

	run_begin(&run, t, out);
	ok = run_template(&run, variables);
	if (!ok)
		err_set(err, ERR_INVALID, "%s:%u: %s", t->name, run.line, run.error);
	run_end(&run);
	return ok ? ERR_NONE : ERR_INVALID;
}
