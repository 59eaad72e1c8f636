/* SPDX-License-Identifier: Apache-2.0 */
#include "common/file.h"
#include "common/limits.h"
#include "common/text_encoder.h"

enum err_code text_encoder_read_file(
	const char *path, struct text_encoder **out, struct err *err)
{
	struct buf file;
	enum err_code code;

	*out = NULL;
	buf_init(&file, LIMIT_TOKENIZER_FILE);
	code = file_read(path, &file, err);
	if (code == ERR_NONE)
		code = text_encoder_read(buf_bytes(&file), path, out, err);
	buf_release(&file);
	return code;
}
