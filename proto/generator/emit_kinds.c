/* The rows of lib/api/kinds.h: one for each message with a `resource` option. */
#include "proto/generator/emit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static const char *group_of(const struct model_message *message)
{
    return message->file->group == NULL ? "" : message->file->group;
}

static const char *version_of(const struct model_message *message)
{
    return message->file->version == NULL ? "" : message->file->version;
}

static uint32_t group_rank(const struct model_message *message)
{
    return message->file->group_priority;
}

/* "group/version/Kind", or "/version/Kind" for core. NULL when no message is called so. */
static const struct model_message *find_body(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct model_message *message = model->messages[i];
        if (message->file->group_priority == 0 && message->file->version == NULL) {
            continue;
        }
        const char *full = arena_printf(model->arena, "%s/%s/%s", group_of(message),
                                        version_of(message), message->proto->name);
        if (strcmp(full, name) == 0) {
            return message;
        }
    }
    return NULL;
}

static const struct model_message *find_list(const struct model *model,
                                             const struct model_message *message)
{
    const char *name = arena_printf(model->arena, "%sList", message->full_name);
    return hash_map_get(model->names, slice_text(name));
}

/* --- Order -------------------------------------------------------------------------------------
 */

/* That of discovery: groups by priority, then versions, then resources by name. */
static int by_place(const void *a, const void *b)
{
    const struct model_message *left = *(const struct model_message *const *)a;
    const struct model_message *right = *(const struct model_message *const *)b;
    if (group_rank(left) != group_rank(right)) {
        return group_rank(left) > group_rank(right) ? -1 : 1;
    }
    int order = strcmp(group_of(left), group_of(right));
    if (order != 0) {
        return order;
    }
    if (left->file->version_priority != right->file->version_priority) {
        return left->file->version_priority > right->file->version_priority ? -1 : 1;
    }
    return strcmp(left->options->resource->plural, right->options->resource->plural);
}

static const struct model_message **sorted_kinds(const struct model *model, size_t *ret_count)
{
    const struct model_message **kinds =
        arena_array(model->arena, model->count, sizeof(struct model_message *));
    size_t count = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (model->messages[i]->options->resource != NULL) {
            kinds[count++] = model->messages[i];
        }
    }
    qsort(kinds, count, sizeof(*kinds), by_place);
    *ret_count = count;
    return kinds;
}

/* --- Parts of a row ----------------------------------------------------------------------------
 */

/* "API_VERB_GET | API_VERB_LIST"; `otherwise` when none is named. */
static void emit_verbs(struct buffer *out, char *const *verbs, size_t count, const char *otherwise)
{
    buffer_append_text(out, count == 0 ? otherwise : "0");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, " | API_VERB_");
        for (const char *at = verbs[i]; *at != '\0'; at++) {
            buffer_append_byte(out, (uint8_t)toupper((unsigned char)*at));
        }
    }
}

static bool can_list(const Coracle__Resource *resource)
{
    for (size_t i = 0; i < resource->n_verbs; i++) {
        if (strcmp(resource->verbs[i], "list") == 0) {
            return true;
        }
    }
    return resource->n_verbs == 0;
}

/* NULL-terminated, never NULL itself. */
static void emit_names(struct buffer *out, const char *member, char *const *texts, size_t count)
{
    buffer_printf(out, "     .%s = (const char *const[]){", member);
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "\"%s\", ", texts[i]);
    }
    buffer_append_text(out, "NULL},\n");
}

static void emit_selectable(struct buffer *out, const Coracle__Resource *resource)
{
    char name[] = "metadata.name", namespace[] = "metadata.namespace";
    char *const usual[] = {name, namespace};
    if (resource->n_selectable > 0 || !can_list(resource)) {
        emit_names(out, "selectable", resource->selectable, resource->n_selectable);
    } else {
        emit_names(out, "selectable", usual, ARRAY_LEN(usual));
    }
}

/* A body that no file has stops the build. */
static void emit_subresource(const struct model *model, const struct model_message *kind,
                             const Coracle__Subresource *subresource, struct buffer *out)
{
    const struct model_message *body =
        subresource->body == NULL ? kind : find_body(model, subresource->body);
    if (body == NULL) {
        buffer_printf(out, "\n#error no message is called %s\n", subresource->body);
        return;
    }
    buffer_printf(out, "    {\"%s\", \"%s\", \"%s\", \"%s\", ", subresource->name, group_of(body),
                  version_of(body), body->proto->name);
    emit_verbs(out, subresource->verbs, subresource->n_verbs,
               "API_VERB_GET | API_VERB_PATCH | API_VERB_UPDATE");
    if (subresource->stream) {
        buffer_append_text(out, ", NULL},\n");
    } else {
        buffer_printf(out, ", &%s__schema},\n", body->c_lower);
    }
}

