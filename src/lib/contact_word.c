/* SPDX-License-Identifier: MIT
 * What the words around a number say of it: "sdt" before it names a telephone, "stk" an account, "vnd" behind it makes it an amount. Words are
 * compared without case; without diacritics or with all of them, so that "ma" and "mã" are the same word, and "mà" is another. */
#include "config.h"

#include "lib/contact_parts.h"

enum {
    WORDS_MAX = 10,     /* that are looked at */
    WORDS_REACH = 7,    /* words between a trap and its number */
    PHRASE_MAX = 3,     /* words of one */
    TEXT_MAX = 12,      /* letters of a word; what is longer is no word here */
    CONTEXT_MAX = 200,  /* bytes */
    LETTERS_MAX = 40,   /* glyphs of a word that touches a number */
    CODE_MAX = 5        /* capitals */
};

/* A token; of what stands between words, only that which matters is kept. */
struct word {
    char text[TEXT_MAX + 1];
    uint8_t n, digits;
    uint16_t marks;
    char sign; /* instead of letters: ',' an end, '.' a point, ':' or '\n'; '\0': letters or digits */
};

struct phrase {
    const char *text; /* small letters, with diacritics, composed */
    enum word_kind kind;
};

static const struct phrase phrases[] = {
    { "sđt", WORD_PHONE }, { "đt", WORD_PHONE }, { "điện thoại", WORD_PHONE }, { "đthoại", WORD_PHONE }, { "dthoai", WORD_PHONE },
    { "tel", WORD_PHONE }, { "telephone", WORD_PHONE }, { "phone", WORD_PHONE }, { "fone", WORD_PHONE }, { "fon", WORD_PHONE }, { "mobile", WORD_PHONE },
    { "cell", WORD_PHONE }, { "cellphone", WORD_PHONE }, { "call", WORD_PHONE }, { "gọi", WORD_PHONE }, { "alo", WORD_PHONE },
    { "zalo", WORD_PHONE }, { "zl", WORD_PHONE }, { "viber", WORD_PHONE }, { "whatsapp", WORD_PHONE }, { "momo", WORD_PHONE }, { "telegram", WORD_PHONE },
    { "hotline", WORD_PHONE }, { "liên hệ", WORD_PHONE }, { "lh", WORD_PHONE }, { "contact", WORD_PHONE }, { "sim", WORD_PHONE }, { "sms", WORD_PHONE },
    { "nhắn tin", WORD_PHONE }, { "số máy", WORD_PHONE }, { "di động", WORD_PHONE }, { "máy bàn", WORD_PHONE },

    { "stk", WORD_TRAP }, { "số tài khoản", WORD_TRAP }, { "số tk", WORD_TRAP }, { "account", WORD_TRAP }, { "acct", WORD_TRAP }, { "iban", WORD_TRAP },
    { "cccd", WORD_TRAP }, { "cmnd", WORD_TRAP }, { "cmt", WORD_TRAP }, { "căn cước", WORD_TRAP }, { "chứng minh", WORD_TRAP }, { "hộ chiếu", WORD_TRAP },
    { "passport", WORD_TRAP }, { "mst", WORD_TRAP }, { "mã số", WORD_TRAP }, { "mã số thuế", WORD_TRAP }, { "tax code", WORD_TRAP }, { "tax id", WORD_TRAP },
    { "bhxh", WORD_TRAP }, { "bhyt", WORD_TRAP }, { "otp", WORD_TRAP }, { "mã đơn", WORD_TRAP }, { "mã đơn hàng", WORD_TRAP }, { "mã vận đơn", WORD_TRAP },
    { "vận đơn", WORD_TRAP }, { "mvđ", WORD_TRAP }, { "tracking", WORD_TRAP }, { "order id", WORD_TRAP }, { "mã giao dịch", WORD_TRAP },
    { "transaction", WORD_TRAP }, { "imei", WORD_TRAP }, { "số hợp đồng", WORD_TRAP }, { "mã kh", WORD_TRAP }, { "mã khách hàng", WORD_TRAP },
    { "số lượng", WORD_TRAP }, { "số hóa đơn", WORD_TRAP }, { "số serial", WORD_TRAP }, { "serial", WORD_TRAP }, { "seri", WORD_TRAP },

    { "tài khoản", WORD_NEAR_TRAP }, { "tk", WORD_NEAR_TRAP }, { "acc", WORD_NEAR_TRAP }, { "đơn", WORD_NEAR_TRAP }, { "đơn hàng", WORD_NEAR_TRAP },
    { "đh", WORD_NEAR_TRAP }, { "order", WORD_NEAR_TRAP }, { "orders", WORD_NEAR_TRAP }, { "po", WORD_NEAR_TRAP }, { "mã", WORD_NEAR_TRAP },
    { "mã sp", WORD_NEAR_TRAP }, { "mã hàng", WORD_NEAR_TRAP }, { "mã sản phẩm", WORD_NEAR_TRAP }, { "mã giảm giá", WORD_NEAR_TRAP },
    { "code", WORD_NEAR_TRAP }, { "id", WORD_NEAR_TRAP }, { "invoice", WORD_NEAR_TRAP }, { "bill", WORD_NEAR_TRAP }, { "hóa đơn", WORD_NEAR_TRAP },
    { "hợp đồng", WORD_NEAR_TRAP }, { "hđ", WORD_NEAR_TRAP }, { "giao dịch", WORD_NEAR_TRAP }, { "ref", WORD_NEAR_TRAP }, { "reference", WORD_NEAR_TRAP },
    { "booking", WORD_NEAR_TRAP }, { "ticket", WORD_NEAR_TRAP }, { "case", WORD_NEAR_TRAP }, { "sku", WORD_NEAR_TRAP }, { "barcode", WORD_NEAR_TRAP },
    { "voucher", WORD_NEAR_TRAP }, { "coupon", WORD_NEAR_TRAP }, { "pin", WORD_NEAR_TRAP }, { "password", WORD_NEAR_TRAP }, { "mật khẩu", WORD_NEAR_TRAP },
    { "fax", WORD_NEAR_TRAP }, { "ngân hàng", WORD_NEAR_TRAP }, { "bank", WORD_NEAR_TRAP }, { "vcb", WORD_NEAR_TRAP }, { "vietcombank", WORD_NEAR_TRAP },
    { "mb", WORD_NEAR_TRAP }, { "mbbank", WORD_NEAR_TRAP }, { "tcb", WORD_NEAR_TRAP }, { "techcombank", WORD_NEAR_TRAP }, { "acb", WORD_NEAR_TRAP },
    { "bidv", WORD_NEAR_TRAP }, { "vietinbank", WORD_NEAR_TRAP }, { "agribank", WORD_NEAR_TRAP }, { "tpbank", WORD_NEAR_TRAP },
    { "vpbank", WORD_NEAR_TRAP }, { "sacombank", WORD_NEAR_TRAP }, { "stb", WORD_NEAR_TRAP },

    { "là", WORD_FILLER }, { "is", WORD_FILLER }, { "my", WORD_FILLER }, { "the", WORD_FILLER }, { "em", WORD_FILLER }, { "e", WORD_FILLER },
    { "mình", WORD_FILLER }, { "mk", WORD_FILLER }, { "m", WORD_FILLER }, { "tôi", WORD_FILLER }, { "tui", WORD_FILLER }, { "anh", WORD_FILLER },
    { "a", WORD_FILLER }, { "chị", WORD_FILLER }, { "c", WORD_FILLER }, { "bạn", WORD_FILLER }, { "shop", WORD_FILLER },
    { "số", WORD_NUMBER }, { "number", WORD_NUMBER }, { "num", WORD_NUMBER }, { "no", WORD_NUMBER }, { "nr", WORD_NUMBER },
    { "của", WORD_TOWARDS }, { "cho", WORD_TOWARDS }, { "bằng", WORD_TOWARDS }, { "for", WORD_TOWARDS }, { "to", WORD_TOWARDS }, { "with", WORD_TOWARDS },
    { "under", WORD_TOWARDS }, { "from", WORD_TOWARDS }, { "by", WORD_TOWARDS },
};

