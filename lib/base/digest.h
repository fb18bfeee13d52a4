/* A 64-bit digest of bytes, several bytes a cycle: the hash chain of the log, the checksums of
 * snapshot frames, the rolling hash of the state. Finds accidents, resists no attacker: tables with
 * keys from outside use hash_bytes(). Equal on all machines. Pure; any thread.
 * Construction: 64 x 64 -> 128 bit multiplications folded by xor, as in wyhash (Wang Yi, 2019). */
#ifndef LIB_BASE_DIGEST_H
#define LIB_BASE_DIGEST_H
#include "lib/base/slice.h"

/* `before` is the digest of what came before, or any seed. */
uint64_t digest64(uint64_t before, struct slice bytes);
#endif
