/* SPDX-License-Identifier: Apache-2.0 */
#include "common/jtext.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"

/* Text longer than this is no number that anyone wrote on purpose. */
#define NUMBER_MAX 800

#define EACH(b) (0x0101010101010101u * (uint64_t)(b))

/*
 * Decimal to double, after D. Lemire, "Number Parsing at a Gigabyte per
 * Second" (2021): w * 10^q from one or two 64x64 products with the top 128
 * bits of 5^q, exact but for rare cases in which it says so. The table has
 * the exponents that probabilities come in; others go to strtod.
 */
#define POWER_MIN (-65)
#define POWER_MAX 38
static const uint64_t power_of_five[][2] = {
	{0x86ccbb52ea94baeau, 0x98e947129fc2b4e9u},
	{0xa87fea27a539e9a5u, 0x3f2398d747b36224u},
	{0xd29fe4b18e88640eu, 0x8eec7f0d19a03aadu},
	{0x83a3eeeef9153e89u, 0x1953cf68300424acu},
	{0xa48ceaaab75a8e2bu, 0x5fa8c3423c052dd7u},
	{0xcdb02555653131b6u, 0x3792f412cb06794du},
	{0x808e17555f3ebf11u, 0xe2bbd88bbee40bd0u},
	{0xa0b19d2ab70e6ed6u, 0x5b6aceaeae9d0ec4u},
	{0xc8de047564d20a8bu, 0xf245825a5a445275u},
	{0xfb158592be068d2eu, 0xeed6e2f0f0d56712u},
	{0x9ced737bb6c4183du, 0x55464dd69685606bu},
	{0xc428d05aa4751e4cu, 0xaa97e14c3c26b886u},
	{0xf53304714d9265dfu, 0xd53dd99f4b3066a8u},
	{0x993fe2c6d07b7fabu, 0xe546a8038efe4029u},
	{0xbf8fdb78849a5f96u, 0xde98520472bdd033u},
	{0xef73d256a5c0f77cu, 0x963e66858f6d4440u},
	{0x95a8637627989aadu, 0xdde7001379a44aa8u},
	{0xbb127c53b17ec159u, 0x5560c018580d5d52u},
	{0xe9d71b689dde71afu, 0xaab8f01e6e10b4a6u},
	{0x9226712162ab070du, 0xcab3961304ca70e8u},
	{0xb6b00d69bb55c8d1u, 0x3d607b97c5fd0d22u},
	{0xe45c10c42a2b3b05u, 0x8cb89a7db77c506au},
	{0x8eb98a7a9a5b04e3u, 0x77f3608e92adb242u},
	{0xb267ed1940f1c61cu, 0x55f038b237591ed3u},
	{0xdf01e85f912e37a3u, 0x6b6c46dec52f6688u},
	{0x8b61313bbabce2c6u, 0x2323ac4b3b3da015u},
	{0xae397d8aa96c1b77u, 0xabec975e0a0d081au},
	{0xd9c7dced53c72255u, 0x96e7bd358c904a21u},
	{0x881cea14545c7575u, 0x7e50d64177da2e54u},
	{0xaa242499697392d2u, 0xdde50bd1d5d0b9e9u},
	{0xd4ad2dbfc3d07787u, 0x955e4ec64b44e864u},
	{0x84ec3c97da624ab4u, 0xbd5af13bef0b113eu},
	{0xa6274bbdd0fadd61u, 0xecb1ad8aeacdd58eu},
	{0xcfb11ead453994bau, 0x67de18eda5814af2u},
	{0x81ceb32c4b43fcf4u, 0x80eacf948770ced7u},
	{0xa2425ff75e14fc31u, 0xa1258379a94d028du},
	{0xcad2f7f5359a3b3eu, 0x096ee45813a04330u},
	{0xfd87b5f28300ca0du, 0x8bca9d6e188853fcu},
	{0x9e74d1b791e07e48u, 0x775ea264cf55347eu},
	{0xc612062576589ddau, 0x95364afe032a819eu},
	{0xf79687aed3eec551u, 0x3a83ddbd83f52205u},
	{0x9abe14cd44753b52u, 0xc4926a9672793543u},
	{0xc16d9a0095928a27u, 0x75b7053c0f178294u},
	{0xf1c90080baf72cb1u, 0x5324c68b12dd6339u},
	{0x971da05074da7beeu, 0xd3f6fc16ebca5e04u},
	{0xbce5086492111aeau, 0x88f4bb1ca6bcf585u},
	{0xec1e4a7db69561a5u, 0x2b31e9e3d06c32e6u},
	{0x9392ee8e921d5d07u, 0x3aff322e62439fd0u},
	{0xb877aa3236a4b449u, 0x09befeb9fad487c3u},
	{0xe69594bec44de15bu, 0x4c2ebe687989a9b4u},
	{0x901d7cf73ab0acd9u, 0x0f9d37014bf60a11u},
	{0xb424dc35095cd80fu, 0x538484c19ef38c95u},
	{0xe12e13424bb40e13u, 0x2865a5f206b06fbau},
	{0x8cbccc096f5088cbu, 0xf93f87b7442e45d4u},
	{0xafebff0bcb24aafeu, 0xf78f69a51539d749u},
	{0xdbe6fecebdedd5beu, 0xb573440e5a884d1cu},
	{0x89705f4136b4a597u, 0x31680a88f8953031u},
	{0xabcc77118461cefcu, 0xfdc20d2b36ba7c3eu},
	{0xd6bf94d5e57a42bcu, 0x3d32907604691b4du},
	{0x8637bd05af6c69b5u, 0xa63f9a49c2c1b110u},
	{0xa7c5ac471b478423u, 0x0fcf80dc33721d54u},
	{0xd1b71758e219652bu, 0xd3c36113404ea4a9u},
	{0x83126e978d4fdf3bu, 0x645a1cac083126eau},
	{0xa3d70a3d70a3d70au, 0x3d70a3d70a3d70a4u},
	{0xccccccccccccccccu, 0xcccccccccccccccdu},
	{0x8000000000000000u, 0x0000000000000000u},
	{0xa000000000000000u, 0x0000000000000000u},
	{0xc800000000000000u, 0x0000000000000000u},
	{0xfa00000000000000u, 0x0000000000000000u},
	{0x9c40000000000000u, 0x0000000000000000u},
	{0xc350000000000000u, 0x0000000000000000u},
	{0xf424000000000000u, 0x0000000000000000u},
	{0x9896800000000000u, 0x0000000000000000u},
	{0xbebc200000000000u, 0x0000000000000000u},
	{0xee6b280000000000u, 0x0000000000000000u},
	{0x9502f90000000000u, 0x0000000000000000u},
	{0xba43b74000000000u, 0x0000000000000000u},
	{0xe8d4a51000000000u, 0x0000000000000000u},
	{0x9184e72a00000000u, 0x0000000000000000u},
	{0xb5e620f480000000u, 0x0000000000000000u},
	{0xe35fa931a0000000u, 0x0000000000000000u},
	{0x8e1bc9bf04000000u, 0x0000000000000000u},
	{0xb1a2bc2ec5000000u, 0x0000000000000000u},
	{0xde0b6b3a76400000u, 0x0000000000000000u},
	{0x8ac7230489e80000u, 0x0000000000000000u},
	{0xad78ebc5ac620000u, 0x0000000000000000u},
	{0xd8d726b7177a8000u, 0x0000000000000000u},
	{0x878678326eac9000u, 0x0000000000000000u},
	{0xa968163f0a57b400u, 0x0000000000000000u},
	{0xd3c21bcecceda100u, 0x0000000000000000u},
	{0x84595161401484a0u, 0x0000000000000000u},
	{0xa56fa5b99019a5c8u, 0x0000000000000000u},
	{0xcecb8f27f4200f3au, 0x0000000000000000u},
	{0x813f3978f8940984u, 0x4000000000000000u},
	{0xa18f07d736b90be5u, 0x5000000000000000u},
	{0xc9f2c9cd04674edeu, 0xa400000000000000u},
	{0xfc6f7c4045812296u, 0x4d00000000000000u},
	{0x9dc5ada82b70b59du, 0xf020000000000000u},
	{0xc5371912364ce305u, 0x6c28000000000000u},
	{0xf684df56c3e01bc6u, 0xc732000000000000u},
	{0x9a130b963a6c115cu, 0x3c7f400000000000u},
	{0xc097ce7bc90715b3u, 0x4b9f100000000000u},
	{0xf0bdc21abb48db20u, 0x1e86d40000000000u},
	{0x96769950b50d88f4u, 0x1314448000000000u},
};

