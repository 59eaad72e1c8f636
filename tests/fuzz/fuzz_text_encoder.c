/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer.json, a NUL, and a text: it is refused or encoded, each time alike. Its
 * regular expressions are the engine's affair and are left out. */
#include "tests/fuzz/fuzz.h"

#include "common/bytes.h"
#include "common/limits.h"
#include "common/text_encoder.h"

static void encode(
	struct text_encoder *e, struct bytes text, bool special, struct buf *ids)
{
	struct err err = {0};
	enum err_code code;

	buf_init(ids, MIB(1));
	code = text_encoder_encode(e, text, special, ids, &err);
	MUST(code == err.code && (code == ERR_NONE || code == ERR_INVALID));
	MUST(ids->len % 4 == 0);
	for (size_t i = 0; i < ids->len; i += 4)
		MUST(get_u32(ids->data + i) < LIMIT_VOCABULARY);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	const uint8_t *end = memchr(input, 0, len);
	struct bytes file = {input, end ? (size_t)(end - input) : len};
	struct bytes text = {end ? end + 1 : input, end ? len - file.len - 1 : len};
	struct buf once, again;
	struct text_encoder *e;
	struct err err = {0};

	if (memmem(input, len, "Regex", 5))
		return 0;
	if (text_encoder_read(file, "t", &e, &err) != ERR_NONE) {
		MUST(err.code == ERR_INVALID && err.msg[0] && !e);
		return 0;
	}
	for (int special = 0; special < 2; special++) {
		encode(e, text, special, &once);
		encode(e, text, special, &again);
		MUST(once.len == again.len);
		MUST(once.len == 0 || memcmp(once.data, again.data, once.len) == 0);
		buf_release(&once);
		buf_release(&again);
	}
	text_encoder_free(e);
	return 0;
}
