/* SPDX-License-Identifier: MIT
 * Which URLs are that of a call, and what their base is. */
#include "config.h"

#include "outside/openai_base.h"
#include "t/tap.h"

int main(void)
{
    static const struct {
        int line;
        const char *url, *base; /* NULL: it is a base itself */
    } table[] = {
        { __LINE__, "https://api.openai.com/v1", NULL },
        { __LINE__, "https://api.openai.com/v1/", NULL },
        { __LINE__, "https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1" },
        { __LINE__, "https://api.openai.com/v1/chat/completions//", "https://api.openai.com/v1" },
        { __LINE__, "https://api.openai.com/v1/Chat/Completions", "https://api.openai.com/v1" },
        { __LINE__, "https://api.openai.com/v1/completions", "https://api.openai.com/v1" },
        { __LINE__, "https://api.openai.com/v1//chat//completions", "https://api.openai.com/v1" },
        { __LINE__, "http://127.0.0.1:11434/chat/completions", "http://127.0.0.1:11434" },
        { __LINE__, "http://completions", NULL }, /* a host is no path */
        { __LINE__, "http://chat/completions", "http://chat" },
        { __LINE__, "http://a/v1/chat", NULL },
        { __LINE__, "http://a/chat/completions/v1", NULL },
        { __LINE__, "http://a/v1/chat-completions", NULL },
        { __LINE__, "http://a/v1/mycompletions", NULL },
        { __LINE__, "", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        is_sv(openai_base(sv_from(table[i].url)), table[i].base != NULL ? sv_from(table[i].base) : SV_NONE, "line %d", table[i].line);
    return done_testing();
}
