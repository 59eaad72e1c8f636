/* SPDX-License-Identifier: Apache-2.0 */
/*
 * banned.h - calls that have a safer form here; using one does not compile
 *
 * Included last, by the .c files that handle text from outside.
 */
#ifndef RETORT_COMMON_BANNED_H
#define RETORT_COMMON_BANNED_H

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol atoll atof
#pragma GCC poison gets gmtime localtime ctime asctime system popen tmpnam mktemp

#endif
