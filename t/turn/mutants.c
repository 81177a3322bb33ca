/* SPDX-License-Identifier: MIT
 * Tests the tester: with one rule of the protocol broken, the simulation must notice within a bounded number of steps, from whatever
 * seed it starts. */
#include "config.h"

#include <inttypes.h>

#include "t/tap.h"
#include "t/turn/sim.h"

#define WORLD_STEPS 2500
#define STEPS_MAX 4000000
#define STARTS 3

static struct sim world; /* too large for a stack */

int main(void)
{
    for (int m = MUTANT_NONE + 1; m < MUTANT_N; m++) {
        uint64_t most = 0;
        bool caught = true;
        for (uint64_t start = 0; caught && start < STARTS; start++) {
            struct sim_counts counts = { 0 };
            uint64_t seed = start * 1000000 + 7;
            bool held = true;
            while (held && counts.steps < STEPS_MAX)
                held = sim_run(&world, seed++, WORLD_STEPS, (enum sim_mutant)m, &counts);
            caught = !held;
            most = counts.steps > most ? counts.steps : most;
        }
        ok(caught, "%s", sim_mutant_name((enum sim_mutant)m));
        if (caught)
            diag("  seen after at most %" PRIu64 " steps, at last as: %s", most, world.failure);
    }
    return done_testing();
}
