/* What an API message is: its fields, their JSON names, where they lie in the C struct, and the
 * rules that its .proto file states. Constant tables, generated from proto/k8s; no I/O, any thread.
 *
 * In C (made by protoc-c): package core/v1 message Pod is Core__V1__Pod, its table is
 * core__v1__pod__schema. JSON name `containerPort` is member `container_port`; a name that C or C++
 * reserves gets a final underscore (`namespace_`, `template_`, `operator_`, `continue_`). A map is
 * an array of pointers to entries {key, value}.
 *
 * Presence: for a field with API_POINTER, has_x (scalars) or a non-NULL pointer (the rest) means
 * that it is set. For every other scalar has_x is ignored: zero and absent are the same, and NULL
 * is the same as "" or as an empty message. */
#ifndef LIB_API_SCHEMA_H
#define LIB_API_SCHEMA_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ProtobufCMessageDescriptor;
struct custom_version;

/* The C type of one value (of one element of a list, of one value of a map). */
enum api_type {
    API_BOOL,   /* protobuf_c_boolean, an int */
    API_INT32,  /* int32_t */
    API_INT64,  /* int64_t */
    API_DOUBLE, /* double */
    API_STRING, /* char *; NULL is "" unless API_POINTER */
    API_BYTES,  /* ProtobufCBinaryData; base64 in JSON, raw JSON with API_RAW_JSON */
    /* All that follow are pointers to a message; what differs is the message's JSON form. */
    API_OBJECT,
    API_QUANTITY,      /* Quantity__Quantity */
    API_TIME,          /* Meta__V1__Time */
    API_MICRO_TIME,    /* Meta__V1__MicroTime */
    API_INT_OR_STRING, /* Intstr__IntOrString */
    API_RAW_OBJECT,    /* Runtime__RawExtension, Meta__V1__FieldsV1: field 1 is JSON text */
    API_RAW_VALUE,     /* Apiextensions__V1__JSON */
    API_DURATION,      /* Meta__V1__Duration */
    API_LIST_MESSAGE,  /* Meta__V1__Verbs, ExtraValue: one repeated string field */
    API_ENVELOPE,      /* Runtime__Unknown */
    API_ONE_OR_LIST,   /* field 1 alone, or field 2 as an array */
    API_ONE_OR_BOOL,   /* field 2, or field 1 as a boolean */
};

enum api_label { API_SINGLE, API_REPEATED, API_MAP };

enum api_flag {
    API_REQUIRED = 1 << 0,     /* Listed as required in OpenAPI. */
    API_POINTER = 1 << 1,      /* Absent and zero differ. */
    API_OMITEMPTY = 1 << 2,    /* JSON leaves the zero value out (never a non-pointer message). */
    API_INLINE = 1 << 3,       /* JSON merges the members of the message into the parent. */
    API_JSON_ONLY = 1 << 4,    /* Not in the protobuf form. */
    API_IMMUTABLE = 1 << 5,    /* May not change once the object exists. */
    API_SELECTABLE = 1 << 6,   /* A field selector may name it. */
    API_RAW_JSON = 1 << 7,     /* API_BYTES whose bytes are a JSON value. */
    API_OPEN_VALUES = 1 << 8,  /* `values` is not a closed set. */
    API_MERGE = 1 << 9,        /* Strategic merge: merge list items (by merge_key, or as a set). */
    API_REPLACE = 1 << 10,     /* Strategic merge: replace. */
    API_RETAIN_KEYS = 1 << 11, /* Strategic merge: drop what $retainKeys does not name. */
    API_LIST_SET = 1 << 12,    /* Apply: items are a set. */
    API_LIST_MAP = 1 << 13,    /* Apply: items are keyed by list_map_keys. */
    API_MAP_ATOMIC = 1 << 14,  /* Apply: the map or struct is replaced as a whole. */
    API_DEPRECATED = 1 << 17,  /* */
    API_NESTED_TYPE_META = 1 << 18, /* JSON of the items carries kind and apiVersion. */
    API_LIST_ATOMIC = 1 << 19, /* Apply: the list is replaced as a whole, and OpenAPI says so. */
};

