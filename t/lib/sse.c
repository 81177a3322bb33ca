/* SPDX-License-Identifier: MIT
 * Tests of src/lib/sse.c: each stream as a whole, cut in two at every byte, cut in three at every two, and byte by byte; what comes out is the same. */
#include "config.h"

#include <stdlib.h>

#include "lib/sse.h"
#include "t/tap.h"

struct heard {
    struct buf text; /* "event|data" and an empty line of each; a LF inside is written as ~ */
    int left;        /* events until fn says false; negative: never */
    int times;
};

static void write_down(struct buf *b, struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        buf_addc(b, (char)(s.p[i] == '\n' ? '~' : s.p[i] == '\0' ? '0' : s.p[i]));
}

static bool hear(void *arg, struct sv event, struct sv data)
{
    struct heard *h = arg;
    h->times++;
    write_down(&h->text, event.p != NULL ? event : SV("-"));
    buf_addc(&h->text, '|');
    write_down(&h->text, data.p != NULL ? data : SV("absent"));
    buf_addc(&h->text, '\n');
    return h->left < 0 || --h->left > 0;
}

/* In its own memory, so that a read behind a piece is found. */
static int add(struct sse *s, struct sv piece, struct heard *h)
{
    char *copy = malloc(piece.n > 0 ? piece.n : 1);
    if (copy == NULL)
        bail_out("memory");
    if (piece.n > 0)
        memcpy(copy, piece.p, piece.n);
    int rc = sse_add(s, (struct sv){ copy, piece.n }, hear, h);
    free(copy);
    return rc;
}

/* The stream cut behind a and b bytes (step 0), or into pieces of `step`. What sse_end said; -2: an sse_add said -1, and so did all behind it;
 * -3: not all behind it. */
static int read_stream(struct sv in, size_t a, size_t b, size_t step, size_t max, struct heard *h)
{
    struct sse s = { .max = max };
    int rc = 0;
    bool same = true;
    size_t cuts[] = { a, b, in.n }, from = 0;
    for (size_t i = 0; step == 0 && i < 3; from = cuts[i++]) {
        int next = add(&s, (struct sv){ in.p + from, cuts[i] - from }, h);
        same = same && (rc == 0 || next == rc);
        rc = next;
    }
    for (; step > 0 && from < in.n; from += step) {
        int next = add(&s, (struct sv){ in.p + from, in.n - from < step ? in.n - from : step }, h);
        same = same && (rc == 0 || next == rc);
        rc = next;
    }
    int last = sse_end(&s, hear, h);
    same = same && (rc == 0 || last == rc);
    sse_fini(&s);
    return !same ? -3 : rc != 0 ? -2 : last;
}

struct stream {
    const char *name;
    struct sv in;
    const char *out;
    int rc;     /* as read_stream says it */
    size_t max; /* 0: the usual one */
    int left;   /* 0: never false */
};

