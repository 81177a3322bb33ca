/* SPDX-License-Identifier: MIT
 * Jobs: a turn that a client was told the id of leaves a row, once, the later decision wins, and it is told as the store would have told it. */
#include "config.h"

#include "t/archive/contract.h"

#define NAME r->name
#define JOB "{\"attempts\":2,\"created_at\":1760000000123,\"started_at\":1760000000456,\"bot_id\":\"b1\"," \
    "\"callback_urls\":[\"https://one.test/x\",\"https://two.test/y\"],\"error\":null}"
#define ROW "SELECT conversation_id, bot_id, status, attempts, consolidated_messages, callback_url, error, fence FROM jobs WHERE id = "

static void is_a_row(struct rig *r)
{
    struct sv items[] = {
        rig_turn_item(r, &(struct turn){ .conversation = "job", .turn = 0x700, .fence = 4, .messages = "j1 j2", .reply = "Tôi sẽ", .action = "proposed",
                                         .job = JOB }),
        rig_turn_item(r, &(struct turn){ .conversation = "job", .turn = 0x701, .fence = 5, .messages = "j3", .status = "failed",
                                         .job = "{\"attempts\":5,\"created_at\":1760000000000,\"started_at\":null,\"error\":\"the AI \\\"said\\\" no\"}" }),
        rig_turn_item(r, &(struct turn){ .conversation = "job", .turn = 0x702, .fence = 6, .messages = "j4", .status = "cancelled", .job = "{}" }),
        rig_turn_item(r, &(struct turn){ .conversation = "job", .turn = 0x703, .fence = 7, .messages = "j5", .status = "recorded", .job = "{}" }),
        rig_turn_item(r, &(struct turn){ .conversation = "job", .turn = 0x704, .fence = 8, .messages = "j6" }),
        rig_turn_item(r, &(struct turn){ .conversation = "job", .turn = 0x705, .fence = 9, .messages = "j7", .job = "null" }),
    };

    ok(rig_kept(r, items, ARRAY_LEN(items)) && rig_kept(r, items, ARRAY_LEN(items)), "%s: turns with jobs, twice", NAME);
    is_str(rig_query(r, ROW "'01890000-0000-7000-8000-000000000700'"), "job|b1|completed|2|2|https://one.test/x||4", "%s: a row", NAME);
    is_str(rig_query(r, ROW "'01890000-0000-7000-8000-000000000701'"), "job||failed|5|1||the AI \"said\" no|5", "%s: of one that failed", NAME);
    is_str(rig_query(r, "SELECT status FROM jobs WHERE conversation_id = 'job' ORDER BY id"), "completed\nfailed\ncancelled\ncompleted",
           "%s: turns without a job have none", NAME);
    struct sv job = rig_job(r, 0x700);
    has_str(job.p, "{\"job_id\":\"01890000-0000-7000-8000-000000000700\",\"conversation_id\":\"job\",\"status\":\"completed\","
                   "\"created_at\":1760000000.123,\"started_at\":1760000000.456,\"completed_at\":1760000005.000,\"attempts\":2,"
                   "\"consolidated_messages\":2,\"result\":{", "%s: is told", NAME);
    has_str(job.p, "Tôi sẽ", "%s: with its reply", NAME);
    has_str(job.p, "},\"error\":null}", "%s: and no error", NAME);
    is_sv(rig_job(r, 0x701), SV("{\"job_id\":\"01890000-0000-7000-8000-000000000701\",\"conversation_id\":\"job\",\"status\":\"failed\","
                                "\"created_at\":1760000000.000,\"started_at\":null,\"completed_at\":1760000005.000,\"attempts\":5,"
                                "\"consolidated_messages\":1,\"result\":null,\"error\":\"the AI \\\"said\\\" no\"}"), "%s: one that failed", NAME);
    has_str(rig_job(r, 0x702).p, "\"created_at\":1760000005.000", "%s: without a time it was made when it ended", NAME);
    is_sv(rig_job(r, 0x704), SV_NONE, "%s: of a turn that is no job nothing is known", NAME);
    const struct answer *w = rig_context(r, "job", 40);
    ok(w->n > 3 && strstr(w->entries[2].p, "Tôi sẽ") != NULL, "%s: what is handed to whoever asks counts as said", NAME);
}

static void later_decision_wins(struct rig *r)
{
    struct sv first = rig_turn_item(r, &(struct turn){ .conversation = "job2", .turn = 0x710, .status = "failed", .fence = 3, .messages = "j1",
                                                       .job = "{\"attempts\":5,\"error\":\"no\"}" });
    struct sv later = rig_turn_item(r, &(struct turn){ .conversation = "job2", .turn = 0x710, .fence = 8, .messages = "j1", .reply = "yes",
                                                       .action = "executed", .job = "{\"attempts\":6}" });
    struct sv other = rig_turn_item(r, &(struct turn){ .conversation = "job3", .turn = 0x710, .fence = 9, .messages = "j1", .job = "{\"attempts\":7}" });
    struct sv both[] = { later, first };

    ok(rig_kept(r, &first, 1), "%s: a job fails", NAME);
    has_str(rig_job(r, 0x710).p, "\"status\":\"failed\"", "%s: it has failed", NAME);
    ok(rig_kept(r, both, 2), "%s: it is revived and goes well; both decisions come again in one batch", NAME);
    is_str(rig_query(r, ROW "'01890000-0000-7000-8000-000000000710'"), "job2||completed|6|1|||8", "%s: the later one stands", NAME);
    ok(rig_kept(r, &first, 1), "%s: the first comes late", NAME);
    is_str(rig_query(r, ROW "'01890000-0000-7000-8000-000000000710'"), "job2||completed|6|1|||8", "%s: and changes nothing", NAME);
    ok(rig_kept(r, &other, 1), "%s: another conversation uses the same id", NAME);
    is_str(rig_query(r, ROW "'01890000-0000-7000-8000-000000000710'"), "job2||completed|6|1|||8", "%s: and does not get the job", NAME);
    (void)rig_query(r, "DELETE FROM conversations WHERE conversation_id = 'job2'");
    is_sv(rig_job(r, 0x710), SV_NONE, "%s: a job goes with its conversation", NAME);
}

static void asks_odd_things(struct rig *r)
{
    static const char *const ids[] = { "", "x", "01890000-0000-7000-8000-00000000070", "01890000-0000-7000-8000-0000000007000", "\xff" };
    struct answer w;

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        rig_start_job(r, r->a, &w, sv_from(ids[i]));
        rig_wait(r, &w);
        ok(w.status == ARCHIVE_DONE && w.outcome.p == NULL, "%s: an impossible id %zu is simply unknown", NAME, i);
    }
    rig_start_job(r, r->a, &w, SV_NONE);
    rig_wait(r, &w);
    ok(w.status == ARCHIVE_DONE && w.outcome.p == NULL, "%s: so is none", NAME);
    char upper[] = "01890000-0000-7000-8000-00000000070A";
    struct sv item = rig_turn_item(r, &(struct turn){ .conversation = "job4", .turn = 0x70a, .messages = "j1", .job = "{}" });
    ok(rig_kept(r, &item, 1), "%s: an id with letters", NAME);
    rig_start_job(r, r->a, &w, sv_from(upper));
    rig_wait(r, &w);
    ok(w.status == ARCHIVE_DONE && w.outcome.p != NULL, "%s: is found in upper case", NAME);
}

void jobs(struct rig *r)
{
    is_a_row(r);
    later_decision_wins(r);
    asks_odd_things(r);
}
