/* Limits of selectors, patches, tables, validation, apply and of documents of other servers:
 * constants only. Where v1.32 has the limit, the number is its; the others bound what one request
 * may cost. */
#ifndef LIB_API_LIMITS_SEMANTICS_H
#define LIB_API_LIMITS_SEMANTICS_H

enum {
    API_SELECTOR_TEXT_MAX = 64 * 1024,
    API_SELECTOR_REQUIREMENTS_MAX = 256,
    API_SELECTOR_VALUES_MAX = 256,
    API_PATCH_OPERATIONS_MAX = 10000,
    API_PATCH_COPY_BYTES_MAX = 3 * 1024 * 1024,
    API_PATCH_MOVED_ITEMS_MAX = 64 * 1024 * 1024, /* By all operations of a JSON patch. */
    API_PATCH_DEPTH_MAX = 256,
    API_ANNOTATIONS_BYTES_MAX = 256 * 1024,
    API_CONFIG_BYTES_MAX = 1024 * 1024,
    API_FIELD_CONFLICT_TEXT_MAX = 256 * 1024,
    API_OPENAPI_DEPTH_MAX = 32,                /* Of other servers' schemas, and values in them. */
    API_OPENAPI_NAMES_MAX = 20000,             /* Paths, definitions: of one document, of each. */
    API_OPENAPI_KEPT_MAX = 1024 * 1024,        /* Bytes of one document that are made ours. */
    API_OPENAPI_MERGED_MAX = 16 * 1024 * 1024, /* ... of all of them. */
};
#endif
