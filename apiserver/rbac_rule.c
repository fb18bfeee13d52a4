#include "apiserver/rbac_rule.h"

#include "apiserver/limits.h"
#include "lib/api/status.h"
#include "lib/base/buffer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is(const char *text, const char *value)
{
    return strcmp(text, value) == 0;
}

static bool has(char *const *list, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (is(list[i], text)) {
            return true;
        }
    }
    return false;
}

static bool has_or_all(char *const *list, size_t count, const char *text)
{
    return has(list, count, "*") || has(list, count, text);
}

/* --- What a rule allows --- */

/* "pods", "pods/status" for a subresource, and then "" + "/status" for "*" + "/status". */
static bool names_resource(const char *rule, const char *resource, const char *subresource)
{
    if (is(rule, "*")) {
        return true;
    }
    if (subresource[0] == 0) {
        return is(rule, resource);
    }
    size_t len = strlen(resource);
    if (rule[0] == '*' && rule[1] == '/' && is(rule + 2, subresource)) {
        return true;
    }
    return strncmp(rule, resource, len) == 0 && rule[len] == '/' && is(rule + len + 1, subresource);
}

static bool allows_resource(const Rbac__V1__PolicyRule *rule, const struct access *access)
{
    bool named = false;
    for (size_t i = 0; !named && i < rule->n_resources; i++) {
        named = names_resource(rule->resources[i], access->resource, access->subresource);
    }
    return named && has_or_all(rule->api_groups, rule->n_api_groups, access->group) &&
           (rule->n_resource_names == 0 ||
            has(rule->resource_names, rule->n_resource_names, access->name));
}

/* "/healthz/" + "*" covers what begins so; a star elsewhere stands for itself. */
static bool covers_path(const char *rule, const char *path)
{
    size_t len = strlen(rule);
    if (is(rule, path)) {
        return true;
    }
    if (len == 0 || rule[len - 1] != '*') {
        return false;
    }
    while (len > 0 && rule[len - 1] == '*') {
        len--;
    }
    return strncmp(rule, path, len) == 0;
}

static bool allows_path(const Rbac__V1__PolicyRule *rule, const struct access *access)
{
    for (size_t i = 0; i < rule->n_non_resource_urls; i++) {
        if (covers_path(rule->non_resource_urls[i], access->path)) {
            return true;
        }
    }
    return false;
}

bool rbac_rule_allows(const Rbac__V1__PolicyRule *rule, const struct access *access)
{
    return has_or_all(rule->verbs, rule->n_verbs, access->verb) &&
           (access->is_resource ? allows_resource(rule, access) : allows_path(rule, access));
}

/* --- Which permissions are held --- */

/* One permission: of a resource (name NULL: of all objects), or of a path (resource NULL). */
struct permission {
    char *group, *resource, *verb, *name, *path;
};

static bool covers_resource(const Rbac__V1__PolicyRule *rule, const char *resource)
{
    if (has_or_all(rule->resources, rule->n_resources, resource)) {
        return true;
    }
    const char *slash = strchr(resource, '/');
    for (size_t i = 0; slash != NULL && i < rule->n_resources; i++) {
        const char *each = rule->resources[i];
        if (each[0] == '*' && is(each + 1, slash)) {
            return true;
        }
    }
    return false;
}

static bool rule_covers(const Rbac__V1__PolicyRule *rule, const struct permission *wanted)
{
    if (!has_or_all(rule->verbs, rule->n_verbs, wanted->verb)) {
        return false;
    }
    if (wanted->resource != NULL) {
        return has_or_all(rule->api_groups, rule->n_api_groups, wanted->group) &&
               covers_resource(rule, wanted->resource) &&
               (rule->n_resource_names == 0 ||
                (wanted->name != NULL &&
                 has(rule->resource_names, rule->n_resource_names, wanted->name)));
    }
    /* A rule for some names of a resource holds no path. */
    for (size_t i = 0; rule->n_resource_names == 0 && i < rule->n_non_resource_urls; i++) {
        if (covers_path(rule->non_resource_urls[i], wanted->path)) {
            return true;
        }
    }
    return false;
}

static bool held(const struct rbac_rules *rules, const struct permission *wanted)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rule_covers(rules->items[i], wanted)) {
            return true;
        }
    }
    return false;
}

/* --- What is missing, in words --- */

/* Missing permissions that differ in the verb alone are one rule. */
struct missing_rule {
    struct permission what; /* Without the verb. */
    char **verbs;
    size_t verb_count, verb_room;
};

struct missing {
    struct arena *arena;
    struct missing_rule *rules;
    size_t count, room;
};

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && is(a, b));
}

static bool same_but_verb(const struct permission *a, const struct permission *b)
{
    return same(a->group, b->group) && same(a->resource, b->resource) && same(a->name, b->name) &&
           a->path == NULL && b->path == NULL;
}

static void *grown(struct arena *arena, const void *items, size_t count, size_t *room, size_t size)
{
    *room = *room == 0 ? 8 : *room * 2;
    void *larger = arena_array(arena, *room, size);
    if (count > 0) {
        memcpy(larger, items, count * size);
    }
    return larger;
}

static void add_missing(struct missing *missing, const struct permission *wanted)
{
    struct missing_rule *rule = NULL;
    for (size_t i = 0; rule == NULL && i < missing->count; i++) {
        rule = same_but_verb(&missing->rules[i].what, wanted) ? &missing->rules[i] : NULL;
    }
    if (rule == NULL) {
        if (missing->count == missing->room) {
            missing->rules = grown(missing->arena, missing->rules, missing->count, &missing->room,
                                   sizeof(*rule));
        }
        rule = &missing->rules[missing->count++];
        *rule = (struct missing_rule){.what = *wanted};
    }
    if (!has(rule->verbs, rule->verb_count, wanted->verb)) {
        if (rule->verb_count == rule->verb_room) {
            rule->verbs = grown(missing->arena, rule->verbs, rule->verb_count, &rule->verb_room,
                                sizeof(char *));
        }
        rule->verbs[rule->verb_count++] = wanted->verb;
    }
}

