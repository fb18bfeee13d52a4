/* Objects of a namespace by each of their labels: those that a selector asks for are found without
 * a look at all others. Pure. */
#ifndef LIB_CLIENT_LABEL_INDEX_H
#define LIB_CLIENT_LABEL_INDEX_H
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/selector.h"
#include "lib/base/list.h"

struct label_index;

/* What is indexed has one of these, zeroed while it is in no index. */
struct labelled {
    struct label_place *places; /* One for each of its labels. */
    size_t count;
};

/* All under one label, those that have had it longest first. */
struct label_bucket {
    struct list places; /* `link` of struct label_place */
    size_t count;
    char key[];
};

struct label_place {
    struct list link;
    struct label_bucket *bucket;
    struct labelled *labelled;
};

MUST_USE struct label_index *label_index_new(void);
void label_index_free(struct label_index *index); /* NULL is a no-op; all have left. */
/* With the labels of `meta`; of the namespace that it says. */
void label_index_enter(struct label_index *index, struct labelled *labelled,
                       const Meta__V1__ObjectMeta *meta);
void label_index_leave(struct label_index *index, struct labelled *labelled);
/* Everything in the namespace that has all of these labels (at least one) is in it, and what has
 * only some may be. NULL: nothing has them. */
const struct label_bucket *label_index_find(const struct label_index *index, const char *namespace_,
                                            struct api_string_map labels);
#endif
