/* SPDX-License-Identifier: MIT
 * The place of a reply in the platform's row. Where a platform takes so many calls a second and no more (platform_has_places), the AI's answer waits
 * for its moment in front of the gate: what comes meanwhile is seen there, and nothing that has become stale in the row is sent. During the wait all
 * is looked at as while the AI is asked.
 *
 *   answer ──platform_place──> TURN_PLACE ──its moment──> gate, send
 *                               │  │  ^
 *                               │  │  └──it is worth waiting──┐
 *                               │  └──something happened──> gate, interrupted ──> its end
 *                               └──no place within reach──> kept for later, nobody was asked */
#include "config.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/reason.h"
#include "turn/running.h"

#define MEMORY_RETRY_MS 5000 /* the AI is asked anew then, which costs money: not every second */

static bool needs_place(const struct turn *turn)
{
    const struct bot *bot = turn_bot(turn);
    return turn->reply.actions_n > 0 && bot->deliver && bot->platform != NULL && platform_has_places(bot->platform);
}

static void to_gate(struct turn *turn)
{
    (void)turn_came_back(turn);
    turn->placed = true;
    turn_gate(turn, false);
}

/* In TURN_PLACE; else a look at the gate is under way, and comes back to turn_place. */
static void wait(struct turn *turn)
{
    int64_t left_ms = turn->place_mono_ms - clock_mono_ms();
    if (turn->state != TURN_PLACE)
        return;
    if (turn->has_place && left_ms <= 0)
        to_gate(turn);
    else if (turn->hinted)
        turn_gate(turn, true);
    else if (turn->has_place)
        loop_timer_set(turn->place_timer, left_ms);
}

static void moment(void *arg)
{
    wait(arg);
}

static void kept(struct turn *turn, int64_t retry_after_ms, const char *reason)
{
    (void)turn_came_back(turn);
    turn->retry_after_ms = retry_after_ms > 0 ? retry_after_ms : 0;
    turn->not_asked = true;
    turn_ai_failed(turn, FAILURE_UNREACHABLE, reason);
}

static void placed(void *arg, const struct platform_place *place)
{
    struct turn *turn = arg;
    turn->place_call = NULL;
    if (place->outcome == PLATFORM_NO_PLACE) {
        kept(turn, place->retry_after_ms, platform_wait_ms(turn_bot(turn)->platform) > 0 ? REASON_PLATFORM_CIRCUIT_OPEN : REASON_PLATFORM_BUSY);
        return;
    }
    turn->has_place = true;
    turn->place_mono_ms = place->at_ms;
    wait(turn);
}

static bool ask(struct turn *turn)
{
    struct platform_request r;
    if (turn->place_timer == NULL)
        turn->place_timer = loop_timer_new(turn->t->o.loop, moment, turn);
    if (turn->place_timer == NULL)
        return false;
    turn_request(turn, &r);
    turn_goes_out(turn);
    turn->place_call = platform_place(turn_bot(turn)->platform, &r, placed, turn);
    return turn->place_call != NULL;
}

void turn_place(struct turn *turn)
{
    if (!needs_place(turn)) {
        to_gate(turn);
        return;
    }
    turn->state = TURN_PLACE;
    if (!turn->has_place && turn->place_call == NULL && !ask(turn)) {
        log_error("no memory for a reply's place at the platform; the turn is put back", "conversation_id", turn->id.p, NULL);
        kept(turn, MEMORY_RETRY_MS, REASON_OUT_OF_MEMORY);
        return;
    }
    wait(turn);
}
