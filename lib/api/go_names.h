/* What Kubernetes' source calls its types and their members: what messages to clients show. In the
 * arena. Internal to lib/api. Pure. */
#ifndef LIB_API_GO_NAMES_H
#define LIB_API_GO_NAMES_H
#include "lib/api/schema.h"

struct arena;

/* The members of one type in the order that they have inside the API server. */
struct go_members {
    const struct api_message *table;
    const char *names; /* Still to come, where the order is another than in JSON; else NULL. */
    size_t at;
    const struct api_field *embedded; /* Seen last: its members are its own. */
};
struct go_members go_members_of(const struct api_message *table);
/* An embedded message is one member. NULL after the last. */
const struct api_field *go_next_member(struct go_members *walk);
/* hostIP is HostIP; an embedded message has the name of its type. */
const char *go_member_name(struct arena *arena, const struct api_field *field);
/* core.Pod: the type that the API server has of it inside. */
const char *go_type_name(struct arena *arena, const struct api_message *table);
/* Of a value of the field of a message of this table: of an item of a list, or of a value of a map.
 */
const char *go_item_type(struct arena *arena, const struct api_message *table,
                         const struct api_field *field);
/* Of the field that is a list or a map. */
const char *go_list_type(struct arena *arena, const struct api_message *table,
                         const struct api_field *field);
#endif
