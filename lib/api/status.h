/* metav1.Status: how the API says that something failed, and the field errors of a validation. In
 * an arena, texts included. Pure. Messages are those of Kubernetes v1.32. */
#ifndef LIB_API_STATUS_H
#define LIB_API_STATUS_H
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/kinds.h"

/* --- Field paths: a chain on the stack, printed only when something is wrong -------------------
 */

struct api_path {
    const struct api_path *parent; /* NULL at the root. */
    const char *name;              /* Member name, or NULL for an index or key. */
    const char *key;               /* Map key, or NULL for an index. */
    size_t index;
};
static inline struct api_path api_path_field(const struct api_path *parent, const char *name)
{
    return (struct api_path){.parent = parent, .name = name};
}
static inline struct api_path api_path_index(const struct api_path *parent, size_t index)
{
    return (struct api_path){.parent = parent, .index = index};
}
static inline struct api_path api_path_key(const struct api_path *parent, const char *key)
{
    return (struct api_path){.parent = parent, .key = key};
}
/* "spec.containers[0].ports[key]"; cut at API_PATH_MAX. NULL prints as "". */
const char *api_path_text(struct arena *arena, const struct api_path *path);

/* --- Field errors ----------------------------------------------------------------------------- */

struct api_cause {
    const char *reason;  /* "FieldValueInvalid" */
    const char *message; /* `Invalid value: "x": must be ...` */
    const char *field;   /* "spec.replicas" */
};

/* Up to API_CAUSES_MAX and API_CAUSES_BYTES_MAX; the rest is dropped. Made with api_causes_init. */
struct api_causes {
    struct arena *arena;
    struct api_cause *items;
    size_t count, capacity;
    size_t bytes;                /* Of all messages. */
    struct api_causes *warnings; /* What is told, and lets pass; NULL: nobody asked. */
    struct api_seen *seen;       /* By api_seen_before. */
};
void api_causes_init(struct api_causes *causes, struct arena *arena);
/* Whether no more is kept: nobody need look on. What goes on for ever has to ask, for the texts of
 * causes take memory, even of those that are dropped. */
bool api_causes_full(const struct api_causes *causes);

/* The value that was wrong, as messages show it. */
struct api_shown {
    enum api_shown_type {
        API_SHOWN_NOTHING,
        API_SHOWN_TEXT,
        API_SHOWN_INT,
        API_SHOWN_BOOL,
        API_SHOWN_NULL,
        API_SHOWN_RAW
    } type;
    const char *text; /* TEXT: shown quoted as Go's %q; RAW: shown as it is. */
    int64_t number;   /* INT, BOOL */
};
static inline struct api_shown api_shown_text(const char *text)
{
    return (struct api_shown){.type = API_SHOWN_TEXT, .text = text == NULL ? "" : text};
}
static inline struct api_shown api_shown_int(int64_t number)
{
    return (struct api_shown){.type = API_SHOWN_INT, .number = number};
}
static inline struct api_shown api_shown_bool(bool value)
{
    return (struct api_shown){.type = API_SHOWN_BOOL, .number = value};
}
static inline struct api_shown api_shown_null(void)
{
    return (struct api_shown){.type = API_SHOWN_NULL};
}
static inline struct api_shown api_shown_nothing(void)
{
    return (struct api_shown){.type = API_SHOWN_NOTHING};
}
static inline struct api_shown api_shown_raw(const char *text)
{
    return (struct api_shown){.type = API_SHOWN_RAW, .text = text};
}

/* As Go prints bytes. */
struct api_shown api_shown_bytes(struct arena *arena, struct slice bytes);

/* `detail` may be "". All copy what they are given. */
void api_cause_required(struct api_causes *causes, const struct api_path *path, const char *detail);
void api_cause_invalid(struct api_causes *causes, const struct api_path *path,
                       struct api_shown value, const char *detail);
void api_cause_type_invalid(struct api_causes *causes, const struct api_path *path,
                            struct api_shown value, const char *detail);
void api_cause_duplicate(struct api_causes *causes, const struct api_path *path,
                         struct api_shown value);
void api_cause_not_found(struct api_causes *causes, const struct api_path *path,
                         struct api_shown value);
/* `values`: NULL-terminated; shown sorted, as Kubernetes does. */
void api_cause_not_supported(struct api_causes *causes, const struct api_path *path,
                             struct api_shown value, const char *const *values);
/* As above, shown in the order given: where v1.32 keeps a list and not a set. */
void api_cause_not_among(struct api_causes *causes, const struct api_path *path,
                         struct api_shown value, const char *const *values);
void api_cause_forbidden(struct api_causes *causes, const struct api_path *path,
                         const char *detail);
void api_cause_too_long(struct api_causes *causes, const struct api_path *path, size_t max_bytes);
void api_cause_too_many(struct api_causes *causes, const struct api_path *path, size_t count,
                        size_t max_items);
void api_cause_internal(struct api_causes *causes, const struct api_path *path, const char *text);
/* Any other: reason and message ready-made. */
void api_cause_add(struct api_causes *causes, const char *reason, const char *message,
                   const char *field);

/* Appended as Go's %q has it: printable text stays, the rest is escaped. */
void api_print_quoted(const char *text, struct buffer *out);

/* --- Status ----------------------------------------------------------------------------------- */

struct api_status {
    int code;           /* HTTP status: 404 */
    const char *reason; /* "NotFound"; may be "". */
    const char *message;
    bool has_details;                      /* The members below are shown. */
    const char *name, *group, *kind, *uid; /* Never NULL; kind is the resource for most. */
    const struct api_cause *causes;
    size_t cause_count;
    int32_t retry_after_seconds; /* 0 for none; also the Retry-After header. */
    const char *continue_token;  /* metadata.continue of an expired list; "" for none. */
    bool success;                /* "status":"Success" */
};

