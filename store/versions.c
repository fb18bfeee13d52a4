#include "store/versions.h"

#include "store/command.h"
#include <assert.h>

uint32_t versions_in_use(const struct versions *versions)
{
    return versions->raised > STORE_VERSION_FIRST ? versions->raised : STORE_VERSION_FIRST;
}

uint32_t versions_of(const struct versions *versions, uint64_t member)
{
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        if (versions->rows[i].member == member) {
            return versions->rows[i].version;
        }
    }
    return STORE_VERSION_FIRST;
}

void versions_note(struct versions *versions, uint64_t member, uint32_t version)
{
    assert(member != 0);
    size_t row = 0;
    for (size_t i = STORE_MEMBERS_MAX; i-- > 0;) {
        if (versions->rows[i].member == 0) {
            row = i;
        }
    }
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        if (versions->rows[i].member == member) {
            row = i;
        }
    }
    versions->rows[row] = (struct member_version){.member = member, .version = version};
}

void versions_raise(struct versions *versions, uint32_t version)
{
    versions->raised = version > versions->raised ? version : versions->raised;
}
