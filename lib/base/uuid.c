#include "lib/base/uuid.h"

const char *uuid_text(struct arena *arena, uint64_t high, uint64_t low)
{
    return arena_printf(arena, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(high >> 32),
                        (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xfff,
                        ((unsigned)(low >> 48) & 0x3fff) | 0x8000,
                        (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}
