/* SPDX-License-Identifier: MIT
 * Function attributes used in prototypes. Nothing here changes what code does; it lets the compiler check it. */
#ifndef LIB_ATTR_H
#define LIB_ATTR_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define NO_RETURN __attribute__((noreturn))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
