/* The file of policies that an operator writes for the mode ABAC, which then decide and are shown
 * as rules: who may do something has a rule for it. */
#include "apiserver/abac.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const groups[] = {"a", "system:authenticated"};
    const struct user user = {.name = "ann", .uid = "", .groups = groups, .group_count = 2};
    const struct access access = {.verb = "get",
                                  .is_resource = true,
                                  .group = "",
                                  .resource = "pods",
                                  .subresource = "",
                                  .namespace = "ns",
                                  .name = "p"};
    struct abac abac;
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    int status = abac_parse(arena, slice_of(data, size), &abac, &error);
    assert(status == 0 || (status == -EINVAL && error_message(&error)[0] != 0));
    if (status == 0) {
        const struct rbac_rules rules = abac_rules(arena, &abac, &user, "ns");
        assert(!abac_allows(&abac, &user, &access) || rules.count > 0);
    }
    return 0;
}
