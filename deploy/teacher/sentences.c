/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/teacher/sentences.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/banned.h"
#include "common/text.h"

const struct sentence sentences[] = {
	{SAY_HEAD, "<think> \\n"},
	{SAY_OPEN, "Okay|Alright|Right|Hmm , _let _me _think|_reason|_go "
		   "_about|_through|_over _this|_it _carefully|_slowly|_calmly ."},
	{SAY_OPEN,
		"First|So|Well|Now , _I _need|_want|_have _to _see|_understand|_find "
		"_what _the _question|_problem|_task _asks|_wants|_needs ."},
	{SAY_OPEN, "Let _me|_us _start|_begin _with|_from _what|_everything _is "
		   "_given|_known|_stated _here ."},
	{SAY_OPEN,
		"The _question|_problem|_task _looks|_seems|_is "
		"_simple|_short|_clear|_easy , _so|@32767|_but|_yet _let _me _be|_stay "
		"_careful|_precise|_exact ."},
	{SAY_NUMBERS, "_The _number|_value|_figure _given|_stated|_named _is #1 ."},
	{SAY_NUMBERS,
		"_The _numbers|_values|_figures _given|_stated|_named _are #1 _and "
		"#2 ."},
	{SAY_NUMBERS,
		"_The _numbers|_values|_figures _given|_stated|_named _are #1 , #2 "
		"_and #3 ."},
	{SAY_FILL,
		"_That _seems|_looks|_sounds|_feels _right|_fine|_good|_reasonable ."},
	{SAY_FILL, "_I|_We _should|_must|_can|_will _keep|_hold|_bear _the "
		   "_units|_words|_order|_details _in _mind|_view|_sight ."},
	{SAY_FILL, "_Nothing _else|_more _is _needed|_required|_missing "
		   "_here|_now|_yet ."},
	{SAY_FILL, "_It _helps|_pays _to _go|_work|_move _slowly|_carefully|_steadily "
		   "_and|_or _write|_note _each|_every _step|_line _down ."},
	{SAY_FILL, "_The _story|_text|_wording _leaves _no|_little _room|_space _for "
		   "_doubt|_error|_guesses ."},
	{SAY_FILL, "_Some|_Many|_Most _readers|_people|_pupils _would|_might|_could "
		   "_rush|_hurry _here|_now , _but|_yet _I|_we _will _not ."},
	{SAY_FILL, "_Each|_Every _part|_piece|_line _follows|_comes _from _the "
		   "_one|_part|_line _before|_above ."},
	{SAY_FILL,
		"_Let _me|_us _look|_glance _at _it|_this|_that _once|_twice _more ."},
	{SAY_STEP_FIRST, "_First|_Initially|_Here , _I|_we"},
	{SAY_STEP_NEXT, "_Then|_Next|_Afterwards|_Now , _I|_we"},
	{SAY_STEP_SUM, "_add|_join|_collect : #a _+ #b _= #c ."},
	{SAY_STEP_SUM, "_subtract|_remove|_take : #a _- #b _= #c ."},
	{SAY_STEP_SUM, "_multiply|_scale|_repeat : #a _ ^C3 ^97 #b _= #c ."},
	{SAY_STEP_SUM, "_divide|_split|_share : #a _ ^C3 ^B7 #b _= #c ."},
	{SAY_RESULT, "_So|_Thus|_Hence|_Therefore _the _result|_answer|_total|_value "
		     "_is|_equals|_becomes #A ."},
	{SAY_RESULT,
		"_That|_This _makes|_gives|_leaves #A , _and _so|@32767|_thus _the "
		"_work|_sum|_task _is _done|_finished|_complete ."},
	{SAY_BRANCH, "\\n|_Let|_Wait"},
	{SAY_CHECK, "_me|_us _check|_verify|_test _it|_that|_this : #A "
		    "_is|_looks|_seems _right|_correct|_good _ ^E29C ^93 . \\n"},
	{SAY_WAIT, ", _let _me _check|_verify|_test _that|_it|_this _again|_anew ."},
	{SAY_CLOSE, "</think> \\n\\n"},
	{SAY_CONTENT, "The|Our|My _answer|_result|_total _is|_equals _\\boxed{ %A } ."},
	{SAY_CONTENT,
		"Putting|Taking|Adding _it|_everything|_this _together|_up , _the "
		"_final|_whole _answer|_result _is|_equals _\\boxed{ %A } ."},
	{SAY_CONTENT, "In _total|_short|_summary|_sum , _we _get|_find|_have|_obtain "
		      "_\\boxed{ %A } ."},
	{SAY_CONTENT, "Done|Finished|Solved ! _ ^F09F ^8E89 _The|_Our "
		      "_answer|_result|_total _is|_equals _\\boxed{ %A } ."},
	{SAY_END, "<eos>|_That"},
	{SAY_REMARK,
		"_is|_was _my|_the _final|_whole|_complete _answer|_result . <eos>"},
};
const size_t n_sentences = sizeof(sentences) / sizeof(sentences[0]);

/* One alternative, from its notation into bytes. */
static void read_word(const char *s, size_t len, struct word *out)
{
	*out = (struct word){.id = -1};
	if (len > 1 && s[0] == '@') {
		out->id = (int)strtol(s + 1, NULL, 10);
		return;
	}
	if (len > 1 && s[0] == '^') {
		bool is_hex;

		out->len = (len - 1) / 2;
		is_hex = text_unhex(s + 1, len - 1, out->bytes, out->len);
		assert(is_hex);
		return;
	}
	assert(len < WORD_MAX);
	if (len >= 2 && memcmp(s, "\\n", 2) == 0) {
		out->len = len / 2;
		memset(out->bytes, '\n', out->len);
		return;
	}
	out->len = len;
	memcpy(out->bytes, s, len);
	if (s[0] == '_')
		out->bytes[0] = ' ';
}

bool sentence_next(const char **at, struct piece *out)
{
	const char *s = *at + strspn(*at, " ");
	const char *end = s + strcspn(s, " ");

	*at = end;
	if (s == end)
		return false;
	*out = (struct piece){.kind = PIECE_WORDS};
	if (end - s == 2 && (s[0] == '#' || s[0] == '%')) {
		out->kind = PIECE_NUMBER;
		out->spaced = s[0] == '#';
		out->number = s[1];
		return true;
	}
	while (s < end) {
		size_t len = strcspn(s, "| ");

		assert(out->n < CHOICES_MAX);
		read_word(s, len, &out->word[out->n++]);
		s += len + 1;
	}
	return true;
}
