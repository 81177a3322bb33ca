/* SPDX-License-Identifier: MIT
 * A fuzz target: one function that takes any bytes and aborts when something does not hold that must. It is libFuzzer's entry, and t/fuzz/replay.c
 * calls it where there is no libFuzzer. */
#ifndef T_FUZZ_FUZZ_H
#define T_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For the replay: the name of the corpus's folder, and pieces that a mutation puts in; ends with NULL. */
extern const char fuzz_name[];
extern const char *const fuzz_words[];

/* Aborts and says where. */
#define must(condition) ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_failed(const char *file, int line, const char *condition);

#endif