static const struct stream streams[] = {
    { "nothing", SV(""), .out = "" },
    { "LF", SV("data: a\n\ndata: b\n\n"), .out = "-|a\n-|b\n" },
    { "CRLF", SV("data: a\r\n\r\ndata: b\r\n\r\n"), .out = "-|a\n-|b\n" },
    { "CR", SV("data: a\r\rdata: b\r\r"), .out = "-|a\n-|b\n" },
    { "all three", SV("data: a\r\n\ndata: b\n\rdata: c\r\r\ndata: d\n\r\n"), .out = "-|a\n-|b\n-|c\n-|d\n" },
    { "LF before CR is two lines", SV("data: a\n\rdata: b"), .out = "-|a\n-|b\n" },
    { "BOM",
      SV("\xef\xbb\xbf"
         "data: a\n\n"),
      .out = "-|a\n" },
    { "BOM before an empty line",
      SV("\xef\xbb\xbf\n"
         "data: a\n\n"),
      .out = "-|a\n" },
    { "BOM alone", SV("\xef\xbb\xbf"), .out = "" },
    { "half a BOM",
      SV("\xef\xbb"
         "data: a\n\ndata: b\n\n"),
      .out = "-|b\n" },
    { "a second BOM belongs to the name",
      SV("\xef\xbb\xbf\xef\xbb\xbf"
         "data: a\n\ndata: b\n\n"),
      .out = "-|b\n" },
    { "BOM later",
      SV("data: a\n\n\xef\xbb\xbf"
         "data: b\n\n"),
      .out = "-|a\n" },
    { "BOM behind an empty line",
      SV("\n\xef\xbb\xbf"
         "data: b\n\n"),
      .out = "" },
    { "UTF-8", SV("data: \xc3\xa1\xe2\x82\xac\xf0\x9f\x98\x80 \xe1\xbb\x87\r\n\r\n"),
      .out = "-|\xc3\xa1\xe2\x82\xac\xf0\x9f\x98\x80 \xe1\xbb\x87\n" },
    { "comments", SV(": hello\n:\n\n:data: x\ndata: a\n: in between\ndata: b\n\n: bye\n\n"), .out = "-|a~b\n" },
    { "lines joined", SV("data: a\ndata: b\ndata:\ndata\ndata: c\n\n"), .out = "-|a~b~~~c\n" },
    { "empty data is data", SV("data\n\ndata:\n\ndata: \n\n"), .out = "-|\n-|\n-|\n" },
    { "two empty lines of data", SV("data\ndata\n\n"), .out = "-|~\n" },
    { "one blank is taken off", SV("data:a\n\ndata: a\n\ndata:  a\n\ndata:\ta\n\ndata: a \n\n"),
      .out = "-|a\n-|a\n-| a\n-|\ta\n-|a \n" },
    { "colons in a value", SV("data: {\"a\":\"b:c\"}\n\ndata::\n\n"), .out = "-|{\"a\":\"b:c\"}\n-|:\n" },
    { "names", SV("event: x\ndata: a\n\ndata: b\n\n"), .out = "x|a\n-|b\n" },
    { "a name behind the data", SV("data: a\nevent: x\n\n"), .out = "x|a\n" },
    { "the last name counts", SV("event: x\nevent: y\ndata: a\n\nevent: x\nevent\ndata: a\n\n"), .out = "y|a\n-|a\n" },
    { "a name alone is no event", SV("event: x\n\ndata: a\n\n"), .out = "-|a\n" },
    { "id, retry and others",
      SV("id: 7\nretry: 10\nfoo: bar\nbar\nDATA: no\n data: no\ndatax: no\ndata: a\n\nid: 8\n\n"), .out = "-|a\n" },
    { "a NUL is a byte", SV("data: a\0b\n\nid: \0\n\n"), .out = "-|a0b\n" },
    { "without the last empty line", SV("data: a\n\nevent: x\ndata: b\n"), .out = "-|a\nx|b\n" },
    { "without the last line's end", SV("data: a\n\ndata: b\ndata: c"), .out = "-|a\n-|b~c\n" },
    { "ends in half a CRLF", SV("data: a\r\n\r"), .out = "-|a\n" },
    { "ends in CRLF", SV("data: a\r\n"), .out = "-|a\n" },
    { "ends in a field's name", SV("data: a\ndat"), .out = "-|a\n" },
    { "ends in an empty data line", SV("data"), .out = "-|\n" },
    { "ends in a comment", SV("data: a\n\n: bye"), .out = "-|a\n" },
    { "many empty lines", SV("\n\n\r\n\r\r\n\ndata: a\n\n\n\n"), .out = "-|a\n" },
    { "a service's stream", SV(": OPENROUTER PROCESSING\n\ndata: {\"x\":1}\n\ndata: {\"x\":2}\n\ndata: [DONE]\n\n"),
      .out = "-|{\"x\":1}\n-|{\"x\":2}\n-|[DONE]\n" },
    { "a line as long as may be", SV("data: 1234\n\n"), .out = "-|1234\n", .max = 10 },
    { "a line too long", SV("data: a\n\ndata: 12345\n\ndata: b\n\n"), .out = "-|a\n", .rc = -2, .max = 10 },
    { "a comment too long", SV("data: a\n\n:1234567890\n\ndata: b\n\n"), .out = "-|a\n", .rc = -2, .max = 10 },
    { "no end, too long", SV("data: a\n\n12345678901"), .out = "-|a\n", .rc = -2, .max = 10 },
    { "a BOM is part of the line",
      SV("\xef\xbb\xbf"
         "data:123\n\n"),
      .out = "", .rc = -2, .max = 10 },
    { "data as long as may be", SV("data:1234\ndata:56789\n\n"), .out = "-|1234~56789\n", .max = 10 },
    { "data too long", SV("data:1234\ndata:56789\ndata\n\ndata:a\n\n"), .out = "", .rc = -2, .max = 10 },
    { "data too long by an LF", SV("data:12345\ndata:1234\ndata\n\n"), .out = "", .rc = -2, .max = 10 },
    { "enough", SV("data: a\n\ndata: b\n\ndata: c\n\n"), .out = "-|a\n-|b\n", .rc = -2, .left = 2 },
    { "enough at once", SV("data: a\r\n\r\ndata: b\r\n\r\n"), .out = "-|a\n", .rc = -2, .left = 1 },
    { "enough at the end", SV("data: a\n\ndata: b"), .out = "-|a\n-|b\n", .rc = -1, .left = 2 },
    { "enough at a line's end", SV("data: a\n\ndata: b\n"), .out = "-|a\n-|b\n", .rc = -1, .left = 2 },
};

