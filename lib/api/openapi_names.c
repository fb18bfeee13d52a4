/* Names of operations. They are an interface: generated clients name their functions after them. */
#include "lib/api/openapi_internal.h"

#include <ctype.h>

/* The text's words, each with a capital: "k8s.io" is "K8sIo". */
static const char *camel(struct arena *arena, const char *text, size_t len, bool capital)
{
    char *word = arena_alloc(arena, len + 1);
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!isalnum((unsigned char)c)) {
            capital = true;
            continue;
        }
        word[used++] = capital ? (char)toupper((unsigned char)c) : c;
        capital = false;
    }
    word[used] = '\0';
    return word;
}

static const char *capitalized(struct arena *arena, const char *text)
{
    return camel(arena, text, strlen(text), true);
}

const char *openapi_group_word(struct arena *arena, const char *group, bool capital)
{
    static const char suffix[] = ".k8s.io";
    size_t len = strlen(group);
    if (len == 0) {
        return capital ? "Core" : "core";
    }
    if (len >= sizeof(suffix) && strcmp(group + len - (sizeof(suffix) - 1), suffix) == 0) {
        len -= sizeof(suffix) - 1;
    }
    return camel(arena, group, len, capital);
}

static const char *verb_of(const char *action)
{
    static const struct {
        const char *action, *verb;
    } verbs[] = {{"get", "read"},
                 {"put", "replace"},
                 {"post", "create"},
                 {"deletecollection", "delete"},
                 {"watchlist", "watch"}};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].action, action) == 0) {
            return verbs[i].verb;
        }
    }
    return action;
}

const char *openapi_operation_id(struct arena *arena, const struct openapi_place *place,
                                 const char *method, const char *action)
{
    const struct api_kind *kind = place->kind;
    bool connects = strcmp(action, "connect") == 0;
    const char *what = strcmp(action, "deletecollection") == 0 ? "Collection"
                       : connects                              ? capitalized(arena, method)
                                                               : "";
    const char *part =
        place->subresource == NULL ? "" : capitalized(arena, place->subresource->name);
    bool everywhere = kind->namespaced && !place->namespaced;
    return arena_printf(arena, "%s%s%s%s%s%s%s%s%s%s", verb_of(action),
                        openapi_group_word(arena, kind->group, true),
                        capitalized(arena, kind->version), what,
                        place->namespaced ? "Namespaced" : "", kind->kind, part,
                        strcmp(action, "watchlist") == 0 ? "List" : "",
                        everywhere ? "ForAllNamespaces" : "", place->with_path ? "WithPath" : "");
}
