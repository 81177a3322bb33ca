/* SPDX-License-Identifier: MIT
 * The base URL of an OpenAI-compatible service, where what was given is the URL of a call. Pure. */
#ifndef OUTSIDE_OPENAI_BASE_H
#define OUTSIDE_OPENAI_BASE_H

#include "lib/sv.h"

/* The base within a URL whose path ends in /chat/completions or /completions (slashes behind it left out): who calls puts that path behind a base, so that it
 * would stand there twice. Points into `url`. SV_NONE: it ends in neither. */
struct sv openai_base(struct sv url);

#endif
