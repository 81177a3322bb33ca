/* SPDX-License-Identifier: MIT
 * Tests of src/turn/chat_export.c and queue_passed.c: all that was accepted is in it once, wherever it stands; who may; nothing comes that was not asked for. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "t/tap.h"
#include "t/turn/chat_rig.h"

static char file[64];

struct taking {
    struct chat_rig *c;
    struct chat_export *x;
    struct buf text; /* "session s1 message m1 ... end" */
    int pieces, status, stop_at; /* stop_at: that piece is the last one that is wanted; 0: all are */
    bool slow, waits; /* slow: the next piece is asked for later */
    char code[64];
};

static void take_line(struct taking *q, struct sv line)
{
    json_t *j = json_read(line, false, NULL);
    struct sv id = json_sv(j, "messageId").p != NULL ? json_sv(j, "messageId") : json_sv(j, "sessionId");

    if (j == NULL)
        bail_out("a line that is not JSON: %.*s", SV_FMT(line));
    buf_printf(&q->text, "%s%.*s%s%.*s", q->text.n > 0 ? " " : "", SV_FMT(json_sv(j, "type")), id.n > 0 ? " " : "", SV_FMT(id));
    if (json_sv(j, "aiResponse").n > 0)
        buf_printf(&q->text, "=%.*s", SV_FMT(json_sv(j, "aiResponse")));
    json_decref(j);
}

static void piece(void *arg, struct sv lines)
{
    struct taking *q = arg;

    if (q->waits || lines.n == 0 || lines.p[lines.n - 1] != '\n')
        bail_out("a piece that nobody asked for, or half a line");
    q->pieces++;
    while (lines.n > 0)
        take_line(q, sv_split(&lines, '\n'));
    q->waits = true;
    if (q->pieces == q->stop_at) {
        chat_export_stop(q->x);
        q->status = -1;
    } else if (!q->slow) {
        q->waits = false;
        chat_export_go(q->x);
    }
}

static void ended(void *arg, const struct control_answer *a)
{
    struct taking *q = arg;

    if (q->status != 0)
        bail_out("an end that nobody waits for");
    q->status = a->http_status;
    (void)snprintf(q->code, sizeof(q->code), "%s", a->code != NULL ? a->code : "");
}

/* What came. */
static const char *export(struct chat_rig *c, const char *by, const char *user, struct taking *q)
{
    static char text[4000];
    const struct chat_who who = chat_by(by);

    buf_fini(&q->text);
    *q = (struct taking){ .c = c, .stop_at = q->stop_at, .slow = q->slow };
    q->x = chat_export_new(c->r.turns, &who, sv_from(user), piece, ended, q);
    for (int i = 0; i < 20000 && q->status == 0; i++) {
        loop_turn(c->r.loop, false);
        if (q->slow && q->waits) {
            q->waits = false;
            chat_export_go(q->x);
        }
        if (i > 300)
            usleep(1000);
    }
    if (q->status == 0)
        bail_out("an export does not end");
    (void)snprintf(text, sizeof(text), "%.*s", SV_FMT(buf_sv(&q->text)));
    buf_fini(&q->text);
    return text;
}

static void all_of_it(void)
{
    struct chat_rig c;
    struct taking q = { 0 };
    struct asked a = { 0 };
    const char *const pairs[] = { "language", "vi", NULL };

    chat_open(&c, file, 0);
    is_str(export(&c, "u1", "u1", &q), "end", "who has nothing gets that");
    is_int(q.status, 200, "and its end");
    chat_say(&c, "u1", "s1", "m1", "one", clock_wall_ms());
    chat_say(&c, "u1", "s1", "m2", "two", clock_wall_ms());
    chat_say(&c, "u2", "s9", "m1", "another's", clock_wall_ms());
    chat_write_archive(&c);
    put_preferences(&c, "u1", "u1", pairs, &a);
    asked_forget(&a);
    is_str(export(&c, "u1", "u1", &q), "session s1 message m1=answer 1 message m2=answer 2 action m1 action m2 preference end", "what is archived");
    is_str(export(&c, NULL, "u1", &q), "session s1 message m1=answer 1 message m2=answer 2 action m1 action m2 preference end", "the same for an administrator");
    is_str(export(&c, "u2", "u1", &q), "", "nothing for another user");
    is_int(q.status, 403, "which is refused");
    c.r.ai.outcome = AI_UNREACHABLE;
    chat_say(&c, "u1", "s1", "m3", "waits", clock_wall_ms());
    chat_say(&c, "u1", "s2", "m1", "waits, too", clock_wall_ms());
    is_str(export(&c, "u1", "u1", &q), "session s1 message m1=answer 1 message m2=answer 2 action m1 action m2 message m3 session s2 message m1 preference end",
           "what waits for an answer is in it");
    q.slow = true;
    is_str(export(&c, "u1", "u1", &q), "session s1 message m1=answer 1 message m2=answer 2 action m1 action m2 message m3 session s2 message m1 preference end",
           "however slowly it is taken");
    ok(q.pieces > 2, "in %d pieces", q.pieces);
    q.slow = false;
    for (q.stop_at = 1; q.stop_at < 4; q.stop_at++) {
        (void)export(&c, "u1", "u1", &q);
        rig_settle(&c.r);
        is_int(q.pieces, q.stop_at, "nothing comes after it was stopped");
    }
    q.stop_at = 0;
    buf_fini(&q.text);
    c.gate.away = true;
    is_str(export(&c, "u1", "u1", &q), "", "nothing without the archive");
    is_str(q.code, "archive_unavailable", "which is said");
    chat_close(&c);
}

/* What has come to its end and not been written is waited for; and what is written while rows are read comes once. */
static void what_is_not_archived(void)
{
    struct chat_rig c;
    struct taking q = { 0 };

    clock_fake(clock_wall_ms());
    chat_open(&c, file, 0);
    chat_say(&c, "u3", "s3", "m1", "one", clock_wall_ms());
    for (int i = 0; i < 3; i++) {
        struct chat_who who = chat_by("u3");
        q = (struct taking){ .c = &c };
        q.x = chat_export_new(c.r.turns, &who, SV("u3"), piece, ended, &q);
        rig_settle(&c.r);
        is_int(q.status * 10 + q.pieces, 0, "it waits for the queue");
        if (i == 0)
            chat_export_stop(q.x);
        if (i == 2)
            chat_write_archive(&c);
        for (int k = 0; k < 300 && q.status == 0; k++) {
            clock_fake_move(100);
            rig_settle(&c.r);
            usleep(1000);
        }
        if (i == 1)
            is_str(q.code, "archive_behind", "which is not for ever");
        else
            is_int(q.status, i == 0 ? 0 : 200, i == 0 ? "nobody hears of it when it was stopped" : "when that is empty it begins");
        buf_fini(&q.text);
    }
    chat_close(&c);
    clock_real();
}

int main(void)
{
    log_threshold = LOG_ERROR;
    chat_file_make(file);
    all_of_it();
    what_is_not_archived();
    chat_file_remove(file);
    return done_testing();
}
