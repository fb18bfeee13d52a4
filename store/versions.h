/* Which commands can be applied by all: what each member says of itself, and the version in use.
 * Replicated. Versions are those of store/command.h. Pure. */
#ifndef STORE_VERSIONS_H
#define STORE_VERSIONS_H
#include "store/limits.h"
#include <stddef.h>

struct member_version {
    uint64_t member; /* 0: an empty row. */
    uint32_t version;
};

struct versions { /* Zeroed: nobody has said anything. */
    uint32_t raised;
    struct member_version rows[STORE_MEMBERS_MAX];
};

/* Of commands that may be proposed; never falls. */
uint32_t versions_in_use(const struct versions *versions);
/* Who has said nothing can apply what has been there from the beginning. */
uint32_t versions_of(const struct versions *versions, uint64_t member);
/* When all rows are taken, the first is overwritten: members that are gone make room, and one that
 * is not says it again. */
void versions_note(struct versions *versions, uint64_t member, uint32_t version);
void versions_raise(struct versions *versions, uint32_t version);
#endif