#define NOT_A_VALUE ((double)__builtin_nan(""))

/* w * 10^q correctly rounded, for w > 0 and a power that the table has;
 * NOT_A_VALUE if this method cannot tell. */
static inline double scale(uint64_t w, int q)
{
	unsigned __int128 first;
	uint64_t high, low, mantissa;
	int shift, upper, power;
	double out;

	shift = __builtin_clzll(w);
	w <<= shift;
	first = (unsigned __int128)w * power_of_five[q - POWER_MIN][0];
	high = (uint64_t)(first >> 64);
	low = (uint64_t)first;
	if ((high & 0x1ff) == 0x1ff) {
		unsigned __int128 second =
			(unsigned __int128)w * power_of_five[q - POWER_MIN][1];
		uint64_t add = (uint64_t)(second >> 64);

		low += add;
		if (low < add)
			high++;
	}
	if (low == UINT64_MAX && (q < -27 || q > 55))
		return NOT_A_VALUE;
	upper = (int)(high >> 63);
	mantissa = high >> (upper + 9);
	power = ((217706 * q) >> 16) + 63 + upper - shift + 1023;
	if (power <= 0)
		return NOT_A_VALUE; /* subnormal */
	if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 &&
		mantissa << (upper + 9) == high)
		mantissa &= ~(uint64_t)1; /* exactly half way: to even */
	mantissa += mantissa & 1;
	mantissa >>= 1;
	if (mantissa >= (uint64_t)2 << 52) {
		mantissa = (uint64_t)1 << 52;
		power++;
	}
	if (power >= 0x7ff)
		return NOT_A_VALUE;
	mantissa = (mantissa & ~((uint64_t)1 << 52)) | (uint64_t)power << 52;
	memcpy(&out, &mantissa, sizeof(out));
	return out;
}

