/* SPDX-License-Identifier: Apache-2.0 */
/* Values as Python's json.dumps and repr() write them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jinja_run.h"
#include "common/mem.h"
#include "common/uchar.h"

/* The fewest digits that mean this number; with an exponent where Python has one. */
void json_print_real(double v, struct buf *out)
{
	char text[40], *power;
	int precision = 0, exponent, n;

	if (!isfinite(v)) {
		buf_add_str(out, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
		return;
	}
	do
		snprintf(text, sizeof(text), "%.*e", precision, v);
	while (strtod(text, NULL) != v && precision++ < 17);
	power = strchr(text, 'e');
	exponent = atoi(power + 1);
	if (exponent >= -4 && exponent < 16) {
		n = precision - exponent;
		buf_printf(out, "%.*f", n > 1 ? n : 1, v);
		return;
	}
	buf_add(out, text, (size_t)(power - text));
	buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

static void print_text(const char *text, size_t size, bool ascii, struct buf *out)
{
	static const char named[] = "\"\\\n\r\t\f\b", letters[] = "\"\\nrtfb";
	const unsigned char *p = (const unsigned char *)text;

	buf_add_byte(out, '"');
	for (size_t i = 0, len; i < size; i += len) {
		uint32_t c = uchar_at(p + i, &len);
		const char *known = c && c < 0x80 ? strchr(named, (int)c) : NULL;

		if (known)
			buf_printf(out, "\\%c", letters[known - named]);
		else if (c >= 0x10000 && ascii)
			buf_printf(out, "\\u%04x\\u%04x",
				0xd800 + ((c - 0x10000) >> 10),
				0xdc00 + ((c - 0x10000) & 0x3ff));
		else if (c < 0x20 || (ascii && c > 0x7e))
			buf_printf(out, "\\u%04x", c);
		else
			buf_add(out, p + i, len);
	}
	buf_add_byte(out, '"');
}

static void new_line(const struct json_style *style, unsigned depth, struct buf *out)
{
	if (!style->indent)
		return;
	buf_add_byte(out, '\n');
	for (unsigned i = 0; i < depth; i++)
		buf_add_str(out, style->indent);
}

static void print(const json_t *v, const struct json_style *style, unsigned depth,
	struct buf *out);

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_object(const json_t *v, const struct json_style *style,
	unsigned depth, struct buf *out)
{
	size_t n = json_object_size(v), i = 0;
	const char **keys = mem_zalloc(n + 1, sizeof(*keys));
	const char *key;
	json_t *one;

	json_object_foreach((json_t *)v, key, one)
		keys[i++] = key;
	if (style->sort_keys)
		qsort(keys, n, sizeof(*keys), compare_keys);
	buf_add_byte(out, '{');
	for (i = 0; i < n; i++) {
		if (i)
			buf_add_str(out, style->item);
		new_line(style, depth + 1, out);
		print_text(keys[i], strlen(keys[i]), style->ensure_ascii, out);
		buf_add_str(out, style->key);
		print(json_object_get(v, keys[i]), style, depth + 1, out);
	}
	if (n)
		new_line(style, depth, out);
	buf_add_byte(out, '}');
	free(keys);
}

static void print_array(const json_t *v, const struct json_style *style, unsigned depth,
	struct buf *out)
{
	size_t n = json_array_size(v);

	buf_add_byte(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_str(out, style->item);
		new_line(style, depth + 1, out);
		print(json_array_get(v, i), style, depth + 1, out);
	}
	if (n)
		new_line(style, depth, out);
	buf_add_byte(out, ']');
}

static void print(const json_t *v, const struct json_style *style, unsigned depth,
	struct buf *out)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		print_object(v, style, depth, out);
		break;
	case JSON_ARRAY:
		print_array(v, style, depth, out);
		break;
	case JSON_STRING:
		print_text(json_string_value(v), json_string_length(v),
			style->ensure_ascii, out);
		break;
	case JSON_INTEGER:
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		json_print_real(json_real_value(v), out);
		break;
	default:
		buf_add_str(out, json_is_true(v)    ? "true"
				 : json_is_false(v) ? "false"
						    : "null");
	}
}

void json_print(const json_t *v, const struct json_style *style, struct buf *out)
{
	print(v, style, 0, out);
}
