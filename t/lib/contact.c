/* SPDX-License-Identifier: MIT
 * Telephone numbers and e-mail addresses: t/lib/contact.data says of each message what a person who reads it would note down. Also: never past the
 * text's end, no longer than the text is, and values that are one as a whole. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/contact.h"
#include "t/tap.h"

enum { LINE_SIZE = 4096, ROWS_MIN = 260, TRAPS_MIN = 130 };

/* \n \r \t \\ and \xHH, in place. */
static size_t unescape(char *text)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0'; p++) {
        char c = *p;
        if (c == '\\' && p[1] == 'x' && sv_hex_digit(p[2]) >= 0 && sv_hex_digit(p[3]) >= 0) {
            c = (char)(sv_hex_digit(p[2]) * 16 + sv_hex_digit(p[3]));
            p += 3;
        } else if (c == '\\' && p[1] != '\0') {
            p++;
            c = *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p == 't' ? '\t' : *p;
        }
        text[n++] = c;
    }
    return n;
}

/* On a copy of its exact size, so that a sanitizer or valgrind sees every byte past the end. */
static bool find(const char *text, size_t n, struct contact *out)
{
    char *copy = malloc(n > 0 ? n : 1);
    if (copy == NULL)
        bail_out("no memory");
    memcpy(copy, text, n);
    bool found = contact_find((struct sv){ copy, n }, out);
    free(copy);
    return found;
}

static bool row(char *line, size_t number, bool *none)
{
    char *rest = NULL, *phone = strtok_r(line, "\t", &rest), *email = strtok_r(NULL, "\t", &rest);
    if (phone == NULL || email == NULL || rest == NULL || *rest == '\0')
        return false;
    char shown[LINE_SIZE];
    (void)snprintf(shown, sizeof(shown), "%s", rest);
    const char *want_phone = strcmp(phone, "-") == 0 ? "" : phone, *want_email = strcmp(email, "-") == 0 ? "" : email;
    struct contact got;
    bool found = find(rest, unescape(rest), &got);
    *none = *want_phone == '\0' && *want_email == '\0';
    is_str(got.phone, want_phone, "line %zu: phone of %s", number, shown);
    is_str(got.email, want_email, "line %zu: e-mail of %s", number, shown);
    if (found == *none)
        ok(false, "line %zu: says whether there is any", number);
    return true;
}

static void messages(void)
{
    const char *top = getenv("top_srcdir");
    char path[1024], line[LINE_SIZE];
    size_t number = 0, rows = 0, traps = 0, bad = 0;
    (void)snprintf(path, sizeof(path), "%s/t/lib/contact.data", top != NULL ? top : ".");
    FILE *in = fopen(path, "r");
    if (in == NULL)
        bail_out("%s is not there (top_srcdir says where the source is)", path);
    while (fgets(line, sizeof(line), in) != NULL) {
        bool none = false;
        number++;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#')
            continue;
        bad += !row(line, number, &none);
        rows++;
        traps += none;
    }
    (void)fclose(in);
    is_int(bad, 0, "every line is a row");
    ok(rows >= ROWS_MIN && traps >= TRAPS_MIN, "%zu messages, %zu of them with nothing", rows, traps);
}

/* Every prefix of every kind of text: cut in a character, a group, an address. */
static void cut_anywhere(void)
{
    static const char text[] = "\xE2\x80\xAAsđt: +84 (0)91 234 56 78, \xEF\xBC\x90９１２ mã đơn là +1 (415) 555-2671 "
                               "vnđ https://x.vn/0912345678 a.b@c-d.vn…";
    struct contact got;
    bool good = true;
    for (size_t from = 0; from < sizeof(text); from++)
        for (size_t n = 0; n < sizeof(text) - from; n++)
            good = (find(text + from, n, &got) == (got.phone[0] != '\0' || got.email[0] != '\0')) && good;
    ok(good, "any part of a text");
    ok(!contact_find(SV_NONE, &got) && got.phone[0] == '\0' && got.email[0] == '\0', "no text has none");
}