/* The checked number text [p, end) by the C library. False if it overflows. Its
 * large frame must not become part of the fast ways. */
static __attribute__((noinline)) bool number_by_library(
	const unsigned char *p, const unsigned char *end, double *out)
{
	char text[NUMBER_MAX + 1];
	size_t len = (size_t)(end - p);

	memcpy(text, p, len);
	text[len] = '\0';
	*out = strtod(text, NULL);
	return *out < (double)__builtin_inf() && *out > -(double)__builtin_inf();
}

static inline bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* The number that eight digits make, as values 0 to 9, first one lowest. */
static inline uint64_t eight_values(uint64_t w)
{
	w = w * 10 + (w >> 8); /* pairs */
	return ((w & 0x000000ff000000ffu) * 0x000f424000000064u +
		       (w >> 16 & 0x000000ff000000ffu) * 0x0000271000000001u) >>
	       32;
}

/* Eight digits at once, if the eight bytes at p are digits. */
static inline bool eight_digits(const unsigned char *p, uint64_t *value)
{
	uint64_t w = get_u64(p);

	if (((w & EACH(0xf0)) | (((w + EACH(6)) & EACH(0xf0)) >> 4)) != EACH(0x33))
		return false;
	*value = eight_values(w - EACH('0'));
	return true;
}

