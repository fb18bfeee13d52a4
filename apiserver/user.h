/* Who sends a request, as authentication found it. Plain data, owned by the request's arena (or
 * static); immutable. */
#ifndef APISERVER_USER_H
#define APISERVER_USER_H
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct user_extra {
    const char *key;
    const char *value;
};

struct user {
    const char *name;
    const char *uid; /* "" when unknown. */
    const char *const *groups;
    size_t group_count;
    const struct user_extra *extras;
    size_t extra_count;
};

static inline bool user_in_group(const struct user *user, const char *group)
{
    for (size_t i = 0; i < user->group_count; i++) {
        if (strcmp(user->groups[i], group) == 0) {
            return true;
        }
    }
    return false;
}

struct arena;

/* In the arena; with system:authenticated unless that or system:unauthenticated (which a front
 * proxy may say) is among the groups. */
const struct user *user_new(struct arena *arena, const char *name, const char *uid,
                            const char *const *groups, size_t group_count);

/* The built-in parts of this process (controllers, scheduler): allowed everything. */
extern const struct user user_system_apiserver;
#endif
