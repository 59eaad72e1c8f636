/* SPDX-License-Identifier: Apache-2.0 */
#include "coordinator/index.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "common/mem.h"
#include "coordinator/index_pass.h"

#define PROGRESS_BYTES MIB(16)

#define WHAT_TO_DO                                                                     \
	"put it back as it was, or run with --reindex to match the lines by their ids"

/* One file while it is read. */
struct reading {
	uint32_t corpus;
	const char *path;
	const struct index_corpus *known; /* NULL: new */
	struct lines *lines;
	bool spooled;
	uint64_t spool_end; /* of what is known of the spool */
};

static int64_t mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static bool is_unchanged(const struct index_corpus *known, const struct stat *st)
{
	return known->size == (uint64_t)st->st_size &&
	       known->mtime_ns == mtime_ns(st) && known->inode == (uint64_t)st->st_ino;
}

static enum err_code tell_progress(
	struct index_pass *p, uint64_t in_file, bool always, struct err *err)
{
	uint64_t bytes = p->bytes_before + in_file;

	if (!p->events->progress ||
		(!always && bytes < p->bytes_reported + PROGRESS_BYTES))
		return ERR_NONE;
	p->bytes_reported = bytes;
	return p->events->progress(p->events->to, bytes,
		bytes > p->bytes_in_all ? bytes : p->bytes_in_all, err);
}

static enum err_code changed_line(
	const struct reading *r, uint64_t line, const char *how, struct err *err)
{
	return err_set(err, ERR_INVALID, "%s:%llu: %s since the run began; " WHAT_TO_DO,
		r->path, (unsigned long long)line, how);
}

/* A plain file's shards must lie where they lay: line ends count. The last line
 * of all may have got its end only now, and is left to the digest. */
static bool has_moved(const struct reading *r, const struct index_shard *shard,
	const struct line *line, uint32_t i)
{
	if (r->spooled || i + 1 < shard->n_lines || line->number == r->known->n_lines)
		return false;
	return shard->offset + shard->length != line->offset + line->length;
}

static enum err_code check_known_line(struct index_pass *p, const struct reading *r,
	const struct index_shard *shard, const struct line *line, uint32_t i,
	struct err *err)
{
	uint32_t hash = line->too_long
				? line->long_hash
				: corpus_line_hash(line->bytes.data, line->bytes.len);
	struct corpus_line verdict;

	if (hash != shard->line_hash[i])
		return changed_line(r, line->number, "this line changed", err);
	if (has_moved(r, shard, line, i))
		return changed_line(r, shard->first_line,
			"the line ends or the byte order mark here or before changed",
			err);
	if (!p->rebuilds_ids || !(shard->present >> i & 1))
		return ERR_NONE;
	corpus_line_judge(&p->judge, line->bytes.data, line->bytes.len, &verdict);
	if (!corpus_line_is_prompt(&verdict))
		return ERR_NONE;
	p->n_sorted++;
	return idsort_add(p->sort, verdict.id, index_shard_number(shard, i), err);
}

static enum err_code check_known_shard(struct index_pass *p, struct reading *r,
	const struct index_shard *shard, struct err *err)
{
	struct line line;
	bool found;

	for (uint32_t i = 0; i < shard->n_lines; i++) {
		enum err_code code = lines_next(r->lines, &line, &found, err);

		if (code == ERR_NONE && !found)
			return err_set(err, ERR_INVALID,
				"%s:%llu: the file ends here, but it had %llu lines when "
				"the run began; " WHAT_TO_DO,
				r->path, (unsigned long long)(shard->first_line + i),
				(unsigned long long)r->known->n_lines);
		if (code == ERR_NONE)
			code = check_known_line(p, r, shard, &line, i, err);
		if (code != ERR_NONE)
			return code;
	}
	if (shard->length > 0 && r->spool_end < shard->offset + shard->length)
		r->spool_end = shard->offset + shard->length;
	return tell_progress(p, lines_position(r->lines), false, err);
}

/* Compares the part of the file that is known, line by line and as a whole. */
static enum err_code check_known(
	struct index_pass *p, struct reading *r, struct err *err)
{
	struct index_shard shard;
	struct hash128 digest;
	uint64_t line = 1;

