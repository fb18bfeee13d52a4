/* The priorities that every cluster has. Constant; any thread. */
#ifndef LIB_API_PRIORITY_H
#define LIB_API_PRIORITY_H
#include <stdint.h>

enum { API_SYSTEM_PRIORITY_COUNT = 2 };

/* Names that users' classes cannot have, and values above all that theirs can. */
struct api_system_priority {
    const char *name;
    int32_t value;
    const char *description;
};
extern const struct api_system_priority api_system_priorities[API_SYSTEM_PRIORITY_COUNT];

/* By name, or NULL. */
const struct api_system_priority *api_system_priority_find(const char *name);
#endif
