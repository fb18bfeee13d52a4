/* Types of expressions from the tables of messages: for checks of expressions about built-in kinds,
 * whose values are read as JSON. Pure. */
#ifndef LIB_API_MESSAGE_TYPES_H
#define LIB_API_MESSAGE_TYPES_H
#include "lib/api/schema.h"
#include "lib/cel/type.h"

/* The type of the JSON form of objects with this table, which messages call `name`; of a kind that
 * has apiVersion and kind when `is_resource`. Types of fields are made in `arena` when they are
 * asked for: one thread only. */
const struct cel_type *message_type(struct arena *arena, const struct api_message *table,
                                    bool is_resource, const char *name);
#endif
