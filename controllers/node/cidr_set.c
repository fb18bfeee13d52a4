#include "controllers/node/cidr_set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Reads a decimal number up to `most` and what follows it. */
static const char *read_number(const char *text, uint32_t most, uint32_t *ret_number)
{
    uint32_t number = 0;
    const char *at = text;
    while (at != NULL && *at >= '0' && *at <= '9' && number <= most) {
        number = number * 10 + (uint32_t)(*at++ - '0');
    }
    *ret_number = number;
    return at == text || number > most ? NULL : at;
}

int cidr_parse(const char *cidr, uint32_t *ret_base, uint32_t *ret_bits)
{
    uint32_t base = 0, bits = 0;
    const char *at = cidr;
    for (int i = 0; i < 4; i++) {
        uint32_t part = 0;
        at = read_number(at, 255, &part);
        if (at == NULL || *at != (i < 3 ? '.' : '/')) {
            return -EINVAL;
        }
        at++;
        base = base << 8 | part;
    }
    at = read_number(at, 32, &bits);
    if (at == NULL || *at != '\0') {
        return -EINVAL;
    }
    uint32_t mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    *ret_base = base & mask;
    *ret_bits = bits;
    return 0;
}

int cidr_set_init(struct cidr_set *set, const char *cidr)
{
    uint32_t base, bits;
    memset(set, 0, sizeof(*set));
    if (cidr_parse(cidr, &base, &bits) != 0 || bits < 8 || bits > CIDR_NODE_BITS) {
        return -EINVAL;
    }
    set->base = base;
    set->count = UINT32_C(1) << (CIDR_NODE_BITS - bits);
    return 0;
}

static bool place_of(const struct cidr_set *set, const char *cidr, uint32_t *ret_place)
{
    uint32_t base, bits;
    if (cidr_parse(cidr, &base, &bits) != 0 || bits != CIDR_NODE_BITS || base < set->base) {
        return false;
    }
    *ret_place = (base - set->base) >> (32 - CIDR_NODE_BITS);
    return *ret_place < set->count;
}

void cidr_set_mark(struct cidr_set *set, const char *cidr, bool taken)
{
    uint32_t place;
    if (!place_of(set, cidr, &place)) {
        return;
    }
    uint8_t bit = (uint8_t)(1U << (place % 8));
    if (taken) {
        set->taken[place / 8] |= bit;
    } else {
        set->taken[place / 8] &= (uint8_t)~bit;
    }
}

int cidr_set_take(struct cidr_set *set, char ret_cidr[CIDR_TEXT_SIZE])
{
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t place = (set->next + i) % set->count;
        if ((set->taken[place / 8] >> (place % 8) & 1) != 0) {
            continue;
        }
        set->taken[place / 8] |= (uint8_t)(1U << (place % 8));
        set->next = (place + 1) % set->count;
        uint32_t address = set->base + (place << (32 - CIDR_NODE_BITS));
        (void)snprintf(ret_cidr, CIDR_TEXT_SIZE, "%u.%u.%u.0/24", address >> 24,
                       address >> 16 & 255, address >> 8 & 255);
        return 0;
    }
    return -ENOSPC;
}