static void emit_subresources(const struct model *model, const struct model_message *kind,
                              struct buffer *out)
{
    const Coracle__Resource *resource = kind->options->resource;
    if (resource->n_subresources == 0) {
        return;
    }
    buffer_printf(out, "static const struct api_subresource %s__subresources[] = {\n",
                  kind->c_lower);
    for (size_t i = 0; i < resource->n_subresources; i++) {
        emit_subresource(model, kind, resource->subresources[i], out);
    }
    buffer_append_text(out, "};\n");
}

static bool has_status(const Coracle__Resource *resource)
{
    for (size_t i = 0; i < resource->n_subresources; i++) {
        if (strcmp(resource->subresources[i]->name, "status") == 0) {
            return true;
        }
    }
    return false;
}

static void emit_strategy(const Coracle__Resource *resource, struct buffer *out)
{
    static const char *const generations[] = {
        [CORACLE__GENERATION__GENERATION_NONE] = "API_GENERATION_NONE",
        [CORACLE__GENERATION__GENERATION_FIXED] = "API_GENERATION_FIXED",
        [CORACLE__GENERATION__GENERATION_SPEC] = "API_GENERATION_SPEC",
        [CORACLE__GENERATION__GENERATION_SPEC_ANNOTATIONS] = "API_GENERATION_SPEC_ANNOTATIONS",
        [CORACLE__GENERATION__GENERATION_CONTENT] = "API_GENERATION_CONTENT",
        [CORACLE__GENERATION__GENERATION_CONTENT_LABELS] = "API_GENERATION_CONTENT_LABELS",
        [CORACLE__GENERATION__GENERATION_SPEC_CHANGES] = "API_GENERATION_SPEC_CHANGES",
    };
    static const char *const propagations[] = {
        [CORACLE__PROPAGATION__PROPAGATION_BACKGROUND] = "API_PROPAGATION_BACKGROUND",
        [CORACLE__PROPAGATION__PROPAGATION_ORPHAN] = "API_PROPAGATION_ORPHAN",
        [CORACLE__PROPAGATION__PROPAGATION_NONE] = "API_PROPAGATION_NONE",
    };
    const struct {
        const char *name;
        bool on;
    } flags[] = {
        {"has_status", has_status(resource)},
        {"keep_status_on_create", resource->keep_status_on_create},
        {"create_on_update", resource->create_on_update},
        {"unconditional_update", resource->unconditional_update},
        {"graceful_delete", resource->graceful_delete},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        buffer_printf(out, "     .%s = %s,\n", flags[i].name, flags[i].on ? "true" : "false");
    }
    buffer_printf(out, "     .generation = %s,\n     .propagation = %s,\n",
                  generations[resource->generation], propagations[resource->propagation]);
    emit_names(out, "status_keeps", resource->status_keeps, resource->n_status_keeps);
}

/* "API_SYNTAX_DNS1123_LABEL"; one that lib/api does not have stops the build of the tables. */
static void emit_syntax(struct buffer *out, const char *name)
{
    buffer_append_text(out, "     .names = API_SYNTAX_");
    for (const char *at = name == NULL ? "path_segment" : name; *at != '\0'; at++) {
        buffer_append_byte(out, (uint8_t)toupper((unsigned char)*at));
    }
    buffer_append_text(out, ",\n");
}