	lines_mark(r->lines, r->known->text_size);
	while (line <= r->known->n_lines) {
		enum err_code code = p->events->known_shard(
			p->events->to, r->corpus, line, &shard, err);

		if (code == ERR_NOT_FOUND || (code == ERR_NONE && shard.n_lines == 0))
			return err_set(err, ERR_CORRUPT,
				"%s:%llu: the ledger has no shard for this line; run with "
				"--reindex",
				r->path, (unsigned long long)line);
		if (code == ERR_NONE)
			code = check_known_shard(p, r, &shard, err);
		if (code != ERR_NONE)
			return code;
		line += shard.n_lines;
	}
	if (!lines_marked_digest(r->lines, &digest) ||
		memcmp(&digest, &r->known->digest, sizeof(digest)) != 0)
		return err_set(err, ERR_INVALID,
			"%s: its first %llu lines changed since the run began, in their line "
			"ends, their byte order mark or where a short hash does not tell; " WHAT_TO_DO,
			r->path, (unsigned long long)r->known->n_lines);
	return ERR_NONE;
}

static enum err_code open_spool(
	struct index_pass *p, const struct reading *r, struct err *err)
{
	char *path = spool_path(p->options->spool_dir, r->corpus);
	enum err_code code = spool_open(path, r->spool_end, &p->spool, err);

	free(path);
	return code;
}

static enum err_code read_new(struct index_pass *p, struct reading *r, struct err *err)
{
	enum err_code code = ERR_NONE;
	struct line line;
	bool found;

	for (;;) {
		code = lines_next(r->lines, &line, &found, err);
		if (code != ERR_NONE || !found)
			break;
		if (r->spooled && !p->spool)
			code = open_spool(p, r, err);
		if (code == ERR_NONE)
			code = index_build_line(p, r->corpus, &line, err);
		/* Looked at once a shard. */
		if (code == ERR_NONE && p->shard.n_lines == 0)
			code = tell_progress(p, lines_position(r->lines), false, err);
		if (code != ERR_NONE)
			break;
	}
	if (code == ERR_NONE)
		code = index_build_flush(p, err);
	if (code == ERR_NONE && p->spool)
		code = spool_sync(p->spool, err);
	return code;
}

static enum err_code tell_corpus(
	struct index_pass *p, const struct reading *r, uint64_t n_new, struct err *err)
{
	const struct stat *st = lines_stat(r->lines);
	struct index_corpus corpus = {.corpus = r->corpus,
		.path = r->path,
		.size = (uint64_t)st->st_size,
		.mtime_ns = mtime_ns(st),
		.inode = (uint64_t)st->st_ino,
		.digest = lines_digest(r->lines),
		.text_size = lines_text_size(r->lines),
		.n_lines = (r->known ? r->known->n_lines : 0) + n_new,
		.spooled = r->spooled};

	if (!p->events->corpus)
		return ERR_NONE;
	return p->events->corpus(p->events->to, &corpus, err);
}

static enum err_code read_opened(
	struct index_pass *p, struct reading *r, struct err *err)
{
	uint64_t lines_before = p->totals->n_lines;
	enum err_code code = ERR_NONE;

	r->spooled = r->known ? r->known->spooled : lines_are_compressed(r->lines);
	if (lines_are_compressed(r->lines) && !r->spooled)
		return err_set(err, ERR_INVALID,
			"%s: the file was plain text when the run began and is packed now; "
			"unpack it, or run with --reindex",
			r->path);
	if (r->known)
		code = check_known(p, r, err);
	if (code == ERR_NONE)
		code = read_new(p, r, err);
	if (code == ERR_NONE)
		code = tell_corpus(p, r, p->totals->n_lines - lines_before, err);
	return code;
}

static enum err_code read_corpus(struct index_pass *p, uint32_t i, struct err *err)
{
	const struct index_options *o = p->options;
	struct reading r = {.corpus = i, .path = o->paths[i]};
	enum err_code code = ERR_NONE;
	struct stat st;