/* Adds a character of a word; false: it is none of a word. */
static bool add(struct word *w, uint32_t c)
{
    struct letter l = contact_letter(c);
    uint16_t mark = contact_mark(c);
    if (contact_digit(c))
        w->digits = w->digits < 100 ? (uint8_t)(w->digits + 1) : w->digits;
    else if (mark != 0 || l.base != '\0')
        w->marks |= (uint16_t)(mark | l.marks);
    else
        return contact_unseen(c) && (w->n > 0 || w->digits > 0);
    if (l.base != '\0' && w->n <= TEXT_MAX) {
        if (w->n < TEXT_MAX)
            w->text[w->n] = l.base;
        w->n++;
    }
    return true;
}

static char sign_of(uint32_t c)
{
    if (contact_line_break(c))
        return '\n';
    if (c == ',' || c == ';' || c == '!' || c == '?')
        return ',';
    return c == '.' || c == ':' ? (char)c : '\0';
}

/* The last `max` tokens of the text from `from` to `to`; with `first`, the first ones. */
static size_t read_words(struct sv text, size_t from, size_t to, bool first, struct word *words, size_t max)
{
    struct word w = { 0 };
    size_t n = 0;
    text.n = to;
    for (size_t i = from; i <= to && !(first && n == max);) {
        struct glyph g = contact_at(text, i);
        bool inside = g.n > 0 && add(&w, g.c);
        i += g.n > 0 ? g.n : 1;
        char sign = sign_of(g.c);
        bool ended = !inside && (w.n > 0 || w.digits > 0);
        for (int k = 0; k < 2; k++) {
            if (k == 0 ? !ended : inside || sign == '\0')
                continue;
            if (n == max && first)
                break;
            if (n == max)
                memmove(words, words + 1, --n * sizeof(*words));
            words[n++] = k == 0 ? w : (struct word){ .sign = sign };
            w = (struct word){ 0 };
        }
    }
    return n;
}

