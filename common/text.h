/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - small pure functions on text
 */
#ifndef RETORT_COMMON_TEXT_H
#define RETORT_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the valid UTF-8 sequence at s (1 to 4), or 0 if there is
 * none: overlong forms, surrogates and numbers above U+10FFFF are invalid. */
size_t utf8_sequence(const void *s, size_t len);
/* Length of the longest valid prefix; equal to len if all of it is valid. */
size_t utf8_valid_prefix(const void *s, size_t len);
/* Writes the code point (not a surrogate, at most U+10FFFF); returns 1 to 4. */
size_t utf8_encode(uint32_t code, unsigned char out[4]);

/* Escapes for a quoted string that a person reads on a terminal: quotes,
 * backslashes, control characters, bidirectional overrides and invalid bytes
 * become \-escapes. Cuts at a whole character so that size holds the result
 * with its NUL. Returns its length. */
size_t text_escape(const void *s, size_t len, char *out, size_t size);

/* As text_escape, but keeps line breaks and tabs and quotes: for showing text
 * as text. `out` needs 4 * len + 1 bytes. */
size_t text_printable(const void *s, size_t len, char *out);

/* True if text holds a character that no honest answer has and that harms who
 * prints it: C0 controls other than tab, line feed, carriage return and form
 * feed; DEL; C1 controls; U+202D and U+202E. The text must be valid UTF-8. */
bool text_has_control(const void *s, size_t len);

/* Whether such a character begins at s. */
bool text_begins_control(const void *s, size_t len);

/* The entry of `names` (NULL-terminated) nearest to `word` by edit distance,
 * if it is near enough to be meant; else NULL. */
const char *text_nearest(const char *word, const char *const *names);

/* Lower-case hex of len bytes into out, which holds 2 * len + 1 bytes. */
void text_hex(const void *bytes, size_t len, char *out);
bool text_unhex(const char *hex, size_t hex_len, unsigned char *out, size_t out_len);

/* "1 234 567"-style grouping is left to people; this is 12.3k, 4.56M. */
void text_count(double n, char out[16]);
/* "2 h 03 min", "45 s". */
void text_duration(int64_t seconds, char out[32]);

#endif