	if (i < o->n_known && !o->reindex)
		r.known = &o->known[i];
	if (stat(r.path, &st) < 0)
		return err_sys(err, "cannot open '%s'", r.path);
	if (!r.known || p->rebuilds_ids || !is_unchanged(r.known, &st)) {
		code = lines_open(r.path, &r.lines, err);
		if (code != ERR_NONE)
			return code;
		code = read_opened(p, &r, err);
		lines_close(r.lines);
		spool_close(p->spool);
		p->spool = NULL;
	}
	p->bytes_before += (uint64_t)st.st_size;
	return code == ERR_NONE ? tell_progress(p, 0, true, err) : code;
}

/* The files known must still be there, in their order, before any new one. */
static enum err_code check_list(const struct index_options *o, struct err *err)
{
	for (size_t i = 0; i < o->n_known; i++) {
		if (i < o->n_paths && strcmp(o->paths[i], o->known[i].path) == 0)
			continue;
		return err_set(err, ERR_INVALID,
			"the job's corpus list had '%s' in place %zu when the run began, and "
			"has %s%s%s there now; put it back and add new files at the end, or "
			"run with --reindex to match the lines by their ids",
			o->known[i].path, i + 1, i < o->n_paths ? "'" : "",
			i < o->n_paths ? o->paths[i] : "nothing",
			i < o->n_paths ? "'" : "");
	}
	return ERR_NONE;
}

static enum err_code open_held(struct index_pass *p, struct err *err)
{
	char *name = file_join(p->options->temp_dir, "shards-XXXXXX");
	int fd = mkostemp(name, O_CLOEXEC);

	if (fd >= 0)
		unlink(name);
	free(name);
	p->held = fd >= 0 ? fdopen(fd, "w+") : NULL;
	if (p->held)
		return ERR_NONE;
	if (fd >= 0)
		close(fd);
	return err_sys(
		err, "cannot make a temporary file in '%s'", p->options->temp_dir);
}

static enum err_code check_ids(struct index_pass *p, struct err *err)
{
	const struct index_options *o = p->options;

	p->has_old_ids = o->ids_old && file_exists(o->ids_old);
	p->rebuilds_ids = o->n_known > 0 && !p->has_old_ids && !o->reindex;
	if (o->reindex && o->n_known > 0 && !p->has_old_ids)
		return err_set(err, ERR_NOT_FOUND,
			"'%s' is missing, which says which number each id has; put the "
			"corpus back as it was and run once without --reindex to make it "
			"anew",
			o->ids_old ? o->ids_old : "ids");
	return ERR_NONE;
}

static enum err_code begin(struct index_pass *p, struct err *err)
{
	const struct index_options *o = p->options;
	enum err_code code = ERR_NONE;
	struct stat st;

	if (!o->reindex)
		code = check_list(o, err);
	if (code == ERR_NONE)
		code = check_ids(p, err);
	if (code == ERR_NONE && o->reindex)
		code = open_held(p, err);
	for (size_t i = 0; i < o->n_paths; i++)
		p->bytes_in_all +=
			stat(o->paths[i], &st) == 0 ? (uint64_t)st.st_size : 0;
	return code;
}

enum err_code index_run(const struct index_options *options,
	const struct index_events *events, struct index_totals *totals, struct err *err)
{
	struct index_pass p = {.options = options, .events = events, .totals = totals};
	enum err_code code;

	assert(events->shard && (options->n_known == 0 || events->known_shard));
	*totals = (struct index_totals){
		.next_prompt = options->next_prompt, .next_shard = options->next_shard};
	corpus_judge_init(&p.judge, options->rules);
	p.sort = idsort_new(options->temp_dir,
		options->sort_memory ? options->sort_memory : IDSORT_MEMORY);
	buf_init(&p.spool_text, LIMIT_CORPUS_LINE + SHARD_BYTES + 2);
	code = begin(&p, err);
	for (uint32_t i = 0; i < options->n_paths && code == ERR_NONE; i++)
		code = read_corpus(&p, i, err);
	if (code == ERR_NONE)
		code = index_match(&p, err);
	if (p.held)
		fclose(p.held);
	buf_release(&p.spool_text);
	free(p.stretch);
	idsort_free(p.sort);
	corpus_judge_release(&p.judge);
	return code;
}
