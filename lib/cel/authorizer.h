/* Kubernetes' authorizer library: expressions ask what a user may do. Who answers is a callback of
 * the embedder, so that this stays pure. */
#ifndef LIB_CEL_AUTHORIZER_H
#define LIB_CEL_AUTHORIZER_H
#include "lib/cel/cel.h"

/* A question. Texts that were not given are empty. */
struct cel_check {
    /* The service account of authorizer.serviceAccount(namespace, name); both empty for the user of
     * the request. */
    struct slice account_namespace, account_name;
    bool is_path;
    struct slice path;
    struct slice group, resource, subresource, namespace_name, name;
    struct slice field_selector, label_selector;
    struct slice verb;
};

struct cel_decision {
    bool allowed;
    struct slice reason;
    struct slice error; /* Empty when there was none. Both live as long as the arena. */
};

struct cel_authorizer {
    struct cel_decision (*decide)(const struct cel_authorizer *authorizer, struct arena *arena,
                                  const struct cel_check *check);
};

extern const struct cel_library cel_library_authorizer;
/* Types for variables `authorizer` and `authorizer.requestResource`. */
extern const struct cel_type cel_type_authorizer, cel_type_resource_check;

/* Values for these variables; `authorizer` must outlive the evaluation. The check is copied. */
struct cel_value cel_authorizer_value(struct arena *arena, const struct cel_authorizer *authorizer);
struct cel_value cel_resource_check_value(struct arena *arena,
                                          const struct cel_authorizer *authorizer,
                                          const struct cel_check *check);
#endif