#define API_NO_OFFSET UINT32_MAX /* Past what an enumerator may be. */

/* Rules of texts that options can name: lib/api/syntax.h has each by the name in small letters. */
#define API_SYNTAX_RULES(X)                                                                        \
    X(DNS1123_LABEL, dns1123_label)                                                                \
    X(DNS1123_SUBDOMAIN, dns1123_subdomain)                                                        \
    X(DNS1035_LABEL, dns1035_label)                                                                \
    X(QUALIFIED_NAME, qualified_name)                                                              \
    X(ANNOTATION_KEY, annotation_key)                                                              \
    X(LABEL_VALUE, label_value)                                                                    \
    X(ENV_NAME, env_name)                                                                          \
    X(CONFIG_KEY, config_key)                                                                      \
    X(PATH_SEGMENT, path_segment)                                                                  \
    X(PORT_NAME, port_name)                                                                        \
    X(IP, ip)                                                                                      \
    X(CIDR, cidr)                                                                                  \
    X(ENDPOINT_IP, endpoint_ip)                                                                    \
    X(EXTERNAL_IP, external_ip)                                                                    \
    X(TRIMMED, trimmed)                                                                            \
    X(ABSOLUTE_PATH, absolute_path)                                                                \
    X(RELATIVE_PATH, relative_path)                                                                \
    X(LOCAL_PATH, local_path)                                                                      \
    X(HOST_PATH, host_path)                                                                        \
    X(SEARCH_DOMAIN, search_domain)                                                                \
    X(SYSCTL_NAME, sysctl_name)                                                                    \
    X(NAMESPACE_FINALIZER, namespace_finalizer)                                                    \
    X(OBJECT_FINALIZER, object_finalizer)                                                          \
    X(INGRESS_HOST, ingress_host)                                                                  \
    X(INGRESS_HOSTNAME, ingress_hostname)                                                          \
    X(WILDCARD_OR_SUBDOMAIN, wildcard_or_subdomain)                                                \
    X(DRIVER_NAME, driver_name)                                                                    \
    X(PROVISIONER, provisioner)                                                                    \
    X(CEL_IDENTIFIER, cel_identifier)

enum api_syntax_id {
    API_SYNTAX_NONE,
#define X(NAME, name) API_SYNTAX_##NAME,
    API_SYNTAX_RULES(X)
#undef X
};

enum api_check_flag {
    API_CHECK_REQUIRED = 1 << 0,
    API_CHECK_EVEN_EMPTY = 1 << 1,
    API_CHECK_VALUES = 1 << 2,
    API_CHECK_MIN = 1 << 3,
    API_CHECK_MAX = 1 << 4,
    API_CHECK_UNIQUE = 1 << 5,
    API_CHECK_WHOLE = 1 << 6,
    API_CHECK_AS_LISTED = 1 << 7,
    API_CHECK_OPAQUE = 1 << 8,
};

/* What the server refuses of one field: message Check of options.proto says what each means. */
struct api_check {
    uint16_t flags;       /* enum api_check_flag */
    uint8_t syntax, keys; /* enum api_syntax_id */
    uint32_t max_items;   /* 0 for none. */
    int64_t min, max;
    const char *because, *when_empty, *range, *too_many, *unique_by, *shown_as; /* Or NULL. */
};

/* The rarer rules of a field. */
struct api_rules {
    const char *default_json;         /* Raw JSON as OpenAPI shows it, or NULL. */
    const char *format;               /* OpenAPI format, or NULL. */
    const char *const *values;        /* Of an enumeration, NULL-terminated, or NULL. */
    const char *merge_key;            /* Of a strategic merge, or NULL. */
    const char *const *list_map_keys; /* NULL-terminated, or NULL. */
    const char *feature_gate;         /* Or NULL. */
    const char *go_type;              /* Named type such as "PullPolicy", or NULL. */
    const char *fill;                 /* What defaulting writes where it is empty, or NULL. */
    const char *immutable_because;    /* Words of the refusal of a change, or NULL. */
    const struct api_check *check;    /* Or NULL. */
};

struct api_message;
extern const struct api_rules api_no_rules; /* Of the many fields that have none. */