static bool is_same(const struct stream *x, size_t a, size_t b, size_t step)
{
    struct heard h = { .left = x->left > 0 ? x->left : -1 };
    int rc = read_stream(x->in, a, b, step, x->max, &h);
    bool good = rc == x->rc && sv_eq(buf_sv(&h.text), sv_from(x->out));
    if (!good)
        diag("%s, cut at %zu and %zu, step %zu: %d, \"%.*s\"", x->name, a, b, step, rc, SV_FMT(buf_sv(&h.text)));
    buf_fini(&h.text);
    return good;
}

static void test_cuts(void)
{
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        const struct stream *x = &streams[i];
        bool good = true;
        for (size_t a = 0; a <= x->in.n && good; a++)
            for (size_t b = a; b <= x->in.n && good; b++)
                good = is_same(x, a, b, 0);
        for (size_t step = 1; step <= x->in.n && good; step++)
            good = is_same(x, 0, 0, step);
        ok(good, "%s", x->name);
    }
}

/* One MiB is the usual limit, of a line and of an event. */
static void test_usual_max(void)
{
    enum { MIB = 1024 * 1024 };
    struct buf in = { 0 };
    for (int over = 0; over < 2; over++) {
        struct heard h = { .left = -1 };
        struct sse s = { 0 };
        buf_clear(&in);
        buf_add(&in, SV("data:"));
        while (in.n < (size_t)(MIB + over))
            buf_addc(&in, 'x');
        buf_add(&in, SV("\ndata:12\n\n"));
        int rc = sse_add(&s, buf_sv(&in), hear, &h);
        is_int(rc, over ? -1 : 0, "a line of 1 MiB and %d bytes", over);
        is_int(h.times, !over, "events");
        sse_fini(&s);
        buf_fini(&h.text);
    }
    buf_fini(&in);
}

/* A new stream in the same memory. */
static void test_again(void)
{
    struct heard h = { .left = -1 };
    struct sse s = { 0 };
    for (int i = 0; i < 2; i++) {
        is_int(add(&s,
                   SV("\xef\xbb\xbf"
                      "data: a\n\ndata: b"),
                   &h),
               0, "added");
        is_int(sse_end(&s, hear, &h), 0, "ended");
        is_int(sse_end(&s, hear, &h), 0, "ended again: nothing is left");
        sse_fini(&s);
        s = (struct sse){ 0 };
    }
    is_sv(buf_sv(&h.text), SV("-|a\n-|b\n-|a\n-|b\n"), "both streams");
    buf_fini(&h.text);
}

int main(void)
{
    test_cuts();
    test_usual_max();
    test_again();
    return done_testing();
}
