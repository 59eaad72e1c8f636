/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pattern.h"

#include <oniguruma.h>
#include <stdlib.h>

#include "common/mem.h"

struct pattern {
	regex_t *regex;
	OnigRegion *region;
};

static enum err_code complain(int code, const OnigErrorInfo *info, struct err *err)
{
	OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];

	if (info)
		onig_error_code_to_str(text, code, info);
	else
		onig_error_code_to_str(text, code);
	return err_set(err, ERR_INVALID, "regular expression: %s", (const char *)text);
}

enum err_code pattern_compile(struct bytes regex, struct pattern **out, struct err *err)
{
	OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
	OnigErrorInfo info;
	struct pattern *p;
	regex_t *made;
	int code;

	*out = NULL;
	code = onig_initialize(encodings, 1);
	if (code == ONIG_NORMAL)
		code = onig_new(&made, regex.data, regex.data + regex.len,
			ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT,
			&info);
	if (code != ONIG_NORMAL)
		return complain(code, &info, err);
	p = mem_zalloc(1, sizeof(*p));
	p->regex = made;
	p->region = onig_region_new();
	if (!p->region)
		abort();
	*out = p;
	return ERR_NONE;
}

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	onig_region_free(p->region, 1);
	onig_free(p->regex);
	free(p);
}

enum err_code pattern_find(struct pattern *p, struct bytes text, size_t from,
	size_t *start, size_t *end, struct err *err)
{
	const OnigUChar *last = text.data + text.len;
	int at = onig_search(p->regex, text.data, last, text.data + from, last,
		p->region, ONIG_OPTION_NONE);

	if (at == ONIG_MISMATCH)
		return ERR_NOT_FOUND;
	if (at < 0)
		return complain(at, NULL, err);
	*start = (size_t)p->region->beg[0];
	*end = (size_t)p->region->end[0];
	return ERR_NONE;
}