/* All take texts that live as long as `arena` or are copied into it, and never fail. `kind` is the
 * row of the resource. `name` may be "". */
const struct api_status *api_status_not_found(struct arena *arena, const struct api_kind *kind,
                                              const char *name);
const struct api_status *api_status_already_exists(struct arena *arena, const struct api_kind *kind,
                                                   const char *name);
/* 409 for a generateName whose tries all collided; Retry-After 1. */
const struct api_status *
api_status_name_not_generated(struct arena *arena, const struct api_kind *kind, const char *name);
/* `text` follows "Operation cannot be fulfilled on pods "x": ". */
const struct api_status *api_status_conflict(struct arena *arena, const struct api_kind *kind,
                                             const char *name, const char *text);
/* The one of a stale resourceVersion. */
const struct api_status *api_status_modified(struct arena *arena, const struct api_kind *kind,
                                             const char *name);
/* 422 with the causes; `causes` must not be empty. */
const struct api_status *api_status_invalid(struct arena *arena, const struct api_kind *kind,
                                            const char *name, const struct api_causes *causes);
/* 422 for query options: group meta.k8s.io, kind such as "ListOptions". */
const struct api_status *api_status_invalid_options(struct arena *arena, const char *options_kind,
                                                    const struct api_causes *causes);
/* 422 "the server rejected our request due to an error in our request". */
const struct api_status *api_status_unprocessable(struct arena *arena);
const struct api_status *api_status_bad_request(struct arena *arena, const char *format, ...)
    PRINTF_LIKE(2, 3);
const struct api_status *api_status_unauthorized(struct arena *arena);
/* `text` follows `pods "x" is forbidden: `; name "" leaves the name out. */
const struct api_status *api_status_forbidden(struct arena *arena, const struct api_kind *kind,
                                              const char *name, const char *text);
/* By names, where there is no row; resource "" is a path that was denied and text is whole. */
const struct api_status *api_status_forbidden_resource(struct arena *arena, const char *group,
                                                       const char *resource, const char *name,
                                                       const char *text);
/* 403 for creation in a namespace that is being deleted. */
const struct api_status *api_status_terminating(struct arena *arena, const struct api_kind *kind,
                                                const char *name, const char *namespace_name);
/* 404 "the server could not find the requested resource". */
const struct api_status *api_status_no_resource(struct arena *arena);
/* 405; by resource and verb, or for a method that no route has. */
const struct api_status *api_status_verb_not_allowed(struct arena *arena,
                                                     const struct api_kind *kind, const char *verb);
const struct api_status *api_status_method_not_allowed(struct arena *arena);
/* 405 for an object of a definition that is being deleted. */
const struct api_status *api_status_definition_terminating(struct arena *arena,
                                                           const struct api_kind *kind);
const struct api_status *api_status_not_acceptable(struct arena *arena, const char *types);
/* None of the media types that were asked for is known at all. */
const struct api_status *api_status_no_representation(struct arena *arena, const char *types);
/* 410 Expired: `text` NULL for the words about a continue token. */
const struct api_status *api_status_expired(struct arena *arena, const char *text);
/* 413 with the limit in bytes. */
const struct api_status *api_status_too_large(struct arena *arena, size_t limit);
/* 413 with words of its own (json patch operations). */
const struct api_status *api_status_too_large_text(struct arena *arena, const char *text);
/* 415; `types`: accepted media types, joined by ", "; NULL for the words of an unknown patch. */
const struct api_status *api_status_unsupported_media(struct arena *arena, const char *types);
const struct api_status *api_status_too_many_requests(struct arena *arena, const char *text,
                                                      int32_t retry_after_seconds);
const struct api_status *api_status_internal(struct arena *arena, const char *format, ...)
    PRINTF_LIKE(2, 3);
/* 500 ServerTimeout: storage could not answer in time, try again. */
const struct api_status *api_status_server_timeout(struct arena *arena, const struct api_kind *kind,
                                                   const char *operation,
                                                   int32_t retry_after_seconds);
/* 507, with an empty reason: Kubernetes has no name for it. */
const struct api_status *api_status_insufficient_storage(struct arena *arena, const char *text);
const struct api_status *api_status_unavailable(struct arena *arena, const char *text);
const struct api_status *api_status_timeout(struct arena *arena, const char *text);
/* 504: resourceVersion above the current one. */
const struct api_status *api_status_version_too_large(struct arena *arena, uint64_t asked,
                                                      uint64_t current);
/* 200 of a deletion: details name the object. `uid` may be "". */
const struct api_status *api_status_success(struct arena *arena, const struct api_kind *kind,
                                            const char *name, const char *uid);
/* A status with everything given; details only when `kind` is not NULL. */
const struct api_status *api_status_new(struct arena *arena, int code, const char *reason,
                                        const char *message, const struct api_kind *kind,
                                        const char *name);

/* As the message metav1.Status, in `arena`, and back. */
Meta__V1__Status *api_status_message(struct arena *arena, const struct api_status *status);
const struct api_status *api_status_from_message(struct arena *arena,
                                                 const Meta__V1__Status *message);
void api_status_encode_json(struct arena *arena, const struct api_status *status,
                            struct buffer *out);
void api_status_encode_protobuf(struct arena *arena, const struct api_status *status,
                                struct buffer *out); /* Envelope. */
#endif
