/* SPDX-License-Identifier: Apache-2.0 */
/* The job key `tokenizer`. */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/file.h"
#include "common/job_keys.h"
#include "common/text.h"

/* tokenizer: a path as seen from the job file, or with the digest that it must
 * have: {"file": path, "digest": 16 hex digits}. */
bool job_read_tokenizer(struct job_reader *r, const char *path, json_t *v, void *to)
{
	struct job_teacher *t =
		(struct job_teacher *)((char *)to -
				       offsetof(struct job_teacher, tokenizer));
	const char *file = json_string_value(v), *digest = NULL;
	unsigned char bytes[8];

	if (json_is_object(v)) {
		file = json_string_value(json_object_get(v, "file"));
		digest = json_string_value(json_object_get(v, "digest"));
		if (json_object_size(v) != 2 || !file || !digest)
			return job_complain(r, path,
				"must be a path, or an object of 'file' and 'digest'");
		if (!text_unhex(digest, strlen(digest), bytes, sizeof(bytes)))
			return job_complain(
				r, path, "the digest must be 16 hex digits");
		t->tokenizer_digest = get_u64_be(bytes);
	}
	if (!file || !*file)
		return job_complain(r, path, "must be a path to a tokenizer.json");
	free(t->tokenizer);
	t->tokenizer = file_beside(r->path, file);
	return true;
}

json_t *job_tokenizer_json(const void *from)
{
	const struct job_teacher *t =
		(const struct job_teacher *)((const char *)from -
					     offsetof(struct job_teacher, tokenizer));
	unsigned char bytes[8];
	char hex[17];

	if (!t->tokenizer || t->tokenizer_digest == 0)
		return t->tokenizer ? json_string(t->tokenizer) : json_null();
	put_u64_be(bytes, t->tokenizer_digest);
	text_hex(bytes, sizeof(bytes), hex);
	return json_pack("{s:s, s:s}", "file", t->tokenizer, "digest", hex);
}
