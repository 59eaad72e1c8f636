/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text_encoder_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"

#define DEPTH_MAX 8

/* The words of GPT-2, at which ByteLevel splits unless it is told not to. */
static const char gpt2_words[] =
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct place {
	char at[160];
};

static struct place inside(const char *place, const char *member)
{
	struct place p;

	snprintf(p.at, sizeof(p.at), "%s.%s", place, member);
	return p;
}

static struct place nth(const char *place, const char *member, size_t i)
{
	struct place p;

	snprintf(p.at, sizeof(p.at), "%s.%s[%zu]", place, member, i);
	return p;
}

static const char *type_of(const json_t *v)
{
	const char *type = json_string_value(json_object_get(v, "type"));

	return type ? type : "";
}

static bool refuse(struct plan *p, const char *place, const json_t *v)
{
	return plan_complain(p, place, "a step %s is not offered for encoding",
		log_quote(type_of(v)).text);
}

static bool set_pattern(
	struct plan *p, const char *place, struct bytes regex, struct needle *out)
{
	struct err why;

	if (pattern_compile(regex, &out->pattern, &why) == ERR_NONE)
		return true;
	return plan_complain(p, place, "%s", why.msg);
}

/* {"String": text} or {"Regex": expression} */
static bool read_needle(
	struct plan *p, const char *place, const json_t *v, struct needle *out)
{
	const json_t *text = json_object_get(v, "String");
	const json_t *regex = json_object_get(v, "Regex");

	if (json_object_size(v) == 1 && json_string_length(text) > 0) {
		out->len = json_string_length(text);
		out->text = mem_dup_text(json_string_value(text), out->len);
		return true;
	}
	if (json_object_size(v) == 1 && json_is_string(regex))
		return set_pattern(p, place,
			bytes_of(json_string_value(regex), json_string_length(regex)),
			out);
	return plan_complain(
		p, place, "must be {\"String\": a text} or {\"Regex\": an expression}");
}

static bool read_with(
	struct plan *p, const char *place, const json_t *v, char **text, size_t *len)
{
	if (!json_is_string(v))
		return plan_complain(p, place, "must be a text");
	*len = json_string_length(v);
	*text = mem_dup_text(json_string_value(v), *len);
	return true;
}

/* -- normalizer -- */

static bool add_normal(struct plan *p, const char *place, const json_t *v)
{
	static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"};
	struct normal_step *s = &p->e->normal[p->e->n_normal];
	const char *type = type_of(v);

	if (p->e->n_normal == ENCODER_STEPS_MAX)
		return plan_complain(
			p, place, "there are more than %d steps", ENCODER_STEPS_MAX);
	p->e->n_normal++; /* with what is read of it, to be released */
	for (size_t i = 0; i < 4; i++) {
		if (strcmp(type, forms[i]) == 0) {
			s->form = (enum uchar_form)i;
			return true;
		}
	}
	if (strcmp(type, "Prepend") == 0) {
		s->kind = NORMAL_PREPEND;
		return read_with(p, inside(place, "prepend").at,
			json_object_get(v, "prepend"), &s->with, &s->with_len);
	}
	if (strcmp(type, "Replace") == 0) {
		s->kind = NORMAL_REPLACE;
		return read_needle(p, inside(place, "pattern").at,
			       json_object_get(v, "pattern"), &s->needle) &&
		       read_with(p, inside(place, "content").at,
			       json_object_get(v, "content"), &s->with, &s->with_len);
	}
	return refuse(p, place, v);
}

static bool read_normal(struct plan *p, const char *place, const json_t *v, int depth)
{
	const json_t *list = json_object_get(v, "normalizers"), *one;
	size_t i;

	if (strcmp(type_of(v), "Sequence") != 0)
		return add_normal(p, place, v);
	if (!json_is_array(list) || depth == DEPTH_MAX)
		return plan_complain(p, place, "must have a list 'normalizers'");
	json_array_foreach(list, i, one)
		if (!read_normal(p, nth(place, "normalizers", i).at, one, depth + 1))
			return false;
	return true;
}

