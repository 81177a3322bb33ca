/* SPDX-License-Identifier: MIT
 * Any bytes as what somebody writes (lib/contact.h). What is found has the form that the header promises, stands in the text, and is found again
 * when it is all that there is. t/fuzz/markup.c says how libFuzzer runs a target. */
#include "config.h"

#include "lib/contact.h"
#include "t/fuzz/fuzz.h"

const char fuzz_name[] = "contact";
const char *const fuzz_words[] = {
    "0912345678",
    "0912 345 678",
    "+84",
    "84",
    "0084",
    "+",
    "00",
    "(0)",
    "(",
    ")",
    "-",
    ".",
    " ",
    "\n",
    "/",
    "@",
    "a@b.vn",
    "..",
    "https://",
    "www.",
    "zalo.me/",
    "stk ",
    "m\xC3\xA3 ",
    "sdt ",
    "l\xC3\xA0 ",
    "xx",
    "*",
    "vnd",
    "\xE2\x80\x8B",
    "\xEF\xBC\x90",
    "\xCC\x81",
    "\xE1\xBB",
    "+1 415 555 2671",
    "09-12-2024 12",
    "02",
    "0162",
    NULL,
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static void look_at_phone(const char *phone)
{
    size_t n = strlen(phone);
    char again[CONTACT_PHONE_SIZE];
    must(n >= 9 && n < CONTACT_PHONE_SIZE && phone[0] == '+' && phone[1] != '0');
    for (size_t i = 1; i < n; i++)
        must(digit(phone[i]));
    must(strncmp(phone, "+84", 3) != 0 || (n == 12 && strchr("35789", phone[3]) != NULL) ||
         (n == 13 && phone[3] == '2'));
    must(contact_phone((struct sv){ phone, n }, again) && strcmp(phone, again) == 0);
}

static void look_at_email(const char *email, struct sv text)
{
    size_t n = strlen(email);
    char again[CONTACT_EMAIL_SIZE];
    bool there = false;
    must(n >= 6 && n < CONTACT_EMAIL_SIZE);
    must(contact_email((struct sv){ email, n }, again) && strcmp(email, again) == 0);
    for (size_t i = 0; i + n <= text.n && !there; i++)
        there = sv_eq_nocase((struct sv){ text.p + i, n }, (struct sv){ email, n });
    must(there);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = { (const char *)data, size };
    struct contact found, again;
    char phone[CONTACT_PHONE_SIZE], email[CONTACT_EMAIL_SIZE];
    bool any = contact_find(text, &found);
    must(any == (found.phone[0] != '\0' || found.email[0] != '\0'));
    must(contact_find(text, &again) == any && strcmp(found.phone, again.phone) == 0 &&
         strcmp(found.email, again.email) == 0);
    if (found.phone[0] != '\0')
        look_at_phone(found.phone);
    if (found.email[0] != '\0')
        look_at_email(found.email, text);
    must(contact_phone(text, phone) == (phone[0] != '\0'));
    must(contact_email(text, email) == (email[0] != '\0'));
    if (phone[0] != '\0')
        look_at_phone(phone);
    if (email[0] != '\0')
        look_at_email(email, text);
    return 0;
}
