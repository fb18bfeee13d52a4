#include "lib/api/declared_type.h"

const struct cel_type *declared_member_type(const struct cel_type *type, struct slice name)
{
    const struct declared_members *members = type->data;
    for (size_t i = 0; i < members->count; i++) {
        if (slice_is(name, members->items[i].name)) {
            return members->items[i].type;
        }
    }
    return NULL;
}

const struct cel_type declared_texts_type = {.kind = CEL_TYPE_LIST, .items = {&cel_type_string}};
const struct cel_type declared_extra_type = {.kind = CEL_TYPE_MAP,
                                             .items = {&cel_type_string, &declared_texts_type}};

static const struct declared_member user_members[] = {{"username", &cel_type_string},
                                                      {"uid", &cel_type_string},
                                                      {"groups", &declared_texts_type},
                                                      {"extra", &declared_extra_type}};
static const struct declared_members user_list = {user_members, ARRAY_LEN(user_members)};
const struct cel_type declared_user_type = {.kind = CEL_TYPE_OBJECT,
                                            .name = "kubernetes.UserInfo",
                                            .field = declared_member_type,
                                            .data = &user_list};