bool plan_normalizer(struct plan *p, const json_t *v)
{
	return !v || json_is_null(v) || read_normal(p, "normalizer", v, 0);
}

/* -- pre_tokenizer -- */

static bool read_choice(struct plan *p, const char *place, const json_t *v,
	const char *const *choices, size_t n, unsigned *out)
{
	const char *text = json_string_value(v);

	for (size_t i = 0; text && i < n; i++) {
		if (strcmp(text, choices[i]) == 0) {
			*out = (unsigned)i;
			return true;
		}
	}
	return plan_complain(p, place, "%s is not known",
		text ? log_quote(text).text : "what is there");
}

static bool read_split(
	struct plan *p, const char *place, const json_t *v, struct word_step *s)
{
	static const char *const behaviors[] = {"Removed", "Isolated",
		"MergedWithPrevious", "MergedWithNext", "Contiguous"};
	unsigned behavior = 0;

	s->kind = WORD_SPLIT;
	s->splits = true;
	s->invert = plan_is_true(v, "invert");
	if (!read_needle(p, inside(place, "pattern").at, json_object_get(v, "pattern"),
		    &s->needle) ||
		!read_choice(p, inside(place, "behavior").at,
			json_object_get(v, "behavior"), behaviors, 5, &behavior))
		return false;
	s->behavior = (enum split_behavior)behavior;
	return true;
}

static bool read_byte_level(
	struct plan *p, const char *place, const json_t *v, struct word_step *s)
{
	const json_t *use_regex = json_object_get(v, "use_regex");
	const json_t *prefix = json_object_get(v, "add_prefix_space");

	s->kind = WORD_BYTE_LEVEL;
	s->behavior = SPLIT_ISOLATED;
	if (!json_is_boolean(prefix))
		return plan_complain(p, inside(place, "add_prefix_space").at,
			"must be true or false");
	s->prefix_space = json_is_true(prefix);
	s->splits = !use_regex || json_is_true(use_regex);
	return !s->splits ||
	       set_pattern(
		       p, place, bytes_of(gpt2_words, strlen(gpt2_words)), &s->needle);
}

/* Files of old have only add_prefix_space. */
static bool read_metaspace(
	struct plan *p, const char *place, const json_t *v, struct word_step *s)
{
	static const char *const schemes[] = {"always", "first", "never"};
	const json_t *split = json_object_get(v, "split");
	const json_t *scheme = json_object_get(v, "prepend_scheme");
	const json_t *prefix = json_object_get(v, "add_prefix_space");
	unsigned which = json_is_false(prefix) ? PREPEND_NEVER : PREPEND_ALWAYS;

	s->kind = WORD_METASPACE;
	s->behavior = SPLIT_WITH_NEXT;
	s->splits = !split || !json_is_false(split);
	if (!read_with(p, inside(place, "replacement").at,
		    json_object_get(v, "replacement"), &s->needle.text, &s->needle.len))
		return false;
	if (s->needle.len == 0)
		return plan_complain(
			p, inside(place, "replacement").at, "must not be empty");
	if (scheme && !read_choice(p, inside(place, "prepend_scheme").at, scheme,
			      schemes, 3, &which))
		return false;
	if (json_is_false(prefix) && which != PREPEND_NEVER)
		return plan_complain(p, inside(place, "add_prefix_space").at,
			"and prepend_scheme contradict each other");
	s->scheme = (enum prepend_scheme)which;
	return true;
}

