/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/reject.h"

static const struct {
	const char *name, *hint;
} reasons[REJECT_N] = {
	[REJECT_NONE] = {"none", "the line is a prompt"},
	[REJECT_TOO_LONG] = {"too_long",
		"the line is longer than 8 MiB, or its prompt longer than 16 MiB; "
		"shorten or split it"},
	[REJECT_BAD_UTF8] = {"bad_utf8",
		"the line is not valid UTF-8; convert the file, for example with "
		"iconv -t UTF-8"},
	[REJECT_BAD_JSON] = {"bad_json",
		"the line is not valid JSON; write one whole object per line, without "
		"line breaks in it"},
	[REJECT_NESTED_TOO_DEEP] = {"nested_too_deep",
		"the line is nested more than 64 levels deep; flatten the column or "
		"store it as a string"},
	[REJECT_NOT_OBJECT] = {"not_object",
		"the line is JSON but not an object; write it as {\"prompt\": ...}"},
	[REJECT_BAD_COLUMNS] = {"bad_columns",
		"the line has more than 4096 columns, or a column name of more than "
		"4096 bytes; remove columns"},
	[REJECT_DUPLICATE_KEY] = {"duplicate_key",
		"a column name occurs twice in the line; keep one of them"},
	[REJECT_BAD_ID] = {"bad_id",
		"custom_id, id or uuid must be an integer or a string of 1 to 1024 "
		"bytes without control characters; change or remove it"},
	[REJECT_UNSUPPORTED_SHAPE] = {"unsupported_shape",
		"token ids can be sent only where all teachers take raw prompts, and "
		"bare text is not supported by this version; of batch lines only POST "
		"to /v1/chat/completions with messages in the body is; give the "
		"prompt as messages or prompt"},
	[REJECT_MISSING_COLUMN] = {"missing_column",
		"a column that the job's template names is missing or null, or all of "
		"them are empty; fill it in, or change the template"},
	[REJECT_BAD_MESSAGES] = {"bad_messages",
		"messages must be a list of {role, content} (conversations: of {from, "
		"value}), known roles, content as text or parts, and one of them not "
		"the assistant's"},
	[REJECT_NO_PROMPT] = {"no_prompt",
		"no column holds a prompt; name one messages, prompt, conversations, "
		"instruction, problem, question, query or inputs, or give the job a "
		"template"},
	[REJECT_NOT_RAW] = {"not_raw",
		"a teacher of the job takes raw prompts: one text, to which no chat "
		"template is applied, or token ids; and this is a conversation, or has "
		"parts, tools or a system text; give prompt or input_ids"},
	[REJECT_BAD_IDS] = {"bad_ids",
		"input_ids or prompt_token_ids must be a list of at least one integer "
		"from 0 to 4294967294; correct it"},
	[REJECT_BAD_PROMPT_LEN] = {"bad_prompt_len",
		"prompt_len, the number of input_ids that are the prompt, must be an "
		"integer from 1 to one less than there are; correct it, or leave it out "
		"if only the first is"},
	[REJECT_NOTHING_TO_SCORE] = {"nothing_to_score",
		"where the job's mode is score, a line needs input_ids, with prompt_len, "
		"or text; where the tokens of a prompt and of an answer meet is not "
		"guessed from texts"},
	[REJECT_BAD_SAMPLING] = {"bad_sampling",
		"sampling may set temperature, top_p, top_k, min_p, presence_penalty, "
		"repetition_penalty, max_tokens, stop and seed, each once and with a "
		"value that the job's key could have; correct or remove it"},
	[REJECT_OWN_N] = {"own_n",
		"how many samples a prompt has is one number for all prompts of a job; "
		"remove n from the line and set sampling.n in the job"},
	[REJECT_BAD_REQUEST] = {"bad_request",
		"tools must be a list, tool_choice a text or an object, "
		"response_format an object, and a body have at most 64 members with "
		"plain names; correct or remove what is not so"},
	[REJECT_OTHER_MODEL] = {"other_model",
		"the body's model is none of the job's teachers; change or remove it, "
		"or give the job a teacher of that model"},
	[REJECT_MORE_LOGPROBS] = {"more_logprobs",
		"the body asks for more logprobs than the job; raise "
		"logits.top_logprobs in the job, or remove them from the line"},
	[REJECT_DUPLICATE_ID] = {"duplicate_id",
		"an earlier line has this id (or the same text, where there is no "
		"id); remove this line or give it an id of its own"},
};

const char *reject_name(enum reject_reason reason)
{
	return (unsigned)reason < REJECT_N ? reasons[reason].name : "unknown";
}

const char *reject_hint(enum reject_reason reason)
{
	return (unsigned)reason < REJECT_N ? reasons[reason].hint : "unknown reason";
}
