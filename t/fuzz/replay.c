/* SPDX-License-Identifier: MIT
 * Runs a fuzz target without libFuzzer: over every file of its corpus, and over so many random mutations of them (FUZZ_RUNS, default 100000; the
 * sequence is the same each time unless FUZZ_SEED says otherwise). Files named as arguments are run instead, one by one: that is how a crash
 * that libFuzzer has written down is looked at. An input that fails aborts; it is left in the file fuzz-NAME.failed. */
#include "config.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/fuzz.h"
#include "t/tap.h"

#define INPUT_MAX 4096
#define CORPUS_MAX 256

struct input {
    uint8_t bytes[INPUT_MAX];
    size_t n;
};

static uint64_t state = 1;
static struct input corpus[CORPUS_MAX], input;
static size_t corpus_n;

static size_t below(size_t bound)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(((state >> 33) * (uint64_t)bound) >> 31);
}

/* Keeps what made the target abort. */
static void keep(int number)
{
    char path[80];
    (void)snprintf(path, sizeof(path), "fuzz-%s.failed", fuzz_name);
    FILE *out = fopen(path, "wb");
    if (out != NULL) {
        (void)fwrite(input.bytes, 1, input.n, out);
        (void)fclose(out);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static bool read_file(const char *path, struct input *in)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    in->n = fread(in->bytes, 1, sizeof(in->bytes), f);
    (void)fclose(f);
    return true;
}

static int compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_corpus(const char *dir)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, NULL, compare);
    for (int i = 0; i < n; i++) {
        char path[1024];
        int length = snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && corpus_n < CORPUS_MAX && length < (int)sizeof(path) && read_file(path, &corpus[corpus_n]))
            corpus_n++;
        free(names[i]);
    }
    free(names);
}

/* `bytes` in the place of `cut` bytes at `at`; what does not fit is dropped. */
static void replace(size_t at, size_t cut, const uint8_t *bytes, size_t n)
{
    size_t rest = input.n - at - cut;
    n = n < INPUT_MAX - at ? n : INPUT_MAX - at;
    rest = rest < INPUT_MAX - at - n ? rest : INPUT_MAX - at - n;
    memmove(input.bytes + at + n, input.bytes + at + cut, rest);
    memcpy(input.bytes + at, bytes, n);
    input.n = at + n + rest;
}

static void mutate(void)
{
    size_t at = below(input.n + 1), left = input.n - at, words = 0;
    const struct input *other = &corpus[below(corpus_n)];
    uint8_t piece[64], byte = (uint8_t)below(256);
    while (fuzz_words[words] != NULL)
        words++;
    const char *word = fuzz_words[below(words)];
    size_t some = below((left < sizeof(piece) ? left : sizeof(piece)) + 1), from = below(other->n + 1);
    switch (below(6)) {
    case 0:
        replace(at, left > 0, &byte, 1);
        break;
    case 1:
        replace(at, 0, (const uint8_t *)word, strlen(word));
        break;
    case 2:
        replace(at, some, piece, 0);
        break;
    case 3:
        memcpy(piece, input.bytes + at, some);
        replace(below(input.n + 1), 0, piece, some);
        break;
    case 4:
        replace(at, some, other->bytes + from, below(other->n - from + 1));
        break;
    default:
        if (left > 0)
            input.bytes[at] ^= (uint8_t)(1u << below(8));
        break;
    }
}

/* A copy of its exact size, so that a sanitizer sees every byte past its end. */
static void run(void)
{
    uint8_t *copy = malloc(input.n > 0 ? input.n : 1);
    if (copy == NULL)
        bail_out("no memory");
    memcpy(copy, input.bytes, input.n);
    (void)LLVMFuzzerTestOneInput(copy, input.n);
    free(copy);
}

static size_t number(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    uint64_t n;
    return text != NULL && sv_to_u64(sv_from(text), &n) ? (size_t)n : otherwise;
}

int main(int argc, char **argv)
{
    (void)signal(SIGABRT, keep);
    for (int i = 1; i < argc; i++) {
        if (ok(read_file(argv[i], &input), "%s is read", argv[i]))
            run();
    }
    if (argc > 1)
        return done_testing();

    const char *top = getenv("top_srcdir");
    char dir[1024];
    (void)snprintf(dir, sizeof(dir), "%s/t/fuzz/corpus/%s", top != NULL ? top : ".", fuzz_name);
    read_corpus(dir);
    if (corpus_n == 0)
        return skip_all("there is no corpus here (top_srcdir says where the source is)");
    for (size_t i = 0; i < corpus_n; i++) {
        input = corpus[i];
        run();
    }
    ok(true, "%zu files of the corpus", corpus_n);
    size_t runs = number("FUZZ_RUNS", 100000);
    state = number("FUZZ_SEED", 1);
    for (size_t i = 0; i < runs; i++) {
        input = corpus[below(corpus_n)];
        for (size_t changes = 1 + below(8); changes > 0; changes--)
            mutate();
        run();
    }
    ok(true, "%zu mutations of them", runs);
    return done_testing();
}
