/* SPDX-License-Identifier: MIT
 * JSON as people see it. */
#include "config.h"

#include "daemon/table.h"
#include "t/tap.h"

static void shows(const char *json, const char *want, const char *what)
{
    struct buf b = { 0 };
    struct err e = { .text = "" };
    json_t *j = json_read(sv_from(json), true, &e);
    if (!ok(j != NULL, "%s: JSON %s", what, e.text))
        return;
    table_format(&b, j);
    is_str(b.p != NULL ? b.p : "", want, "%s", what);
    json_decref(j);
    buf_fini(&b);
}

/* A dead letter may hold 256 KiB; the ids beside it are to be seen all the same. */
static void long_cells(void)
{
    static const size_t sizes[] = { 299, 300, 301, 70000 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf json = { 0 }, want = { 0 };
        buf_add(&json, SV("[{\"item\":\""));
        buf_add(&want, SV("ITEM\n"));
        for (size_t k = 0; k < sizes[i]; k++) {
            buf_add(&json, SV("ệ"));
            buf_add(&want, k < 300 ? SV("ệ") : SV(""));
        }
        buf_add(&json, SV("\"}]"));
        buf_add(&want, sizes[i] > 300 ? SV("...\n") : SV("\n"));
        shows(buf_ok(&json) ? json.p : "", buf_ok(&want) ? want.p : "", "a cell among others has 300 characters at most");
        buf_fini(&json);
        buf_fini(&want);
    }
}

int main(void)
{
    long_cells();
    shows("[{\"a\":1,\"name\":\"x\"},{\"a\":12345,\"name\":\"yy\",\"more\":true}]",
          "A      NAME  MORE\n"
          "1      x     -\n"
          "12345  yy    yes\n",
          "rows are aligned, columns in the order of their coming");
    shows("[]", "(none)\n", "nothing");
    shows("{\"a\":1,\"longer\":\"x\",\"none\":null,\"no\":false,\"empty\":\"\",\"list\":[1,2],\"nothing\":[]}",
          "a        1\n"
          "longer   x\n"
          "none     -\n"
          "no       no\n"
          "empty    -\n"
          "list     1, 2\n"
          "nothing  -\n",
          "an object is a list of names and values");
    shows("{\"lease\":{\"owner\":\"o\",\"left\":{\"s\":1.5}},\"rows\":[{\"x\":1}]}",
          "lease.owner   o\n"
          "lease.left.s  1.5\n"
          "\n"
          "rows:\n"
          "X\n"
          "1\n",
          "what is nested");
    shows("{\"at\":1699123456.789,\"received_at\":1699123456,\"count_at\":5}",
          "at           2023-11-04T18:44:16.789Z\n"
          "received_at  2023-11-04T18:44:16.000Z\n"
          "count_at     5\n",
          "times are dates");
    shows("[{\"id\":\"a\\nOK\\u001b[2J\\u009b\"}]", "ID\na\\x0aOK\\x1b[2J\\u009b\n", "control characters stay inside their cell");
    shows("[{\"id\":\"Đặng\",\"n\":1},{\"id\":\"abcd\",\"n\":2}]", "ID    N\nĐặng  1\nabcd  2\n", "width counts characters, not bytes");
    shows("\"text\"", "text\n", "a bare value");
    shows("{}", "", "an empty object");
    shows("[1,{\"a\":2}]", "[1,{\"a\":2}]\n", "a mixed array is shown as it is");
    return done_testing();
}
