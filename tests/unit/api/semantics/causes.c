#include "tests/unit/api/semantics/causes.h"

#include "lib/api/codec.h"
#include "lib/api/defaults.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/status.h"
#include "lib/api/strategy.h"
#include "lib/api/validate.h"
#include <check.h>

static void *decoded(struct arena *arena, const struct api_kind *kind, const char *quoted)
{
    struct error error = {0};
    void *message = NULL;
    char *json = arena_text(arena, quoted);
    for (char *at = json; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    ck_assert_msg(api_decode_json(arena, kind->message, slice_text(json), NULL, &message, &error) ==
                      0,
                  "%s", error_message(&error));
    api_default_object(arena, kind, message);
    return message;
}

static const char *causes_text(struct arena *arena, const char *api_version, const char *kind,
                               const char *subresource, const char *before, const char *after)
{
    const struct api_kind *row = api_kind_by_api_version(api_version, kind);
    struct api_causes causes;
    const char *text = "";
    ck_assert_ptr_nonnull(row);
    void *object = decoded(arena, row, after);
    api_causes_init(&causes, arena);
    if (before == NULL) {
        api_prepare_create(arena, row, object);
        api_validate_create(arena, row, object, &causes);
    } else {
        void *old = decoded(arena, row, before);
        api_message_meta(row->message, old)->resource_version = arena_text(arena, "1");
        api_message_meta(row->message, object)->resource_version = arena_text(arena, "1");
        if (*subresource != '\0') {
            api_prepare_update(arena, row, old, object, subresource);
        }
        api_validate_update(arena, row, old, object, subresource, &causes);
    }
    for (size_t i = 0; i < causes.count; i++) {
        text = arena_printf(arena, "%s%s%s: %s", text, i == 0 ? "" : "\n", causes.items[i].field,
                            causes.items[i].message);
    }
    return text;
}

void assert_causes(const char *file, int line, const char *api_version, const char *kind,
                   const char *subresource, const char *before, const char *after,
                   const char *expected)
{
    struct arena *arena = arena_new(SIZE_MAX);
    const char *text = causes_text(arena, api_version, kind, subresource, before, after);
    ck_assert_msg(strcmp(text, expected) == 0, "%s:%d: causes are\n%s\nand not\n%s", file, line,
                  text, expected);
    arena_free(arena);
}

void assert_refused_at(const char *file, int line, const char *api_version, const char *kind,
                       const char *before, const char *after, const char *field)
{
    struct arena *arena = arena_new(SIZE_MAX);
    const char *text = causes_text(arena, api_version, kind, "", before, after);
    const char *colon = strchr(text, ':');
    bool there = colon != NULL && strlen(field) == (size_t)(colon - text) &&
                 strncmp(text, field, strlen(field)) == 0 && strchr(text, '\n') == NULL;
    ck_assert_msg(there, "%s:%d: causes are\n%s\nand not one at %s", file, line, text, field);
    arena_free(arena);
}
