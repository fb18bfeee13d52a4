/* Values of messages about wrong fields that are no scalars, printed as v1.32 prints them: in Go's
 * syntax. In the arena. Pure. */
#ifndef LIB_API_SHOWN_H
#define LIB_API_SHOWN_H
#include "lib/api/json_value.h"
#include "lib/api/selector.h"
#include "lib/api/status.h"

/* []string{"a", "b"}, and of another type than []string: core.ResourceQuotaScope. */
struct api_shown api_shown_texts(struct arena *arena, char *const *texts, size_t count);
struct api_shown api_shown_typed_texts(struct arena *arena, const char *type, char *const *texts,
                                       size_t count);
/* map[string]string{"a":"1", "b":"2"}, by key. */
struct api_shown api_shown_map(struct arena *arena, struct api_string_map map);
/* v1.LabelSelector{MatchLabels:..., MatchExpressions:...} */
struct api_shown api_shown_selector(struct arena *arena, const Meta__V1__LabelSelector *selector);
/* resource.Quantity{i:resource.int64Amount{value:1, scale:0}, ...}, of the canonical text. */
struct api_shown api_shown_quantity(struct arena *arena, const char *canonical);
/* A JSON value: scalars as themselves, else map[string]interface {}{"a":1} or []interface {}{1}. */
struct api_shown api_shown_json(struct arena *arena, const struct json_value *value);
/* core.Taint{Key:"a", ...}: of the type that the API server has of it inside. What is behind a
 * pointer is not shown. NULL is null. */
struct api_shown api_shown_message(struct arena *arena, const struct api_message *table,
                                   const void *message);
/* The member of a message of this table, which may be a list or a map. It must exist. */
struct api_shown api_shown_member(struct arena *arena, const struct api_message *table,
                                  const char *name, const void *message);
/* 2006-01-02 15:04:05 +0000 UTC, or null. */
struct api_shown api_shown_time(struct arena *arena, const Meta__V1__Time *time);
/* What differs between two messages of this table that are not equal: a line for each member, - in
 * front of the old and + in front of the new one, most of the equal ones left out. It ends with a
 * newline. */
const char *api_shown_difference(struct arena *arena, const struct api_message *table,
                                 const void *before, const void *after);
#endif