/* Digits from p on, into *w as long as they fit; counts those that matter. */
static inline const unsigned char *digits(
	const unsigned char *p, const unsigned char *end, uint64_t *w, int *n)
{
	uint64_t eight;

	while (end - p >= 8 && *n <= 11 && eight_digits(p, &eight)) {
		*w = *w * 100000000 + eight;
		if (*n > 0 || eight > 0)
			*n += 8; /* may count leading zeros: too many is safe */
		p += 8;
	}
	while (p < end && is_digit(*p)) {
		if (*n > 0 || *p != '0')
			(*n)++;
		if (*n <= 19)
			*w = *w * 10 + (uint64_t)(*p - '0');
		p++;
	}
	return p;
}

/* A number's text in parts: w * 10^exponent, if n_digits <= 19. */
struct parts {
	uint64_t w;
	int64_t exponent;
	int n_digits;
	bool negative, plain; /* plain: no fraction and no exponent */
};

static inline enum jt scan_exponent(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct parts *out)
{
	bool minus = false;
	int64_t e = 0;

	if (p < end && (*p == '+' || *p == '-'))
		minus = *p++ == '-';
	if (p == end)
		return JT_MORE;
	if (!is_digit(*p))
		return JT_BAD;
	for (; p < end && is_digit(*p); p++)
		if (e < 100000)
			e = e * 10 + (*p - '0');
	out->exponent += minus ? -e : e;
	*next = p;
	return JT_OK;
}

static inline enum jt scan_number(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct parts *out)
{
	const unsigned char *start = p, *from;

	*out = (struct parts){.plain = true};
	if (p < end && *p == '-') {
		out->negative = true;
		p++;
	}
	if (p == end)
		return JT_MORE;
	if (!is_digit(*p))
		return JT_BAD;
	if (*p == '0') {
		p++;
		if (p < end && is_digit(*p))
			return JT_BAD;
	} else {
		p = digits(p, end, &out->w, &out->n_digits);
	}
	if (p < end && *p == '.') {
		out->plain = false;
		from = ++p;
		p = digits(p, end, &out->w, &out->n_digits);
		if (p == from)
			return p == end ? JT_MORE : JT_BAD;
		out->exponent = from - p;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		enum jt got = scan_exponent(p + 1, end, &p, out);

		out->plain = false;
		if (got != JT_OK)
			return got;
	}
	if (p - start > NUMBER_MAX)
		return JT_BAD;
	*next = p;
	return p == end ? JT_MORE : JT_OK;
}

/* From the parts alone; NOT_A_VALUE if that is not possible. */
static inline double value_of_parts(struct parts n)
{
	static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
		1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
		1e22};
	double v;

	if (n.n_digits > 19 || n.exponent < POWER_MIN || n.exponent > POWER_MAX)
		return NOT_A_VALUE;
	if (n.w > (uint64_t)1 << 53 || n.exponent < -22 || n.exponent > 22)
		v = n.w ? scale(n.w, (int)n.exponent) : 0;
	else if (n.exponent < 0)
		v = (double)n.w / tens[-n.exponent];
	else
		v = (double)n.w * tens[n.exponent];
	return n.negative ? -v : v;
}

/* False, and an infinity, beyond the range. */
static inline bool value_of_number(
	const unsigned char *p, const unsigned char *end, struct parts n, double *out)
{
	*out = value_of_parts(n);
	return *out == *out || number_by_library(p, end, out);
}

enum jt jt_number(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, struct jnumber *out)
{
	struct parts n;
	enum jt got = scan_number(p, end, next, &n);

	if (got != JT_OK)
		return got;
	out->is_integer = false;
	if (n.plain) {
		if (n.n_digits > 19 || n.w > (uint64_t)INT64_MAX + n.negative)
			return JT_BAD;
		out->is_integer = true;
		out->integer = (int64_t)(n.negative ? 0 - n.w : n.w);
	}
	return value_of_number(p, *next, n, &out->value) ? JT_OK : JT_BAD;
}

