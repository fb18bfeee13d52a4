#include "tests/unit/api/semantics/golden.h"

static const char *const EMPTY_IS_ABSENT[] = {
    "status",       "resources", "metadata",    "strategy", "updateStrategy",
    "loadBalancer", "labels",    "annotations", "data",     NULL};

static const char *const METADATA[] = {"name",       "generateName",    "namespace",
                                       "labels",     "annotations",     "finalizers",
                                       "generation", "ownerReferences", NULL};

static bool one_of(struct slice name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (slice_is(name, *names)) {
            return true;
        }
    }
    return false;
}

static bool is_nothing(struct slice name, const struct json_value *value)
{
    return value == NULL || value->type == JSON_NULL ||
           (value->type == JSON_OBJECT && value->count == 0 && one_of(name, EMPTY_IS_ABSENT));
}

static bool has_placeholder(struct slice text)
{
    const uint8_t *open = memchr(text.data, '<', text.len);
    return open != NULL && memchr(open, '>', text.len - (size_t)(open - text.data)) != NULL;
}

static bool members_match(struct arena *arena, const struct json_value *expected,
                          const struct json_value *actual, const char *where, bool metadata,
                          const char **ret_where)
{
    for (int pass = 0; pass < 2; pass++) {
        const struct json_value *names = pass == 0 ? expected : actual;
        for (size_t i = 0; i < names->count; i++) {
            struct slice name = names->members[i].name;
            const struct json_value *left = json_get(expected, name);
            const struct json_value *right = json_get(actual, name);
            const char *at = arena_printf(arena, "%s.%.*s", where, (int)name.len, name.data);
            if ((metadata && !one_of(name, METADATA)) ||
                (is_nothing(name, left) && is_nothing(name, right))) {
                continue;
            }
            if (left == NULL || right == NULL) {
                *ret_where =
                    arena_printf(arena, "%s is %s", at, left == NULL ? "not expected" : "missing");
                return false;
            }
            if (pass == 0 && !golden_matches(arena, left, right, at, ret_where)) {
                return false;
            }
        }
    }
    return true;
}

bool golden_matches(struct arena *arena, const struct json_value *expected,
                    const struct json_value *actual, const char *where, const char **ret_where)
{
    const char *end = strrchr(where, '.');
    bool metadata = end != NULL && strcmp(end, ".metadata") == 0;
    *ret_where = where;
    if (expected->type == JSON_STRING && has_placeholder(expected->text)) {
        return true;
    }
    if (expected->type != actual->type) {
        return false;
    }
    if (expected->type == JSON_OBJECT) {
        return members_match(arena, expected, actual, where, metadata, ret_where);
    }
    if (expected->type != JSON_ARRAY) {
        if (!json_equal(expected, actual)) {
            *ret_where = arena_printf(arena, "%s: expected %.*s, have %.*s", where,
                                      (int)expected->text.len, (const char *)expected->text.data,
                                      (int)actual->text.len, (const char *)actual->text.data);
            return false;
        }
        return true;
    }
    if (expected->count != actual->count) {
        *ret_where = arena_printf(arena, "%s: expected %zu items, have %zu", where, expected->count,
                                  actual->count);
        return false;
    }
    for (size_t i = 0; i < expected->count; i++) {
        const char *at = arena_printf(arena, "%s[%zu]", where, i);
        if (!golden_matches(arena, expected->items[i], actual->items[i], at, ret_where)) {
            return false;
        }
    }
    return true;
}

/* --- What a server adds ------------------------------------------------------------------------
 */

static struct json_value *member(const struct json_value *object, const char *name)
{
    return object == NULL || object->type != JSON_OBJECT ? NULL : json_get_text(object, name);
}

static void drop(struct json_value *object, const char *name)
{
    if (object != NULL && object->type == JSON_OBJECT) {
        (void)json_remove(object, slice_text(name)); /* May be absent. */
    }
}

static bool text_starts(const struct json_value *value, const char *prefix)
{
    return value != NULL && value->type == JSON_STRING &&
           slice_starts_with(value->text, slice_text(prefix));
}

/* Removes the items whose `name` member starts with `prefix`, and the list when it becomes empty.
 */
static void drop_items(struct json_value *owner, const char *list, const char *name,
                       const char *prefix)
{
    struct json_value *items = member(owner, list);
    if (items == NULL || items->type != JSON_ARRAY) {
        return;
    }
    for (size_t i = 0; i < items->count;) {
        if (text_starts(member(items->items[i], name), prefix)) {
            json_remove_at(items, i);
        } else {
            i++;
        }
    }
    if (items->count == 0) {
        drop(owner, list);
    }
}

static void strip_pod(const struct json_value *body, struct json_value *expected)
{
    static const char *const lists[] = {"containers", "initContainers"};
    struct json_value *spec = member(expected, "spec");
    const struct json_value *given = member(body, "spec");
    drop_items(spec, "volumes", "name", "kube-api-access");
    for (size_t l = 0; l < 2; l++) {
        struct json_value *containers = member(spec, lists[l]);
        for (size_t i = 0; containers != NULL && i < containers->count; i++) {
            drop_items(containers->items[i], "volumeMounts", "name", "kube-api-access");
        }
    }
    drop_items(spec, "tolerations", "key", "node.kubernetes.io/");
    drop(spec, "priority");
    drop(spec, "preemptionPolicy");
    if (member(given, "serviceAccountName") == NULL && member(given, "serviceAccount") == NULL) {
        drop(spec, "serviceAccountName");
        drop(spec, "serviceAccount");
    }
}

static void strip_service(struct json_value *object)
{
    static const char *const allocated[] = {"clusterIP",      "clusterIPs",          "ipFamilies",
                                            "ipFamilyPolicy", "healthCheckNodePort", NULL};
    struct json_value *spec = member(object, "spec");
    struct json_value *ports = member(spec, "ports");
    for (const char *const *name = allocated; *name != NULL; name++) {
        drop(spec, *name);
    }
    for (size_t i = 0; ports != NULL && i < ports->count; i++) {
        drop(ports->items[i], "nodePort");
    }
}

void golden_strip(struct arena *arena, const char *kind, const struct json_value *body,
                  struct json_value *expected, struct json_value *actual)
{
    (void)arena;
    if (strcmp(kind, "Pod") == 0) {
        strip_pod(body, expected);
        drop_items(member(actual, "spec"), "tolerations", "key", "node.kubernetes.io/");
        drop(member(actual, "spec"), "priority");
        drop(member(actual, "spec"), "preemptionPolicy");
    } else if (strcmp(kind, "Service") == 0) {
        strip_service(expected);
        strip_service(actual);
    } else if (strcmp(kind, "Node") == 0) {
        drop_items(member(expected, "spec"), "taints", "key", "node.kubernetes.io/not-ready");
    }
}
