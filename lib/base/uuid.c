#include "lib/base/uuid.h"

#include <string.h>

enum { UUID_TEXT_LEN = 36 };

static void put_hex(uint64_t value, size_t digits, char *ret_text)
{
    for (size_t i = digits; i > 0; i--, value >>= 4) {
        ret_text[i - 1] = "0123456789abcdef"[value & 0xf];
    }
}

/* Every request and every object has one: without printf. */
const char *uuid_text(struct arena *arena, uint64_t high, uint64_t low)
{
    char *text = arena_alloc(arena, UUID_TEXT_LEN + 1);
    memcpy(text, "00000000-0000-4000-8000-000000000000", UUID_TEXT_LEN + 1);
    put_hex(high >> 32, 8, text);
    put_hex(high >> 16, 4, text + 9);
    put_hex(high, 3, text + 15);
    put_hex(((low >> 48) & 0x3fff) | 0x8000, 4, text + 19);
    put_hex(low, 12, text + 24);
    return text;
}
