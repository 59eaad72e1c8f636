/* SPDX-License-Identifier: Apache-2.0 */
#include "store/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/mem.h"
#include "common/text.h"

static const struct export_format *const formats[] = {
	&export_lmdb,
	&export_jsonl,
	&export_messages,
	&export_distillkit,
	&export_axolotl,
	NULL,
};

const struct export_format *const *export_formats(void)
{
	return formats;
}

const struct export_format *export_find(const char *name, struct err *err)
{
	const char *names[sizeof(formats) / sizeof(formats[0])], *nearest;
	size_t n = 0;

	for (; formats[n]; n++) {
		if (strcmp(formats[n]->name, name) == 0)
			return formats[n];
		names[n] = formats[n]->name;
	}
	names[n] = NULL;
	nearest = text_nearest(name, names);
	if (nearest)
		err_set(err, ERR_INVALID,
			"there is no format '%s' (did you mean '%s'?)", name, nearest);
	else
		err_set(err, ERR_INVALID,
			"there is no format '%s' in this build; see --help for those that "
			"there are",
			name);
	return NULL;
}

static enum err_code add_all(struct export *e, const struct export_format *format,
	struct reader *r, struct err *err)
{
	for (;;) {
		struct sample *s;
		enum err_code code = reader_next(r, &s, err);

		if (code == ERR_NOT_FOUND)
			return ERR_NONE;
		e->left_out = false;
		if (code == ERR_NONE)
			code = format->add(e, s, reader_entry(r), err);
		if (code != ERR_NONE)
			return code;
		if (!e->left_out)
			manifest_count(&e->manifest, s);
	}
}

/* Everything that needs the reader's view. */
static enum err_code write_samples(struct export *e, const struct export_format *format,
	struct filter *where, struct err *err)
{
	struct reader_query query = {.where = where, .since = e->options->since};
	struct reader *r;
	enum err_code code = reader_open(e->d, &query, &r, err);

	if (code != ERR_NONE)
		return code;
	e->manifest.until = reader_until(r);
	code = manifest_begin(&e->manifest, e->d, reader_settings(r), err);
	if (code == ERR_NONE)
		code = format->open(e, err);
	if (code == ERR_NONE)
		code = add_all(e, format, r, err);
	reader_close(r);
	return code;
}

/* Beside a file: OUT.manifest.json. */
static char *manifest_path(const struct export *e)
{
	return mem_printf("%s.manifest.json", e->options->out);
}

/* That of the file which is replaced goes first: should this process end between
 * the two, a file without a manifest is better than one with another's. */
static enum err_code remove_manifest(const struct export *e, struct err *err)
{
	char *path = manifest_path(e);
	enum err_code code = ERR_NONE;

	if (unlink(path) < 0 && errno != ENOENT)
		code = err_sys(err, "cannot replace '%s'", path);
	free(path);
	return code;
}

static enum err_code write_manifest(struct export *e, struct err *err)
{
	char *path = manifest_path(e);
	char *text = manifest_text(&e->manifest, true);
	enum err_code code = file_write(path, text, strlen(text), 0666, err);

	free(path);
	free(text);
	return code;
}

static enum err_code run_file(struct export *e, const struct export_format *format,
	struct filter *where, struct err *err)
{
	bool is_stream = strcmp(e->options->out, "-") == 0;
	struct outfile_sum sum;
	enum err_code code =
		outfile_open(e->options->out, e->options->force, &e->out, err);

	if (code != ERR_NONE)
		return code;
	code = write_samples(e, format, where, err);
	if (code == ERR_NONE && format->finish)
		code = format->finish(e, err);
	format->close(e);
	if (code == ERR_NONE && !is_stream)
		code = remove_manifest(e, err);
	if (code != ERR_NONE) {
		outfile_abort(&e->out);
		return code;
	}
	code = outfile_finish(&e->out, &sum, err);
	if (code == ERR_NONE)
		manifest_add_file(&e->manifest, &sum);
	return code == ERR_NONE && !is_stream ? write_manifest(e, err) : code;
}

static enum err_code run_folder(struct export *e, const struct export_format *format,
	struct filter *where, struct err *err)
{
	enum err_code code;

	if (strcmp(e->options->out, "-") == 0)
		return err_set(err, ERR_INVALID,
			"format '%s' writes a folder, not a stream", format->name);
	code = write_samples(e, format, where, err);
	if (code == ERR_NONE)
		code = format->finish(e, err);
	format->close(e);
	return code;
}

enum err_code export_run(struct dataset *d, const struct export_options *options,
	struct manifest *manifest, struct err *err)
{
	struct export e = {.options = options, .d = d};
	const struct export_format *format = export_find(options->format, err);
	struct filter *where = NULL;
	enum err_code code = format ? ERR_NONE : ERR_INVALID;

	e.manifest = (struct manifest){.format = options->format,
		.where = options->where,
		.with_logits = options->with_logits,
		.since = options->since};
	if (code == ERR_NONE && options->where)
		code = filter_compile(options->where, &where, NULL, err);
	if (code == ERR_NONE)
		code = format->is_folder ? run_folder(&e, format, where, err)
					 : run_file(&e, format, where, err);
	filter_free(where);
	*manifest = e.manifest;
	return code;
}
