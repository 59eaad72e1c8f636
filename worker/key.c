/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/key.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "common/mem.h"

#define KEY_MAX 8192

/* What a header can hold: one word of ASCII. */
static char *word_in(const char *text)
{
	const char *from = text + strspn(text, " \t\r\n");
	size_t len = strcspn(from, " \t\r\n");

	for (size_t i = 0; i < len; i++)
		if (from[i] <= ' ' || from[i] > '~')
			return NULL;
	if (len == 0 || from[len + strspn(from + len, " \t\r\n")])
		return NULL;
	return mem_dup_text(from, len);
}

static enum err_code read_variable(
	const struct job_teacher *t, char **key, struct err *err)
{
	const char *value = getenv(t->api_key_env);

	if (!value || !*value)
		return err_set(err, ERR_INVALID,
			"the environment variable %s, which has teacher %s's key, is %s",
			t->api_key_env, t->name, value ? "empty" : "not set");
	*key = word_in(value);
	if (*key)
		return ERR_NONE;
	return err_set(err, ERR_INVALID,
		"the environment variable %s holds no key: a key is one word of ASCII",
		t->api_key_env);
}

static enum err_code read_file(const struct job_teacher *t, char **key, struct err *err)
{
	struct buf text;
	struct stat st;
	enum err_code code;

	if (stat(t->api_key_file, &st) == 0 && (st.st_mode & 077))
		return err_set(err, ERR_INVALID,
			"'%s' holds a key and can be read by others; chmod 600 it",
			t->api_key_file);
	buf_init(&text, KEY_MAX);
	code = file_read(t->api_key_file, &text, err);
	if (code == ERR_NONE) {
		*key = word_in(buf_text(&text));
		memset(text.data, 0, text.len);
		if (!*key)
			code = err_set(err, ERR_INVALID,
				"'%s' holds no key: a key is one word of ASCII",
				t->api_key_file);
	}
	buf_release(&text);
	return code;
}

enum err_code key_read(const struct job_teacher *t, char **key, struct err *err)
{
	*key = NULL;
	if (t->api_key_env)
		return read_variable(t, key, err);
	return t->api_key_file ? read_file(t, key, err) : ERR_NONE;
}

void key_forget(char *key)
{
	if (key)
		memset(key, 0, strlen(key));
	free(key);
}
