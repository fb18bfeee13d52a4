/* What the CustomResourceDefinition that is replaced excuses in the one that replaces it: v1.32
 * does not refuse what was accepted once, so that a definition can still be changed elsewhere.
 * Internal to lib/api. Pure. */
#ifndef LIB_API_RULES_DEFINITION_PAST_H
#define LIB_API_RULES_DEFINITION_PAST_H
#include "k8s/apiextensions_v1.pb-c.h"
#include <stdbool.h>

/* All false for a definition that is new. */
struct definition_past {
    bool had_unknown_defaults; /* Defaults with fields that their schema prunes. */
    bool had_open_sets;        /* Sets of lists or maps that are not atomic. */
    bool had_loose_keys;       /* Lists whose items, or keys, may be null or missing. */
    bool same_schema;          /* Of the version that is looked at: costs were weighed before. */
    /* Rules and message expressions by their text; NULL for none. */
    struct hash_map *rules, *messages;
};

/* `before` may be NULL. Release with definition_past_release(). */
void definition_past_init(struct definition_past *past,
                          const Apiextensions__V1__CustomResourceDefinition *before);
void definition_past_release(struct definition_past *past);

bool definition_past_has_rule(const struct definition_past *past, const char *rule);
bool definition_past_has_message(const struct definition_past *past, const char *expression);
#endif
