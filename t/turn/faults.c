/* SPDX-License-Identifier: MIT
 * Every call to the store fails once, before it did its work or after: the client is answered, the message too, exactly once. */
#include "config.h"

#include <unistd.h>

#include "t/tap.h"
#include "t/turn/rig.h"

#define CALLS_MAX 12 /* more than a message needs */

/* What its sender does: again until it is accepted. */
static int deliver(struct rig *r)
{
    struct rig_answer a;
    int status = 503;
    for (int i = 0; i < 5 && status == 503; i++) {
        rig_send(r, "c1", "m1", "one", "user", &a);
        if (!rig_until(r, &a))
            return 0;
        status = a.http_status;
        rig_forget(&a);
    }
    return status;
}

static void one_fault(unsigned n, bool after)
{
    struct policy p = rig_policy;
    struct rig r;
    p.lease_ttl_ms = 60; /* what a lost answer leaves behind is taken over soon */
    p.send_timeout_ms = 10;
    rig_open_failing(&r, &p, n, after);
    int status = deliver(&r);
    ok(status == 200 || status == 202, "call %u %s: the client is answered (%d)", n, after ? "lost after" : "lost before", status);
    for (int i = 0; i < 3000 && r.platform.sent == 0; i++) {
        rig_visit(&r, "c1");
        usleep(500);
    }
    is_int(r.platform.sent, 1, "call %u %s: one reply", n, after ? "lost after" : "lost before");
    bool ended = false;
    for (int i = 0; i < 400 && !ended; i++) {
        struct rig_answer again;
        rig_send(&r, "c1", "m1", "one", "user", &again);
        rig_until(&r, &again);
        ended = sv_eq(sv_from(rig_str(&again, "status")), SV("completed"));
        rig_forget(&again);
        rig_visit(&r, "c1");
        usleep(500);
    }
    ok(ended, "call %u %s: the outcome is known", n, after ? "lost after" : "lost before");
    is_int(r.platform.sent, 1, "call %u %s: still one reply", n, after ? "lost after" : "lost before");
    rig_close(&r);
}

int main(void)
{
    for (unsigned n = 1; n <= CALLS_MAX; n++) {
        one_fault(n, false);
        one_fault(n, true);
    }
    return done_testing();
}