static const char *lower(struct arena *arena, const char *text)
{
    char *copy = arena_text(arena, text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    return copy;
}

/* The row that it is stored as must be among the kinds. */
static void emit_stored_as(const struct model *model, const struct model_message **kinds,
                           size_t count, const Coracle__Resource *resource, struct buffer *out)
{
    if (resource->stored_as == NULL) {
        return;
    }
    const struct model_message *other = find_body(model, resource->stored_as);
    for (size_t i = 0; i < count; i++) {
        if (kinds[i] == other) {
            buffer_printf(out, "     .stored_as = &api_kind_rows[%zu],\n", i);
            return;
        }
    }
    buffer_printf(out, "\n#error no kind is called %s\n", resource->stored_as);
}

/* --- Rows --------------------------------------------------------------------------------------
 */

static void emit_identity(const struct model *model, const struct model_message *kind,
                          struct buffer *out)
{
    const char *group = group_of(kind), *version = version_of(kind), *name = kind->proto->name;
    const Coracle__Resource *resource = kind->options->resource;
    bool core = *group == '\0';
    buffer_printf(out, "    {.group = \"%s\",\n     .version = \"%s\",\n     .kind = \"%s\",\n",
                  group, version, name);
    buffer_printf(out, "     .api_version = \"%s%s%s\",\n", group, core ? "" : "/", version);
    buffer_printf(out, "     .list_kind = \"%s%s\",\n", can_list(resource) ? name : "",
                  can_list(resource) ? "List" : "");
    buffer_printf(out, "     .plural = \"%s\",\n     .singular = \"%s\",\n", resource->plural,
                  lower(model->arena, name));
    buffer_printf(out, "     .resource = \"%s%s%s\",\n", resource->plural, core ? "" : ".", group);
    emit_names(out, "short_names", resource->short_names, resource->n_short_names);
    emit_names(out, "categories", resource->categories, resource->n_categories);
    buffer_printf(out, "     .namespaced = %s,\n", resource->namespaced ? "true" : "false");
}

static void emit_kind(const struct model *model, const struct model_message **kinds, size_t count,
                      size_t index, struct buffer *out)
{
    const struct model_message *kind = kinds[index];
    const Coracle__Resource *resource = kind->options->resource;
    const struct model_message *list = can_list(resource) ? find_list(model, kind) : NULL;
    emit_identity(model, kind, out);
    buffer_append_text(out, "     .verbs = ");
    emit_verbs(out, resource->verbs, resource->n_verbs, "API_VERBS");
    buffer_append_text(out, ",\n");
    if (resource->n_subresources > 0) {
        buffer_printf(out,
                      "     .subresources = %s__subresources,\n     .subresource_count = %zu,\n",
                      kind->c_lower, resource->n_subresources);
    }
    buffer_printf(out, "     .message = &%s__schema,\n", kind->c_lower);
    if (list != NULL) {
        buffer_printf(out, "     .list_message = &%s__schema,\n", list->c_lower);
    }
    buffer_printf(out, "     .stored = %s,\n     .storage_prefix = \"%s\",\n",
                  resource->stored != NULL ? "true" : "false",
                  resource->stored != NULL ? resource->stored : "");
    buffer_printf(out, "     .storage_hash = \"%s\",\n",
                  resource->storage_hash != NULL ? resource->storage_hash : "");
    emit_stored_as(model, kinds, count, resource, out);
    emit_selectable(out, resource);
    emit_syntax(out, resource->names);
    emit_strategy(resource, out);
    buffer_printf(out, "     .index = %zu},\n", index);
}

static bool same_version(const struct model_message *a, const struct model_message *b)
{
    return strcmp(group_of(a), group_of(b)) == 0 && strcmp(version_of(a), version_of(b)) == 0;
}

static void emit_versions(const struct model_message **kinds, size_t count, struct buffer *out)
{
    size_t versions = 0;
    buffer_append_text(out, "const struct api_group_version api_group_version_rows[] = {\n");
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && same_version(kinds[i - 1], kinds[i])) {
            continue;
        }
        /* The rows are sorted: the first version of a group is the preferred one. */
        bool preferred = i == 0 || strcmp(group_of(kinds[i - 1]), group_of(kinds[i])) != 0;
        buffer_printf(out, "    {\"%s\", \"%s\", %u, %u, %s},\n", group_of(kinds[i]),
                      version_of(kinds[i]), kinds[i]->file->group_priority,
                      kinds[i]->file->version_priority, preferred ? "true" : "false");
        versions++;
    }
    buffer_printf(out, "};\nconst size_t api_group_version_row_count = %zu;\n", versions);
}

void emit_kinds(const struct model *model, struct buffer *out)
{
    size_t count;
    const struct model_message **kinds = sorted_kinds(model, &count);
    buffer_append_text(out, "/* Made by proto/generator from the .proto files. */\n"
                            "#include \"k8s/tables.h\"\n"
                            "#include \"lib/api/kinds_table.h\"\n\n");
    for (size_t i = 0; i < count; i++) {
        emit_subresources(model, kinds[i], out);
    }
    buffer_append_text(out, "const struct api_kind api_kind_rows[] = {\n");
    for (size_t i = 0; i < count; i++) {
        emit_kind(model, kinds, count, i, out);
    }
    buffer_printf(out, "};\nconst size_t api_kind_row_count = %zu;\n", count);
    emit_versions(kinds, count, out);
}
