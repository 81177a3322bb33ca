/* SPDX-License-Identifier: MIT
 * What reasoning models put before their answers, as their servers were seen to leave it there. */
#include "config.h"

#include "outside/thoughts.h"
#include "t/tap.h"

static const char *const names[] = {
    [THOUGHTS_NONE] = "none", [THOUGHTS_MAYBE] = "maybe", [THOUGHTS_OPEN] = "open", [THOUGHTS_OVER] = "over", [THOUGHTS_UNOPENED] = "unopened",
};

static const struct {
    const char *text;
    enum thoughts how;
    const char *said;
} rows[] = {
    { "", THOUGHTS_NONE, "" },
    { " ", THOUGHTS_NONE, " " },
    { "Hi", THOUGHTS_NONE, "Hi" },
    { " Hi\n", THOUGHTS_NONE, " Hi\n" },
    { "<think>a</think>Hi", THOUGHTS_OVER, "Hi" },
    { "<think>\nOkay.\n\nSo.\n</think>\n\nHi\n", THOUGHTS_OVER, "Hi\n" },
    { "\n <think></think> Hi", THOUGHTS_OVER, "Hi" },
    { "\xef\xbb\xbf<think>a</think>Hi", THOUGHTS_OVER, "Hi" },
    { " \xe2\x80\x8b\n\xef\xbb\xbf <think>a</think>\xe2\x80\x8b Hi", THOUGHTS_OVER, "Hi" },
    { "\xe2\x80\x8b<thi", THOUGHTS_MAYBE, "\xe2\x80\x8b<thi" },
    { "\xef\xbb\xbf", THOUGHTS_NONE, "\xef\xbb\xbf" },
    { "\xe2\x80\x8bHi", THOUGHTS_NONE, "\xe2\x80\x8bHi" },
    { "\xe2\x80\x8c<think>a</think>b", THOUGHTS_NONE, "\xe2\x80\x8c<think>a</think>b" },
    { "<think>a</think>", THOUGHTS_OVER, "" },
    { "<think>a</think>\n\n", THOUGHTS_OVER, "" },
    { "<think>\n\n</think>\n\n<think>b</think>\nHi", THOUGHTS_OVER, "Hi" },
    { "<think>a</think><think>b", THOUGHTS_OPEN, "" },
    { "<think>a</think> <thi", THOUGHTS_MAYBE, "<thi" },
    { "<think>a</think>Hi <think>b</think>", THOUGHTS_OVER, "Hi <think>b</think>" },
    { "<think>a</think>Hi</think>", THOUGHTS_OVER, "Hi</think>" },
    { "<think>a", THOUGHTS_OPEN, "" },
    { "<think>a</think", THOUGHTS_OPEN, "" },
    { "<think>a</thinking>b", THOUGHTS_OPEN, "" },
    { "<think>", THOUGHTS_OPEN, "" },
    { "<thinking>a</thinking>Hi", THOUGHTS_OVER, "Hi" },
    { "<thought>\na</thought>Hi", THOUGHTS_OVER, "Hi" },
    { "<reasoning>a</reasoning>Hi", THOUGHTS_OVER, "Hi" },
    { "<seed:think>a</seed:think>Hi", THOUGHTS_OVER, "Hi" },
    { "[THINK]a[/THINK]Hi", THOUGHTS_OVER, "Hi" },
    { "<", THOUGHTS_MAYBE, "<" },
    { "\n<thin", THOUGHTS_MAYBE, "\n<thin" },
    { "[THINK", THOUGHTS_MAYBE, "[THINK" },
    { "<3", THOUGHTS_NONE, "<3" },
    { "<thinks>", THOUGHTS_NONE, "<thinks>" },
    { "<Think>a</Think>b", THOUGHTS_NONE, "<Think>a</Think>b" },
    { "Okay.\n</think>\n\nHi", THOUGHTS_UNOPENED, "Hi" },
    { "Okay.</think>391", THOUGHTS_UNOPENED, "391" },
    { "</think>\n\nHi", THOUGHTS_UNOPENED, "Hi" },
    { "Okay.</think>", THOUGHTS_UNOPENED, "" },
    { "Okay.</thought>\nHi", THOUGHTS_UNOPENED, "Hi" },
    { "Okay.</thinking>Hi", THOUGHTS_NONE, "Okay.</thinking>Hi" },
    { "Okay.</thin", THOUGHTS_NONE, "Okay.</thin" },
    { "Okay.</think>Hi</think>!", THOUGHTS_UNOPENED, "Hi</think>!" },
    { "The tag `</think>` ends it", THOUGHTS_NONE, "The tag `</think>` ends it" },
    { "\"</think>\" and '</think>'", THOUGHTS_NONE, "\"</think>\" and '</think>'" },
    { "He wants `</think>`.\n</think>Hi", THOUGHTS_UNOPENED, "Hi" },
    { "A <think>b</think> c", THOUGHTS_NONE, "A <think>b</think> c" },
};

static const struct {
    const char *model;
    bool likely;
} models[] = {
    { "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", true }, { "Qwen/QwQ-32B", true }, { "qwen3:30b-a3b-thinking-2507", true }, { "LGAI-EXAONE/EXAONE-Deep-7.8B", true }, { "r1", true },
    { "Phi-4-reasoning", true }, { "gpt-4o-mini", false }, { "mock-1", false }, { "m", false }, { "", false }, { "llama3.1:8b", false }, { "thin", false },
};

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sv said;
        enum thoughts how = thoughts_in(sv_from(rows[i].text), &said);
        is_str(names[how], names[rows[i].how], "\"%s\"", rows[i].text);
        is_sv(said, sv_from(rows[i].said), "what is said of \"%s\"", rows[i].text);
    }
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        is_int(thoughts_are_likely(sv_from(models[i].model)), models[i].likely, "%s", models[i].model);
    return done_testing();
}
