# SPDX-License-Identifier: MIT
# End-to-end tests, what they are made of, and what is built for them and for contrib/bench.
# The longest first: tests run several at once, and none of them should be left alone at the end.
E2E_TESTS = \
    t/e2e/96-pages-send.t \
    t/e2e/54-outage.t \
    t/e2e/60-admin.t \
    t/e2e/95-webhooks.t \
    t/e2e/74-job-watch.t \
    t/e2e/63-bursts.t \
    t/e2e/73-job-life.t \
    t/e2e/84-listeners.t \
    t/e2e/90-faults.t \
    t/e2e/72-callbacks.t \
    t/e2e/75-bots-in-turns.t \
    t/e2e/89-erasure.t \
    t/e2e/91-job-faults.t \
    t/e2e/99-pages-outage.t \
    t/e2e/97-pages-row.t \
    t/e2e/97-pages-sweep.t \
    t/e2e/53-lease.t \
    t/e2e/76-job-end.t \
    t/e2e/85-demo.t \
    t/e2e/98-pages-faults.t \
    t/e2e/52-crash.t \
    t/e2e/62-rolling.t \
    t/e2e/71-jobs.t \
    t/e2e/81-session-events.t \
    t/e2e/82-tasks.t \
    t/e2e/67-circuit.t \
    t/e2e/93-session-faults.t \
    t/e2e/64-cancel.t \
    t/e2e/80-sessions.t \
    t/e2e/51-burst.t \
    t/e2e/92-redis-outages.t \
    t/e2e/66-findings.t \
    t/e2e/57-policies.t \
    t/e2e/94-openai.t \
    t/e2e/61-admin-socket.t \
    t/e2e/83-websocket.t \
    t/e2e/88-chat-history.t \
    t/e2e/58-async.t \
    t/e2e/70-bots.t \
    t/e2e/65-scale.t \
    t/e2e/50-first-message.t \
    t/e2e/56-duplicates.t \
    t/e2e/68-reload.t \
    t/e2e/69-logs.t \
    t/e2e/86-jwt.t \
    t/e2e/94-pages-double.t \
    t/e2e/55-bad-input.t \
    t/e2e/87-rate.t \
    t/e2e/95-openai-cores.t
EXTRA_DIST += \
    t/lib/Stack.pm t/lib/Stack/Process.pm t/lib/Stack/Servers.pm t/lib/Stack/Client.pm t/lib/Stack/Events.pm t/lib/Stack/Fcgi.pm t/lib/Stack/Jobs.pm t/lib/Stack/ManyJobs.pm t/lib/Stack/Receiver.pm t/lib/Stack/Sessions.pm t/lib/Stack/History.pm t/lib/Stack/WebSocket.pm t/lib/Stack/Crowd.pm \
    t/lib/Stack/ChatMock.pm t/npm/fetch t/npm/README t/npm/package.json t/npm/package-lock.json t/lib/Stack/Pages.pm \
    t/lib/Browser.pm README.md contrib/quickstart contrib/check contrib/bench contrib/bench.pl contrib/common.sh contrib/packages .ci/run

# All that "make check" would run, built but not run.
.PHONY: check-programs
check-programs: $(check_LIBRARIES) $(check_PROGRAMS)

# What t/lib/Stack/Servers.pm keeps for all tests of a build.
clean-local:
	-rm -rf t/postgres-template t/postgres-template.new t/postgres-template.lock
