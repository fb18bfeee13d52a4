/* The table of kinds: one row per resource that the API has. Constant; any thread. Custom resources
 * have rows of the same type, made at run time by the API server. */
#ifndef LIB_API_KINDS_H
#define LIB_API_KINDS_H
#include "lib/api/schema.h"

/* Verbs of a resource or subresource. */
enum api_verb {
    API_VERB_CREATE = 1 << 0,
    API_VERB_DELETE = 1 << 1,
    API_VERB_DELETECOLLECTION = 1 << 2,
    API_VERB_GET = 1 << 3,
    API_VERB_LIST = 1 << 4,
    API_VERB_PATCH = 1 << 5,
    API_VERB_UPDATE = 1 << 6,
    API_VERB_WATCH = 1 << 7,
};
enum { API_VERB_COUNT = 8, API_VERBS = (1 << API_VERB_COUNT) - 1 };
const char *
api_verb_name(enum api_verb verb); /* "create"; in the order in which discovery lists. */

struct api_subresource {
    const char *name;                   /* "status" */
    const char *group, *version, *kind; /* Of its body: autoscaling/v1 Scale. */
    uint32_t verbs;
    const struct api_message *message; /* Of its body; NULL for streams (log, exec, proxy). */
};

/* What moves metadata.generation; it starts at 1 but for the first and the last. */
enum api_generation {
    API_GENERATION_NONE,             /* Not maintained. */
    API_GENERATION_FIXED,            /* Nothing. */
    API_GENERATION_SPEC,             /* +1 when spec changes. */
    API_GENERATION_SPEC_ANNOTATIONS, /* +1 when spec or annotations change. */
    API_GENERATION_CONTENT,          /* +1 when anything but metadata changes. */
    API_GENERATION_CONTENT_LABELS,   /* +1 when anything but metadata, or labels, change. */
    API_GENERATION_SPEC_CHANGES,     /* Starts at 0; +1 when spec changes. */
};

enum api_propagation { API_PROPAGATION_BACKGROUND, API_PROPAGATION_ORPHAN, API_PROPAGATION_NONE };

struct api_kind {
    const char *group, *version, *kind; /* "apps", "v1", "Deployment" */
    const char *api_version;            /* "apps/v1"; "v1" for the core group. */
    const char *list_kind;              /* "DeploymentList"; "" when it cannot be listed. */
    const char *plural, *singular;      /* "deployments", "deployment" */
    const char *resource;               /* "deployments.apps", "pods": as messages name it. */
    const char *const *short_names;     /* NULL-terminated; never NULL. */
    const char *const *categories;      /* NULL-terminated; never NULL. */
    bool namespaced;
    bool stored; /* False for reviews and the like, which are answered and forgotten. */
    uint32_t verbs;
    const struct api_subresource *subresources;
    size_t subresource_count;
    const struct api_message *message;
    const struct api_message *list_message; /* NULL when it cannot be listed. */
    const char *storage_prefix;    /* "/registry/pods/", then namespace/name; "" when not stored. */
    const char *storage_hash;      /* storageVersionHash of discovery; "" for none. */
    const char *const *selectable; /* JSON paths for field selectors, NULL-terminated. */
    const struct api_kind *stored_as; /* Of a kind that is another one's other form, else NULL. */
    uint16_t index;                   /* Place in the table: for arrays with one slot per kind. */
    /* What the generic storage does to its objects (lib/api/strategy.h). */
    enum api_syntax_id names;         /* Syntax of metadata.name. */
    enum api_generation generation;   /* What moves it. */
    enum api_propagation propagation; /* Of a deletion that does not say. */
    bool has_status; /* Status is cleared on create and kept on update; see api_prepare_*. */
    bool keep_status_on_create;      /* Nodes register with their status. */
    bool create_on_update;           /* PUT of an absent object creates it. */
    bool unconditional_update;       /* PUT without resourceVersion is accepted. */
    bool graceful_delete;            /* Deletion waits for a grace period (pods). */
    const char *const *status_keeps; /* Metadata that a status update leaves alone. */
};

/* All rows of the table; their order is that of discovery. */
const struct api_kind *api_kinds(size_t *ret_count);
/* By names of the URL, or NULL. */
const struct api_kind *api_kind_find(const char *group, const char *version, const char *plural);
/* By names of the body, or NULL; api_version is "v1" or "apps/v1". */
const struct api_kind *api_kind_by_gvk(const char *group, const char *version, const char *kind);
const struct api_kind *api_kind_by_api_version(const char *api_version, const char *kind);
/* By message table, or NULL: api_kind_of(&core__v1__pod__schema). */
const struct api_kind *api_kind_of(const struct api_message *message);
const struct api_subresource *api_kind_subresource(const struct api_kind *kind, const char *name);
/* Whether a deletion answers the object that was deleted; of all other kinds a Status. */
bool api_kind_delete_answers_object(const struct api_kind *kind);
/* What the query of a subresource without a body holds (PodExecOptions, PodLogOptions), or NULL. */
const struct api_message *api_subresource_options(const struct api_subresource *subresource);
/* Whether it is a connection to a pod, a service or a node (exec, proxy) rather than an object. */
bool api_subresource_connects(const struct api_subresource *subresource);

/* Whether v1.32 reads objects of this version that it does not serve any more. */
bool api_kind_is_past(const char *api_version, const char *kind);

struct api_group_version {
    const char *group, *version;
    uint32_t group_priority, version_priority; /* Higher comes first. */
    bool preferred;                            /* The group's preferred version. */
};
/* Group versions in the order of discovery. */
const struct api_group_version *api_group_versions(size_t *ret_count);
bool api_group_is_built_in(const char *group); /* "" is. */
#endif
