/* SPDX-License-Identifier: MIT
 * Questions for the provider openai, and what services say to them, for a struct peer_step. */
#ifndef T_OUTSIDE_OPENAI_RIG_H
#define T_OUTSIDE_OPENAI_RIG_H

#include "t/outside/ai_rig.h"

#define HEAD(status, type) "HTTP/1.1 " status "\r\nContent-Type: " type "\r\n\r\n"
#define STREAM(body) { .answer = HEAD("200 OK", "text/event-stream; charset=utf-8") body, .then = PEER_CLOSE }
#define WHOLE(body) { .answer = HEAD("200 OK", "application/json") body, .then = PEER_CLOSE }
#define ERROR(status, body) { .answer = HEAD(status, "application/json") body, .then = PEER_CLOSE }
#define DATA(json) "data: " json "\n\n"
#define DELTA(json) DATA("{\"choices\":[{\"index\":0,\"delta\":" json "}]}")
#define FINISH(why) DATA("{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}]}")
#define DONE "data: [DONE]\n\n"
#define TEXT(t) DELTA("{\"content\":\"" t "\"}")
#define GOOD STREAM(TEXT("ok") FINISH("stop") DONE)
#define ONE(message, finish) "{\"model\":\"gpt\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7},\"choices\":[{\"index\":0,\"message\":" message ",\"finish_reason\":" finish "}]}"
#define CALL(id, name, arguments) "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}"
#define CALLS(list) WHOLE(ONE("{\"content\":null,\"tool_calls\":[" list "]}", "\"tool_calls\""))
#define WHOLE_OK HEAD("200 OK", "application/json") ONE("{\"content\":\"ok\"}", "\"stop\"")
#define SAID(t) "[{\"type\":\"send_message\",\"data\":{\"message\":\"" t "\"}}]"
#define LATER(seconds) { .answer = "HTTP/1.1 429 X\r\nRetry-After: " seconds "\r\nContent-Length: 2\r\n\r\n{}" }

/* One with actions as tools. stream: somebody listens (tell_partial). */
struct ai_request openai_question(bool stream);
/* Of a service behind a struct peer: the token is sk-secret, the model m; two retries, three rounds; partial texts as often as something comes. */
struct ai_openai_options openai_options(int port);
struct ai *openai_opened(struct rig *r, const struct ai_openai_options *o);
/* At the end of the test: what questions hold. */
void openai_rig_free(void);

#endif