static void as_a_whole(void)
{
    static const struct {
        const char *text, *phone;
    } phones[] = {
        { "0912345678", "+84912345678" },
        { " 0912 345 678\t", "+84912345678" },
        { "+84 (0)912.345.678", "+84912345678" },
        { "(+84) 912 345 678", "+84912345678" },
        { "(+84912345678)", "+84912345678" },
        { "\xE2\x80\xAA+84912345678\xE2\x80\xAC", "+84912345678" },
        { "０９１２３４５６７８", "+84912345678" },
        { "84912345678", "+84912345678" },
        { "0162 345 6789", "+84323456789" },
        { "(028) 3822 1234", "+842838221234" },
        { "+14155552671", "+14155552671" },
        { "0912345678 0987654321", "" },
        { "0912345678/0987654321", "" },
        { "sdt 0912345678", "" },
        { "0912345678 nha", "" },
        { "a0912345678", "" },
        { "0912345678a", "" },
        { "-0912345678", "" },
        { "+", "" },
        { "+84", "" },
        { "0912\n345\n678", "" },
        { "912345678", "" },
        { "09123456789", "" },
        { "19001234", "" },
        { "1800 1060", "" },
        { "+84 1900 1234", "" },
        { "0", "" },
        { "", "" },
        { " ", "" },
        { "lan@gmail.com", "" },
        { "\xFF", "" },
    };
    static const struct {
        const char *text, *email;
    } emails[] = {
        { "Lan.A+x@Gmail.COM", "Lan.A+x@gmail.com" },
        { "\tlan@gmail.com ", "lan@gmail.com" },
        { "a!#$%&'*+-/=?^_`{|}~b@x.vn", "a!#$%&'*+-/=?^_`{|}~b@x.vn" },
        { "a@b.c-d.ef", "a@b.c-d.ef" },
        { "lan@gmail.com.", "" },
        { "lan@gmail.com x", "" },
        { "<lan@gmail.com>", "" },
        { "Lan <lan@gmail.com>", "" },
        { "a..b@gmail.com", "" },
        { ".a@gmail.com", "" },
        { "a.@gmail.com", "" },
        { "a@gmail..com", "" },
        { "a@.gmail.com", "" },
        { "a@b@c.com", "" },
        { "a@gmail", "" },
        { "a@gmail.c", "" },
        { "a@gmail.c0", "" },
        { "a@-x.vn", "" },
        { "a@x-.vn", "" },
        { "a@x_y.vn", "" },
        { "\xC3\xA1@x.vn", "" },
        { "\"a b\"@x.vn", "" },
        { "a@[127.0.0.1]", "" },
        { "@x.vn", "" },
        { "a@", "" },
        { "@", "" },
        { "", "" },
        { "0912345678", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(phones); i++) {
        char got[CONTACT_PHONE_SIZE] = "x";
        is_int(contact_phone(sv_from(phones[i].text), got), phones[i].phone[0] != '\0', "phone row %zu", i);
        is_str(got, phones[i].phone, "  its number");
    }
    for (size_t i = 0; i < ARRAY_LEN(emails); i++) {
        char got[CONTACT_EMAIL_SIZE] = "x";
        is_int(contact_email(sv_from(emails[i].text), got), emails[i].email[0] != '\0', "e-mail row %zu", i);
        is_str(got, emails[i].email, "  its address");
    }
    char phone[CONTACT_PHONE_SIZE] = "x", email[CONTACT_EMAIL_SIZE] = "x";
    ok(!contact_phone(SV_NONE, phone) && phone[0] == '\0' && !contact_email(SV_NONE, email) && email[0] == '\0',
       "nothing is none");
}

/* local@ and labels of 63, so that all is `n` long. */
static bool whole(size_t n, char *got)
{
    char text[400];
    size_t at = 0;
    memset(text, 'a', sizeof(text));
    text[at = 64] = '@';
    while (at + 64 < n - 4)
        text[at += 64] = '.';
    text[n - 4] = '.';
    return contact_email((struct sv){ text, n }, got);
}

static void longest(void)
{
    char got[CONTACT_EMAIL_SIZE];
    ok(whole(254, got) && strlen(got) == 254, "an address of 254 bytes");
    ok(!whole(255, got) && got[0] == '\0', "not one of 255");
}

/* Time of the thread, the best of a few: what others do on the machine hardly counts. */
static double cost(struct sv text)
{
    double best = 1e9;
    struct contact got;
    for (int i = 0; i < 3; i++) {
        struct timespec from, to;
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        (void)contact_find(text, &got);
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        double took = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
        best = took < best ? took : best;
    }
    return best;
}

/* Eight times the text, so eight times the time; quadratic would be sixty-four times. */
static void grows_with_the_text(void)
{
    static const char *const pieces[] = {
        "9",
        "0",
        "@",
        "0912 ",
        "0 ",
        "0.",
        "84 ",
        "+",
        "+1",
        "(0)",
        " ",
        "\n",
        "a",
        "a@",
        "a.",
        ".",
        "-",
        "://",
        "www.",
        "\xE2\x80\x8B",
        "0\xE2\x80\x8B",
        "\xCC\x81",
        "\xFF",
        "\xE1\xBB",
        "đ",
        "0912345678 ",
        "0912345678/",
        "0912345678-",
        "stk 0912345678 ",
        "a@b.vn ",
        "0912345678a",
        "mã đơn ",
        "+6591234567.",
        "x0912345678@",
        "０",
    };
    enum { LARGE = 1 << 20, TIMES = 8 };
    char *text = malloc(LARGE);
    if (text == NULL)
        bail_out("no memory");
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t n = strlen(pieces[i]);
        for (size_t k = 0; k < LARGE; k++)
            text[k] = pieces[i][k % n];
        double small = cost((struct sv){ text, LARGE / TIMES }), large = cost((struct sv){ text, LARGE });
        if (!ok(large < small * TIMES * 3 + 0.002, "1 MiB of piece %zu takes about %d times as long as an eighth", i,
                TIMES))
            diag("%.6f s, %.6f s", small, large);
    }
    free(text);
}

int main(void)
{
    messages();
    cut_anywhere();
    as_a_whole();
    longest();
    grows_with_the_text();
    return done_testing();
}