/* How many of the eight bytes, XORed with '0', are digits up to the first that
 * is none. */
static inline unsigned digit_run(uint64_t eight)
{
	uint64_t stop = ((eight + EACH(0x76)) | eight) & EACH(0x80);

	return stop ? (unsigned)__builtin_ctzll(stop) >> 3 : 8;
}

/* w with the first n (0 to 8) of the eight behind it. */
static inline uint64_t append_digits(uint64_t w, uint64_t eight, unsigned n)
{
	static const uint64_t tens[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
	unsigned half = 4 * (8 - n); /* a shift by 64 is undefined, two by 32 are not */

	return w * tens[n] + eight_values(eight << half << half);
}

/*
 * "-d.ddd" or "-dd.ddd" with up to 17 digits behind the point and no exponent:
 * what nearly all logprobs look like. Read without a loop, since a loop's end
 * would be guessed wrong once a number. NOT_A_VALUE, and *next unchanged, if it
 * is anything else. 32 bytes must be there.
 */
static inline double common_real(const unsigned char *p, const unsigned char **next)
{
	struct parts parts = {.negative = *p == '-'};
	unsigned n, n_second, n_third = 0;
	uint64_t first, second;

	p += parts.negative;
	if (!is_digit(p[0]))
		return NOT_A_VALUE;
	parts.w = (uint64_t)(p[0] - '0');
	if (is_digit(p[1])) {
		parts.w = parts.w * 10 + (uint64_t)(p[1] - '0');
		if (*p++ == '0')
			return NOT_A_VALUE;
	}
	if (p[1] != '.')
		return NOT_A_VALUE;
	first = get_u64(p + 2) ^ EACH('0');
	second = get_u64(p + 10) ^ EACH('0');
	n = digit_run(first);
	n_second = n == 8 ? digit_run(second) : 0;
	parts.w = append_digits(append_digits(parts.w, first, n), second, n_second);
	n += n_second;
	p += 2 + n;
	if (n == 16 && is_digit(*p)) {
		parts.w = parts.w * 10 + (uint64_t)(*p++ - '0');
		n_third = 1;
	}
	if (n == 0 || is_digit(*p) || *p == 'e' || *p == 'E')
		return NOT_A_VALUE;
	parts.exponent = -(int64_t)(n + n_third);
	*next = p;
	return value_of_parts(parts);
}

static __attribute__((noinline)) enum jt any_real(const unsigned char *p,
	const unsigned char *end, const unsigned char **next, double *out)
{
	struct parts n;
	enum jt got = scan_number(p, end, next, &n);

	if (got == JT_OK)
		value_of_number(p, *next, n, out);
	return got;
}

enum jt jt_real(const unsigned char *p, const unsigned char *end,
	const unsigned char **next, double *out)
{
	if (end - p >= 32) {
		*out = common_real(p, next);
		if (*out == *out)
			return JT_OK;
	}
	return any_real(p, end, next, out);
}

static const unsigned char *skip_digits(
	const unsigned char *p, const unsigned char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

enum jt jt_number_skip(
	const unsigned char *p, const unsigned char *end, const unsigned char **next)
{
	const unsigned char *start = p, *from;

	if (p < end && *p == '-')
		p++;
	from = p;
	p = skip_digits(p, end);
	if (p == from)
		return p == end ? JT_MORE : JT_BAD;
	if (*from == '0' && p - from > 1)
		return JT_BAD;
	if (p < end && *p == '.') {
		from = ++p;
		p = skip_digits(p, end);
		if (p == from)
			return p == end ? JT_MORE : JT_BAD;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		p = skip_digits(p, end);
		if (p == from)
			return p == end ? JT_MORE : JT_BAD;
	}
	if (p - start > NUMBER_MAX)
		return JT_BAD;
	*next = p;
	return p == end ? JT_MORE : JT_OK;
}
