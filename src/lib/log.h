/* SPDX-License-Identifier: MIT
 * Structured log: one JSON object a line, one write(2) a line, on stderr or a file (O_APPEND). Any thread may log.
 * Fields after the message come in pairs and end with NULL:  log_info("turn finished", "turn_id", id, "#ai_ms", "1200", NULL)
 * All values are C strings; control characters, DEL and invalid UTF-8 are escaped, values are cut at 1,024 bytes. A pair whose value is NULL is
 * left out. A name that begins with '#' has a number (digits, one '-' in front), which is written without quotes.
 * Callers never pass tokens, URLs with queries or message text. A level that is off costs one comparison. errno is kept. */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include <stdbool.h>
#include "lib/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

extern _Atomic(enum log_level) log_threshold; /* a reload may change it while other threads log */

/* Path NULL or "": stderr. `program` is kept by pointer. */
int log_open(const char *program, const char *path, enum log_level level, struct err *e) MUST_CHECK;
/* Opens the same path anew (after rotation). On failure the old file stays. */
int log_reopen(struct err *e) MUST_CHECK;
/* Another path from now on (NULL or "": stderr), or the same one opened anew; other threads may log meanwhile. -1: the old one stays. */
int log_move(const char *path, struct err *e) MUST_CHECK;
void log_close(void);
/* "DEBUG", "INFO", "WARNING"/"WARN", "ERROR", any case. */
bool log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *message, ...) __attribute__((sentinel));
#define LOG_IS_ON(level) ((level) >= log_threshold) /* for those who must make values first */
#define LOG_AT(level, ...) do { if (LOG_IS_ON(level)) log_write((level), __VA_ARGS__); } while (0)
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_WARNING, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)

#endif
