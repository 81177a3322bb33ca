/* SPDX-License-Identifier: MIT
 * Why something became of a message or a turn: one word each, the same in answers, marks, history items, the timeline and the log. What each
 * means and what can be done about it is in docs/reasons.md; a test compares the two lists. Whoever adds a reason adds it there. */
#ifndef TURN_REASON_H
#define TURN_REASON_H

/* it came in and something else takes care of it */
#define REASON_ACCEPTED "accepted"
#define REASON_PROCESSING "processing_in_progress"
#define REASON_DEFERRED "deferred"
#define REASON_WAITING "waiting"
#define REASON_RESPONDER_BUSY "responder_busy"
#define REASON_HANDED_OVER "handed_over"
#define REASON_HANDED_BACK "handed_back"
#define REASON_EARLIER_SEND_UNKNOWN "earlier_send_unknown"
#define REASON_NEWER_MESSAGES "newer_messages"
#define REASON_RESTART "restart"
#define REASON_JOB_QUEUED "job_queued"
#define REASON_REVIVED "revived"

/* it is recorded and nothing answers it */
#define REASON_AGENT_MESSAGE "agent_message"
#define REASON_OWN_MESSAGE "own_message"
#define REASON_SYSTEM_MESSAGE "system_message"
#define REASON_BOT_PAUSED "bot_paused"
#define REASON_BOT_DISABLED "bot_disabled"
#define REASON_ANSWERED_BY_PERSON "answered_by_person"
#define REASON_HISTORY "history"
#define REASON_SYNCED "synced"
#define REASON_FORGOTTEN "forgotten"
#define REASON_MESSAGE_REMOVED "message_removed"

/* how a turn ended */
#define REASON_ANSWERED "answered"
#define REASON_NO_ACTIONS "no_actions"
#define REASON_NOT_DELIVERED "not_delivered"
#define REASON_SUPERSEDED "superseded"
#define REASON_CANCELLED "cancelled"
#define REASON_ERASED "erased"
#define REASON_NO_EXECUTABLE_ACTION "no_executable_action"
#define REASON_PLATFORM_REFUSED "platform_refused"
#define REASON_OUTCOME_UNKNOWN "outcome_unknown"
#define REASON_OWNER_LOST "owner_lost"

/* why it is tried again, or was given up */
#define REASON_BOT_UNUSABLE "bot_unusable"
#define REASON_AI_UNREACHABLE "ai_unreachable"
#define REASON_AI_REFUSED "ai_refused"
#define REASON_AI_DENIED "ai_denied"
#define REASON_AI_INVALID_ANSWER "ai_invalid_answer"
#define REASON_AI_ANSWER_TOO_LARGE "ai_answer_too_large"
#define REASON_OUT_OF_MEMORY "responder_out_of_memory"
#define REASON_PLATFORM_UNREACHABLE "platform_unreachable"
#define REASON_AI_CIRCUIT_OPEN "ai_circuit_open"
#define REASON_PLATFORM_CIRCUIT_OPEN "platform_circuit_open"
#define REASON_PLATFORM_BUSY "platform_busy"
#define REASON_SEND_TOO_LATE "send_too_late"
#define REASON_OWNERS_LOST "owners_lost"

#endif
