#include "lib/base/digest.h"

#include "lib/base/compiler.h"
#include <endian.h>
#include <string.h>

/* Odd, with as many ones as zeroes: digits of pi. */
#define KEY_A UINT64_C(0x243f6a8885a308d3)
#define KEY_B UINT64_C(0x13198a2e03707345)
#define KEY_C UINT64_C(0xa4093822299f31d1)

static uint64_t fold(uint64_t a, uint64_t b)
{
    uint128 product = (uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return le64toh(value);
}

uint64_t digest64(uint64_t before, struct slice bytes)
{
    uint64_t state = before ^ KEY_C;
    const uint8_t *at = bytes.data;
    size_t left = bytes.len;
    for (; left > 16; at += 16, left -= 16) {
        state = fold(word(at) ^ KEY_A, word(at + 8) ^ state);
    }
    uint8_t last[16] = {0};
    if (left > 0) {
        memcpy(last, at, left);
    }
    state = fold(word(last) ^ KEY_A, word(last + 8) ^ state);
    return fold(state ^ KEY_B, (uint64_t)bytes.len ^ KEY_A);
}
