#include "controllers/kinds_of_content.h"

#include <assert.h>
#include <string.h>

static bool has_prefix(const struct api_kind *const *kinds, size_t count, const char *prefix)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kinds[i]->storage_prefix, prefix) == 0) {
            return true;
        }
    }
    return false;
}

size_t kinds_of_content(bool namespaced, const struct api_kind *ret_kinds[KINDS_OF_CONTENT_MAX])
{
    const uint32_t needed = API_VERB_LIST | API_VERB_WATCH | API_VERB_DELETE;
    size_t all, count = 0;
    const struct api_kind *kinds = api_kinds(&all);
    for (size_t i = 0; i < all; i++) {
        const struct api_kind *kind = &kinds[i];
        if (!kind->stored || kind->message == NULL || (kind->verbs & needed) != needed ||
            (namespaced && !kind->namespaced) ||
            has_prefix(ret_kinds, count, kind->storage_prefix)) {
            continue;
        }
        assert(count < KINDS_OF_CONTENT_MAX);
        ret_kinds[count++] = kind;
    }
    return count;
}
