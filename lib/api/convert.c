#include "lib/api/convert.h"

#include "lib/api/custom.h"
#include "lib/api/rules/rules.h"
#include <assert.h>

void *api_convert_to_stored(struct arena *arena, const struct api_kind *kind, const void *message)
{
    const struct rules_kind *rules = rules_of_kind(kind->message);
    assert(kind->stored_as != NULL);
    if (custom_of(kind) != NULL) {
        return custom_convert(arena, kind->stored_as, message);
    }
    assert(rules->to_stored != NULL);
    return rules->to_stored(arena, message);
}

void *api_convert_from_stored(struct arena *arena, const struct api_kind *kind, const void *message)
{
    const struct rules_kind *rules = rules_of_kind(kind->message);
    assert(kind->stored_as != NULL);
    if (custom_of(kind) != NULL) {
        return custom_convert(arena, kind, message);
    }
    assert(rules->from_stored != NULL);
    return rules->from_stored(arena, message);
}

bool api_convert_is_checked_first(const struct api_kind *kind)
{
    return custom_of(kind) != NULL || rules_of_kind(kind->message)->create != NULL;
}