static bool add_word(struct plan *p, const char *place, const json_t *v)
{
	struct text_encoder *e = p->e;
	struct word_step *s = &e->word[e->n_words];
	const char *type = type_of(v);

	if (e->n_words == ENCODER_STEPS_MAX)
		return plan_complain(
			p, place, "there are more than %d steps", ENCODER_STEPS_MAX);
	if (e->n_words > 0 && s[-1].kind == WORD_BYTE_LEVEL)
		return plan_complain(
			p, place, "a step behind ByteLevel is not offered");
	e->n_words++;
	buf_init(&s->room, LIMIT_RENDERED);
	if (strcmp(type, "Split") == 0)
		return read_split(p, place, v, s);
	if (strcmp(type, "ByteLevel") == 0)
		return read_byte_level(p, place, v, s);
	if (strcmp(type, "Metaspace") == 0)
		return read_metaspace(p, place, v, s);
	if (strcmp(type, "Digits") == 0) {
		s->kind = WORD_DIGITS;
		s->behavior = plan_is_true(v, "individual_digits") ? SPLIT_ISOLATED
								   : SPLIT_CONTIGUOUS;
		return true;
	}
	return refuse(p, place, v);
}

static bool read_words(struct plan *p, const char *place, const json_t *v, int depth)
{
	const json_t *list = json_object_get(v, "pretokenizers"), *one;
	size_t i;

	if (strcmp(type_of(v), "Sequence") != 0)
		return add_word(p, place, v);
	if (!json_is_array(list) || depth == DEPTH_MAX)
		return plan_complain(p, place, "must have a list 'pretokenizers'");
	json_array_foreach(list, i, one)
		if (!read_words(p, nth(place, "pretokenizers", i).at, one, depth + 1))
			return false;
	return true;
}

bool plan_pre_tokenizer(struct plan *p, const json_t *v)
{
	return !v || json_is_null(v) || read_words(p, "pre_tokenizer", v, 0);
}

/* -- post_processor -- */

static bool add_special(
	struct plan *p, const char *place, const json_t *ids, struct buf *to)
{
	const json_t *id;
	size_t i;

	if (!json_is_array(ids))
		return plan_complain(p, place, "names a token without ids");
	json_array_foreach(ids, i, id) {
		json_int_t n = json_integer_value(id);

		if (!json_is_integer(id) || n < 0 || n >= LIMIT_VOCABULARY)
			return plan_complain(p, place, "has a bad id");
		buf_add_u32(to, (uint32_t)n);
	}
	return !to->over || plan_complain(p, place, "has too many tokens");
}

static bool read_template(struct plan *p, const char *place, const json_t *v)
{
	const json_t *specials = json_object_get(v, "special_tokens"), *one;
	bool behind = false;
	size_t i;

	json_array_foreach(json_object_get(v, "single"), i, one) {
		const json_t *special = json_object_get(one, "SpecialToken");
		const char *name = json_string_value(json_object_get(special, "id"));

		if (json_object_get(one, "Sequence")) {
			if (behind)
				return plan_complain(p, place, "has two sequences");
			behind = true;
		} else if (!name ||
			   !add_special(p, nth(place, "single", i).at,
				   json_object_get(
					   json_object_get(specials, name), "ids"),
				   behind ? &p->e->after : &p->e->before)) {
			return name ? false
				    : plan_complain(p, nth(place, "single", i).at,
					      "is not known");
		}
	}
	return behind || plan_complain(p, place, "has no sequence");
}

static bool read_post(struct plan *p, const char *place, const json_t *v, int depth)
{
	const char *type = type_of(v);
	const json_t *one;
	size_t i;

	if (strcmp(type, "ByteLevel") == 0)
		return true; /* changes offsets only */
	if (strcmp(type, "TemplateProcessing") == 0)
		return read_template(p, place, v);
	if (strcmp(type, "Sequence") != 0 || depth == DEPTH_MAX)
		return refuse(p, place, v);
	json_array_foreach(json_object_get(v, "processors"), i, one)
		if (!read_post(p, nth(place, "processors", i).at, one, depth + 1))
			return false;
	return true;
}

void plan_post_processor(struct plan *p, const json_t *v)
{
	struct plan own = *p;

	own.err = &p->e->no_special;
	if (v && !json_is_null(v) && !read_post(&own, "post_processor", v, 0)) {
		buf_clear(&p->e->before);
		buf_clear(&p->e->after);
	}
}
