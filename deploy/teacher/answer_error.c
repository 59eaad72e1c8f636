/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer_error.c - errors and lists of models, in each dialect's shape
 */
#include "deploy/teacher/answer.h"
#include "deploy/teacher/json_out.h"

struct error_name {
	int status;
	const char *vllm, *type, *code; /* vLLM's type; OpenAI's type and code */
};

static const struct error_name names[] = {
	{400, "BadRequestError", "invalid_request_error", NULL},
	{401, "AuthenticationError", "invalid_request_error", "invalid_api_key"},
	{402, "PaymentRequiredError", "insufficient_quota", "insufficient_quota"},
	{403, "PermissionDeniedError", "invalid_request_error", "forbidden"},
	{404, "NotFoundError", "invalid_request_error", "model_not_found"},
	{405, "MethodNotAllowed", "invalid_request_error", NULL},
	{413, "RequestEntityTooLarge", "invalid_request_error", "too_large"},
	{422, "UnprocessableEntityError", "invalid_request_error", NULL},
	{429, "RateLimitError", "requests", "rate_limit_exceeded"},
	{503, "ServiceUnavailableError", "server_error", "overloaded"},
};
static const struct error_name other = {
	500, "InternalServerError", "server_error", NULL};

static const struct error_name *name_of(int status)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].status == status)
			return &names[i];
	return &other;
}

static void write_or_null(const char *text, struct buf *out)
{
	if (text && *text)
		json_out_str(out, text);
	else
		buf_add_str(out, "null");
}

void answer_write_error(const struct style *style, int status, const char *message,
	const char *param, struct buf *out)
{
	const struct error_name *name = name_of(status);
	enum error_style errors = style->dialect->errors;
	bool is_openai = errors == ERRORS_OBJECT_TEXT;

	buf_add_str(
		out, errors == ERRORS_FLAT ? "{\"object\":\"error\"," : "{\"error\":{");
	buf_add_str(out, "\"message\":");
	json_out_str(out, message);
	buf_add_str(out, ",\"type\":");
	json_out_str(out, is_openai || style->dialect->id == DIALECT_LLAMACPP
				  ? name->type
				  : name->vllm);
	buf_add_str(out, ",\"param\":");
	write_or_null(param, out);
	buf_add_str(out, ",\"code\":");
	if (is_openai)
		write_or_null(name->code, out);
	else
		buf_printf(out, "%d", status);
	buf_add_str(out, errors == ERRORS_FLAT ? "}" : "}}");
}

void answer_write_models(const struct style *style, const char *const *models, size_t n,
	int64_t created, struct buf *out)
{
	buf_add_str(out, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < n; i++) {
		buf_add_str(out, i ? ",{\"id\":" : "{\"id\":");
		json_out_str(out, models[i]);
		buf_printf(out,
			",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"%s\"",
			(long long)created, style->dialect->owner);
		if (style->dialect->id == DIALECT_VLLM ||
			style->dialect->id == DIALECT_SGLANG) {
			buf_add_str(out, ",\"root\":");
			json_out_str(out, models[i]);
			buf_add_str(out, ",\"max_model_len\":32768");
		}
		buf_add_byte(out, '}');
	}
	buf_add_str(out, "]}");
}
