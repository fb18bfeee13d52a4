/* Any bytes as an applied configuration of a Deployment, onto nothing and then onto the result:
 * what was applied once applies again without a conflict. */
#include "lib/api/apply.h"
#include "lib/api/json_value.h"
#include "lib/api/kinds.h"
#include <assert.h>
#include <errno.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct json_value *applied = NULL;
    struct json_value *object = NULL;
    struct json_value *again = NULL;
    const struct api_status *status = NULL;
    struct api_apply_request request = {
        .kind = api_kind_find("apps", "v1", "deployments"),
        .manager = "fuzz",
        .subresource = "",
        .now_s = 1767225600,
    };
    if (json_parse(arena, slice_of(data, size), &applied, NULL) != 0) {
        return 0;
    }
    if (api_apply(arena, &request, NULL, applied, &object, &status) == 0) {
        int result = api_apply(arena, &request, object, applied, &again, &status);
        assert(result != -EEXIST); /* There is nobody else to conflict with. */
    }
    return 0;
}
