/* The /24 ranges of an IPv4 range: which are taken. Pure. */
#ifndef CONTROLLERS_NODE_CIDR_SET_H
#define CONTROLLERS_NODE_CIDR_SET_H
#include "controllers/limits.h"
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

enum { CIDR_TEXT_SIZE = 20, CIDR_NODE_BITS = 24 };

struct cidr_set {
    uint32_t base;  /* First address. */
    uint32_t count; /* /24 ranges in it. */
    uint32_t next;  /* Where the search begins: a range that was given back rests a while. */
    uint8_t taken[CONTROLLERS_NODES_MAX / 8];
};

/* 0, or -EINVAL when `cidr` is not an IPv4 range of /8 to /24. */
MUST_USE int cidr_set_init(struct cidr_set *set, const char *cidr);
void cidr_set_mark(struct cidr_set *set, const char *cidr, bool taken); /* Foreign ones: no-op. */
/* 0, or -ENOSPC. */
MUST_USE int cidr_set_take(struct cidr_set *set, char ret_cidr[CIDR_TEXT_SIZE]);
/* "10.96.0.0/12" to address and prefix length; 0 or -EINVAL. */
MUST_USE int cidr_parse(const char *cidr, uint32_t *ret_base, uint32_t *ret_bits);
#endif