static const char *quoted_one(struct arena *arena, const char *text)
{
    return rbac_quoted_list(arena, &text, 1);
}

static const char *rule_text(struct arena *arena, const struct missing_rule *rule)
{
    const struct permission *what = &rule->what;
    const char *verbs = rbac_quoted_list(arena, (const char *const *)rule->verbs, rule->verb_count);
    if (what->path != NULL) {
        return arena_printf(arena, "{NonResourceURLs:%s, Verbs:%s}", quoted_one(arena, what->path),
                            verbs);
    }
    const char *names = what->name == NULL ? ""
                                           : arena_printf(arena, ", ResourceNames:%s",
                                                          quoted_one(arena, what->name));
    return arena_printf(arena, "{APIGroups:%s, Resources:%s%s, Verbs:%s}",
                        quoted_one(arena, what->group), quoted_one(arena, what->resource), names,
                        verbs);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *missing_text(struct missing *missing)
{
    struct arena *arena = missing->arena;
    const char **lines = arena_array(arena, missing->count, sizeof(char *));
    for (size_t i = 0; i < missing->count; i++) {
        lines[i] = rule_text(arena, &missing->rules[i]);
    }
    qsort(lines, missing->count, sizeof(char *), by_text);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, ENCODED_OBJECT_MAX);
    for (size_t i = 0; i < missing->count; i++) {
        if (i == 0 || !is(lines[i], lines[i - 1])) {
            buffer_append_text(&text, i == 0 ? "" : "\n");
            buffer_append_text(&text, lines[i]);
        }
    }
    return arena_text(arena, buffer_text(&text));
}

/* --- Taking rules apart --- */

static void look_for(const struct rbac_rules *rules, const struct permission *wanted,
                     struct missing *missing)
{
    if (!held(rules, wanted)) {
        add_missing(missing, wanted);
    }
}

static void look_for_resource(const struct rbac_rules *rules, const Rbac__V1__PolicyRule *wanted,
                              struct permission permission, struct missing *missing)
{
    for (size_t i = 0; i < wanted->n_verbs; i++) {
        permission.verb = wanted->verbs[i];
        if (wanted->n_resource_names == 0) {
            look_for(rules, &permission, missing);
        }
        for (size_t j = 0; j < wanted->n_resource_names; j++) {
            permission.name = wanted->resource_names[j];
            look_for(rules, &permission, missing);
        }
    }
}

static void look_for_rule(const struct rbac_rules *rules, const Rbac__V1__PolicyRule *wanted,
                          struct missing *missing)
{
    for (size_t i = 0; i < wanted->n_api_groups; i++) {
        for (size_t j = 0; j < wanted->n_resources; j++) {
            look_for_resource(rules, wanted,
                              (struct permission){.group = wanted->api_groups[i],
                                                  .resource = wanted->resources[j]},
                              missing);
        }
    }
    for (size_t i = 0; i < wanted->n_non_resource_urls; i++) {
        for (size_t j = 0; j < wanted->n_verbs; j++) {
            look_for(rules,
                     &(struct permission){.path = wanted->non_resource_urls[i],
                                          .verb = wanted->verbs[j]},
                     missing);
        }
    }
}

/* A product of list lengths that stops at the limit, so that it cannot overflow. */
static size_t permissions_of(const Rbac__V1__PolicyRule *rule)
{
    const size_t factors[] = {rule->n_api_groups, rule->n_resources, rule->n_verbs,
                              rule->n_resource_names == 0 ? 1 : rule->n_resource_names};
    size_t product = 1;
    for (size_t i = 0; i < ARRAY_LEN(factors); i++) {
        product =
            factors[i] > RBAC_PERMISSIONS_MAX ? RBAC_PERMISSIONS_MAX + 1 : product * factors[i];
        product = product > RBAC_PERMISSIONS_MAX ? RBAC_PERMISSIONS_MAX + 1 : product;
    }
    bool many = rule->n_non_resource_urls > 0 &&
                rule->n_verbs > RBAC_PERMISSIONS_MAX / rule->n_non_resource_urls;
    return many ? RBAC_PERMISSIONS_MAX + 1 : product + rule->n_non_resource_urls * rule->n_verbs;
}

int rbac_rules_cover(struct arena *arena, const struct rbac_rules *held_rules,
                     const struct rbac_rules *wanted, const char **ret_missing)
{
    struct missing missing = {.arena = arena};
    size_t permissions = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        permissions += permissions_of(wanted->items[i]);
        if (permissions > RBAC_PERMISSIONS_MAX) {
            return -E2BIG;
        }
    }
    for (size_t i = 0; i < wanted->count; i++) {
        look_for_rule(held_rules, wanted->items[i], &missing);
    }
    if (missing.count == 0) {
        return 0;
    }
    *ret_missing = missing_text(&missing);
    return -EACCES;
}

const char *rbac_quoted_list(struct arena *arena, const char *const *texts, size_t count)
{
    CLEANUP(buffer_release) struct buffer list;
    buffer_init(&list, ENCODED_OBJECT_MAX);
    buffer_append_byte(&list, '[');
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&list, i == 0 ? "" : " ");
        api_print_quoted(texts[i], &list);
    }
    buffer_append_byte(&list, ']');
    return arena_text(arena, buffer_text(&list));
}
