/* UUIDs of version 4 (RFC 9562), from random bits of the caller's choice of source. */
#ifndef LIB_BASE_UUID_H
#define LIB_BASE_UUID_H
#include "lib/base/arena.h"

/* 36 characters, in the arena; six of the 128 bits say version and variant. */
const char *uuid_text(struct arena *arena, uint64_t high, uint64_t low);
#endif