struct api_field {
    const char *name; /* In JSON; "" for an inline field and for the inside of a special form. */
    uint8_t name_len;
    uint8_t type;  /* enum api_type; of the value for API_MAP. */
    uint8_t label; /* enum api_label */
    uint32_t flags;
    uint32_t number;
    uint32_t offset;   /* Of the value in the struct; of the array of a repeated field or map. */
    uint32_t presence; /* Of has_x (scalars) or n_x (repeated, maps); API_NO_OFFSET for none. */
    const struct api_message *message; /* Of the value when type >= API_OBJECT, else NULL. */
    const struct api_message *entry;   /* Of a map: {1 key, 2 value}; else NULL. */
    const struct api_rules *rules;     /* Never NULL; shared when empty. */
    const char *description;           /* From the comment in the .proto file; may be "". */
};

enum { API_INLINE_DEPTH_MAX = 2 };

/* One JSON member of a message: a field of its own, or one of an inline message, reached through
 * via[0] and then via[1]. */
struct api_member {
    const struct api_field *field;
    const struct api_field *via[API_INLINE_DEPTH_MAX]; /* NULL when not needed. */
};

struct api_message {
    const char *name;        /* "Pod" */
    const char *full_name;   /* "k8s.io.api.core.v1.Pod" */
    const char *schema_name; /* OpenAPI: "io.k8s.api.core.v1.Pod" */
    const char *group;       /* API group of the package ("" for core). */
    const char *version;     /* "v1"; "" when the package has none. */
    const struct ProtobufCMessageDescriptor *descriptor;
    uint32_t size;   /* Of the C struct. */
    uint8_t form;    /* enum api_type, API_OBJECT or later: how a value looks in JSON. */
    bool type_meta;  /* JSON carries kind and apiVersion (they have no field here). */
    bool map_atomic; /* Apply replaces it as a whole. */
    bool published;  /* OpenAPI has a schema of it. */
    uint16_t field_count;
    uint16_t member_count;
    const struct api_field *fields;   /* Ascending by number. */
    const struct api_member *members; /* In the order of JSON output, inline ones flattened. */
    const uint16_t *by_name;          /* Indices into members, in byte order of the name. */
    const struct api_field *metadata; /* ObjectMeta or ListMeta, or NULL. */
    const char *description;
    const char *openapi_type;   /* When the form does not say it, or NULL. */
    const char *openapi_format; /* Or NULL. */
    const char *unions;         /* Raw JSON of x-kubernetes-unions, or NULL. */
    const char *const
        *gvk; /* "group/version/Kind" that carry it, "*" for all; NULL-terminated or NULL */
    const uint16_t *check_order;         /* Indices into members, or NULL for the order of JSON. */
    const struct custom_version *custom; /* Of a custom resource (lib/api/custom.h), else NULL. */
};

/* By full name ("k8s.io.api.core.v1.Pod"), or NULL. */
const struct api_message *api_message_find(const char *full_name);
/* By OpenAPI name ("io.k8s.api.core.v1.Pod"), or NULL. */
const struct api_message *api_message_find_schema(const char *schema_name);
/* The member with this JSON name, or NULL. Inline members count. */
const struct api_member *api_message_member(const struct api_message *message, struct slice name);
/* The field with this number, or NULL. */
const struct api_field *api_message_field(const struct api_message *message, uint32_t number);
/* The member by C literal; NULL when there is none. */
const struct api_member *api_message_member_text(const struct api_message *message,
                                                 const char *name);

/* Address of the field's value (of the array pointer, for lists and maps) inside `object`. */
static inline void *api_field_at(const struct api_field *field, const void *object)
{
    return (void *)((uintptr_t)object + field->offset);
}

/* Number of items of a list or entries of a map. */
size_t api_field_count(const struct api_field *field, const void *object);
/* The struct that holds the member's field: `object` itself, or the inline message inside it; NULL
 * when that one is absent. */
void *api_member_holder(const struct api_member *member, const void *object);
/* Whether a value is there: has_x or non-NULL for pointers, non-zero for the rest, non-empty for
 * lists and maps. */
bool api_field_is_set(const struct api_field *field, const void *object);
#endif
