/* Whether a CustomResourceDefinition of a group that belongs to the Kubernetes community says who
 * approved its API. Pure. */
#ifndef LIB_API_DEFINITION_APPROVAL_H
#define LIB_API_DEFINITION_APPROVAL_H
#include "lib/api/object.h"

#define DEFINITION_APPROVAL "api-approved.kubernetes.io"

enum definition_approval {
    DEFINITION_APPROVAL_INVALID,
    DEFINITION_APPROVAL_GIVEN,    /* A URL. */
    DEFINITION_APPROVAL_BYPASSED, /* It says why there is none. */
    DEFINITION_APPROVAL_MISSING,
};

bool definition_needs_approval(const char *group);
/* What the annotation says, and the words for it in the arena. */
enum definition_approval definition_approval_of(struct arena *arena,
                                                const Meta__V1__ObjectMeta *meta,
                                                const char **ret_reason);
#endif
