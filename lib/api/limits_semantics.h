/* Limits of selectors, patches, tables, validation and apply: constants only. Where v1.32 has the
 * limit, the number is its; the others bound what one request may cost. */
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
};
#endif
