/* The rows of kinds.h as arrays, made by proto/generator of the `resource` options. Internal to
 * lib/api. */
#ifndef LIB_API_KINDS_TABLE_H
#define LIB_API_KINDS_TABLE_H
#include "lib/api/kinds.h"

extern const struct api_kind api_kind_rows[];
extern const size_t api_kind_row_count;
extern const struct api_group_version api_group_version_rows[];
extern const size_t api_group_version_row_count;
#endif