/* Letters equal, and either no diacritics or those of the phrase. Moves on in the phrase. */
static bool is_next(const struct word *w, struct sv phrase, size_t *i)
{
    uint16_t marks = 0;
    size_t n = 0;
    while (*i < phrase.n && phrase.p[*i] != ' ') {
        struct glyph g = contact_at(phrase, *i);
        struct letter l = contact_letter(g.c);
        if (n >= w->n || n >= TEXT_MAX || w->text[n] != l.base)
            return false;
        marks |= l.marks;
        n++;
        *i += g.n;
    }
    *i += *i < phrase.n;
    return w->sign == '\0' && w->digits == 0 && n == w->n && (w->marks == 0 || w->marks == marks);
}

/* What the phrase of 1 to 3 words says that ends with words[last]; the longest counts. */
static enum word_kind kind_of(const struct word *words, size_t last)
{
    enum word_kind kind = WORD_OTHER;
    size_t longest = 0;
    for (size_t p = 0; p < sizeof(phrases) / sizeof(phrases[0]); p++) {
        struct sv phrase = sv_from(phrases[p].text);
        size_t n = 1, i = 0;
        for (size_t k = 0; k < phrase.n; k++)
            n += phrase.p[k] == ' ';
        if (n <= longest || n > PHRASE_MAX || n > last + 1)
            continue;
        size_t k = last + 1 - n;
        while (k <= last && is_next(&words[k], phrase, &i))
            k++;
        if (k > last) {
            longest = n;
            kind = phrases[p].kind;
        }
    }
    return kind;
}

static bool trap(enum word_kind kind)
{
    return kind == WORD_TRAP || kind == WORD_NEAR_TRAP;
}

/* From the number backwards. */
static bool named_before(const struct word *words, size_t n)
{
    bool near = true, only_number = true;
    size_t letters = 0;
    while (n > 0) {
        const struct word *w = &words[--n];
        if (w->sign == '\n' && letters == 0 && n > 0 && words[n - 1].sign == ':')
            continue;
        if (w->sign == ',' || w->sign == '\n' || (w->digits > 0 && (w->n > 0 || w->digits > 3)))
            return false;
        if (w->sign == ':')
            continue;
        if (w->sign == '.') {
            enum word_kind before = n > 0 ? kind_of(words, n - 1) : WORD_OTHER;
            if (before != WORD_NUMBER)
                return trap(before);
            continue;
        }
        enum word_kind kind = kind_of(words, n);
        if (kind == WORD_PHONE || (kind == WORD_TOWARDS && only_number))
            return false;
        if (kind == WORD_TRAP || (kind == WORD_NEAR_TRAP && near))
            return true;
        only_number = only_number && kind == WORD_NUMBER;
        near = near && (kind == WORD_FILLER || kind == WORD_NUMBER || kind == WORD_TOWARDS);
        if (++letters > WORDS_REACH)
            return false;
    }
    return false;
}

/* "0912345678 là mã đơn" */
static bool named_after(const struct word *words, size_t n)
{
    if (n == 0 || kind_of(words, 0) != WORD_FILLER || (strcmp(words[0].text, "la") != 0 && strcmp(words[0].text, "is") != 0))
        return false;
    for (size_t i = 1; i < n && words[i].sign == '\0'; i++) {
        enum word_kind kind = kind_of(words, i);
        if (kind == WORD_PHONE || trap(kind))
            return trap(kind);
    }
    return false;
}

bool contact_named_other(struct sv text, size_t begin, size_t end)
{
    struct word words[WORDS_MAX];
    size_t from = begin > CONTEXT_MAX ? begin - CONTEXT_MAX : 0;
    while (from > 0 && from < begin && contact_alnum(text.p[from])) /* half a word is none */
        from++;
    if (named_before(words, read_words(text, from, begin, false, words, WORDS_MAX)))
        return true;
    size_t to = text.n - end > CONTEXT_MAX / 2 ? end + CONTEXT_MAX / 2 : text.n;
    return named_after(words, read_words(text, end, to, true, words, PHRASE_MAX + 2));
}

struct spelled contact_word_before(struct sv text, size_t end)
{
    struct spelled s = { end, end, WORD_OTHER, true };
    struct word word[1];
    size_t n = 0;
    for (struct glyph g = contact_before(text, end); n <= LETTERS_MAX && (contact_letter(g.c).base != '\0' || contact_mark(g.c) != 0); n++) {
        s.begin -= g.n;
        s.code = s.code && g.c >= 'A' && g.c <= 'Z';
        g = contact_before(text, s.begin);
    }
    s.code = s.code && n <= CODE_MAX;
    if (n > 0 && n <= LETTERS_MAX && read_words(text, s.begin, end, true, word, 1) == 1)
        s.kind = kind_of(word, 0);
    return s;
}

static bool one_of(const struct word *w, const char *const *list)
{
    size_t i = 0;
    for (; *list != NULL; list++, i = 0)
        if (is_next(w, sv_from(*list), &i))
            return true;
    return false;
}

/* The letters or digits that begin at `i`; i moves behind them. */
static struct word word_at(struct sv text, size_t *i)
{
    struct word w = { 0 };
    size_t n = 0;
    for (struct glyph g = contact_at(text, *i); g.n > 0 && n < LETTERS_MAX && add(&w, g.c); n++) {
        *i += g.n;
        g = contact_at(text, *i);
    }
    return w;
}

/* Whether the rest is the local part of an address. */
static bool in_address(struct sv text, size_t i)
{
    size_t end = text.n - i > 64 ? i + 64 : text.n;
    while (i < end && (contact_alnum(text.p[i]) || text.p[i] == '.' || text.p[i] == '_' || text.p[i] == '-' || text.p[i] == '+'))
        i++;
    return i < text.n && text.p[i] == '@';
}

/* What stands behind the number and a blank: a currency, or an x for each digit that is not shown. */
static bool amount_or_mask(struct sv text, size_t i)
{
    static const char *const currencies[] = { "vnd", "vnđ", "đồng", "usd", "đ", NULL };
    struct glyph g = contact_at(text, i);
    if (g.c == 0x20AB || g.c == 0x20AC || g.c == '$' || g.c == '%')
        return true;
    struct word w = word_at(text, &i);
    g = contact_at(text, i);
    bool d = w.n == 1 && w.text[0] == 'd';
    if (one_of(&w, currencies) && (!d || (w.marks != 0 && g.c != '/' && g.c != '.' && g.c != ':')))
        return true;
    return w.digits == 0 && w.n > 1 && w.n <= TEXT_MAX && strspn(w.text, "x") == w.n;
}

static bool may_touch(struct sv text, size_t i, struct glyph g, bool starred)
{
    static const char *const particles[] = { "nha", "nhé", "nhe", "nhá", "nhen", "ạ", "zalo", NULL };
    static const char *const suffixes[] = { "com", "vn", "net", "org", "jpg", "jpeg", "png", "pdf", "html", "php", NULL };
    size_t next = i + g.n;
    struct glyph second = contact_at(text, next);
    struct word w;
    if (contact_letter(g.c).base != '\0' || contact_mark(g.c) != 0) {
        w = word_at(text, &i);
        return one_of(&w, particles) && (w.n > 1 || w.marks != 0);
    }
    if (g.c == '@' || (g.c == '_' && contact_letter(second.c).base == '\0') || g.c == '%' || g.c == '$' || g.c == 0xB0 || g.c == 0x20AB || g.c == 0x20AC || (g.c == '*' && !starred))
        return false;
    if (g.c == ':')
        return !contact_digit(second.c);
    w = word_at(text, &next);
    if (g.c == '/' && w.n == 0 && w.digits == 4 && (second.c == '1' || second.c == '2'))
        return false; /* a year */
    return g.c != '.' || !one_of(&w, suffixes);
}

bool contact_may_follow(struct sv text, size_t begin, size_t end)
{
    struct glyph g = contact_at(text, end);
    while (g.n > 0 && contact_unseen(g.c) && end - begin < CONTEXT_MAX) {
        end += g.n;
        g = contact_at(text, end);
    }
    if (g.n == 0)
        return true;
    if (in_address(text, end) || !may_touch(text, end, g, begin > 0 && text.p[begin - 1] == '*'))
        return false;
    return !contact_space(g.c) || contact_line_break(g.c) || !amount_or_mask(text, end + g.n);
}
