/* Documents come one after the other, and each is written out before the next is looked at. What
 * can be shared with what is there already has the same content, and refers to the same. That is
 * found in three steps, each of which takes as long as the document is: first each definition finds
 * one that came with its name and content; then those whose references would lead elsewhere get
 * names of their own; and then so does whoever refers to one of these. */
#include "lib/api/limits_semantics.h"
#include "lib/api/openapi_clean.h"
#include "lib/api/openapi_extension.h"
#include "lib/api/openapi_internal.h"
#include "lib/api/openapi_proto.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { OUT_MAX = 8 * API_OPENAPI_MERGED_MAX }; /* What it takes is well below that. */

/* What is known under a key. */
struct entry {
    struct slice key;
    bool taken;              /* A name that somebody has. */
    unsigned last;           /* The last number that was put behind a name. */
    struct slice name, text; /* Of a content: what has it, and how it came to be written. */
};

struct table {
    struct entry *items;
    size_t count, capacity;
    struct name_index index;
};

struct api_openapi_merge {
    struct arena *arena;
    const struct json_value *own[API_OPENAPI_PARTS]; /* What is built in; NULL: not read. */
    const struct json_value *custom;                 /* Definitions. */
    struct table names, contents;
    size_t bytes; /* Of all documents. */
    struct buffer json[API_OPENAPI_PARTS];
    struct buffer protobuf;
};

/* A definition or parameter of the document that is added. */
struct node {
    enum api_openapi_part part;
    struct slice name, now; /* As it came, and as it is called here. */
    const struct json_value *value;
    struct slice given;  /* Its content as it came, in an order of its own. */
    struct slice shared; /* That of the one which stands for it; empty: it stands for itself. */
    size_t first_use;    /* In `uses`, counted from 1. */
};

/* A definition refers to another one. */
struct use {
    size_t user;
    size_t next; /* Of the same one, counted from 1. */
};

struct addition {
    struct api_openapi_merge *merge;
    struct arena *arena;
    struct openapi_clean clean;
    struct node *nodes;
    size_t count, capacity;
    struct name_index names[API_OPENAPI_PARTS];
    struct use *uses;
    size_t use_count, use_capacity;
    size_t user;   /* Whose references are noted; SIZE_MAX: they are renamed. */
    size_t *moved; /* Got a new name while others refer to them by the old one. */
    size_t moved_count;
    struct json_value *written[API_OPENAPI_PARTS];
};

/* --- Tables ------------------------------------------------------------------------------------
 */

static struct entry *find_entry(const struct table *table, struct slice key)
{
    for (struct name_search search = name_index_find(&table->index, key);
         name_index_next(&search);) {
        if (slice_equal(table->items[search.place].key, key)) {
            return &table->items[search.place];
        }
    }
    return NULL;
}

/* Valid until the next one is added. */
static struct entry *find_or_add(struct arena *arena, struct table *table, struct slice key)
{
    struct entry *entry = find_entry(table, key);
    if (entry != NULL) {
        return entry;
    }
    table->items = arena_array_room(arena, table->items, table->count, sizeof(*table->items),
                                    &table->capacity);
    entry = &table->items[table->count];
    *entry = (struct entry){.key = arena_slice(arena, key)};
    name_index_add(&table->index, arena, entry->key, table->count++);
    return entry;
}

/* Of a name. */
static struct slice name_key(struct arena *arena, enum api_openapi_part part, struct slice name)
{
    uint8_t *key = arena_alloc(arena, name.len + 1);
    key[0] = (uint8_t)part;
    memcpy(key + 1, name.data, name.len);
    return slice_of(key, name.len + 1);
}

/* Of a content that came with this name, as it came or as it came to be written. */
static struct slice content_key(struct arena *arena, const struct node *node, char which,
                                struct slice text)
{
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&key, SIZE_MAX / 2);
    buffer_append_byte(&key, (uint8_t)which);
    buffer_append_byte(&key, (uint8_t)node->part);
    json_print_string(node->name, &key); /* It ends where the text begins. */
    buffer_append_slice(&key, text);
    return arena_slice(arena, buffer_slice(&key));
}

/* --- The document ------------------------------------------------------------------------------
 */

static struct node *find_node(const struct addition *addition, enum api_openapi_part part,
                              struct slice name)
{
    for (struct name_search search = name_index_find(&addition->names[part], name);
         name_index_next(&search);) {
        if (slice_equal(addition->nodes[search.place].name, name)) {
            return &addition->nodes[search.place];
        }
    }
    return NULL;
}

static struct slice refer(void *data, enum api_openapi_part part, struct slice name)
{
    struct addition *addition = data;
    struct node *node = find_node(addition, part, name);
    if (node == NULL) {
        return slice_text("");
    }
    if (addition->user == SIZE_MAX) {
        return node->now;
    }
    addition->uses = arena_array_room(addition->arena, addition->uses, addition->use_count,
                                      sizeof(*addition->uses), &addition->use_capacity);
    addition->uses[addition->use_count++] =
        (struct use){.user = addition->user, .next = node->first_use};
    node->first_use = addition->use_count;
    return name;
}

/* With the names that things have by now. */
static struct json_value *cleaned(struct addition *addition, const struct node *node)
{
    return node->part == API_OPENAPI_PARAMETERS
               ? openapi_clean_parameter(&addition->clean, node->value)
               : openapi_clean_schema(&addition->clean, node->value);
}

static struct slice printed(struct arena *arena, const struct json_value *value)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    json_print(value, /* sorted= */ true, &text);
    return arena_slice(arena, buffer_slice(&text));
}

static void add_nodes(struct addition *addition, enum api_openapi_part part,
                      const struct json_value *members)
{
    for (size_t i = 0; members != NULL && i < members->count; i++) {
        struct node node = {.part = part,
                            .name = members->members[i].name,
                            .now = members->members[i].name,
                            .value = members->members[i].value};
        if (part == API_OPENAPI_PARAMETERS && cleaned(addition, &node) == NULL) {
            continue;
        }
        addition->nodes = arena_array_room(addition->arena, addition->nodes, addition->count,
                                           sizeof(*addition->nodes), &addition->capacity);
        name_index_add(&addition->names[part], addition->arena, node.name, addition->count);
        addition->nodes[addition->count++] = node;
    }
}

static void note_contents(struct addition *addition)
{
    for (size_t i = 0; i < addition->count; i++) {
        addition->user = i;
        struct node *node = &addition->nodes[i];
        node->given = printed(addition->arena, cleaned(addition, node));
    }
    addition->user = SIZE_MAX;
}

/* --- Names -------------------------------------------------------------------------------------
 */

/* A part of our own document, which ends where others add to it. */
static const struct json_value *read_own(struct arena *arena, enum api_openapi_part part)
{
    static const char *const names[] = {
        [API_OPENAPI_PARAMETERS] = "parameters", [API_OPENAPI_DEFINITIONS] = "definitions"};
    CLEANUP(buffer_release) struct buffer text;
    struct json_value *tree = NULL;
    buffer_init(&text, OUT_MAX);
    if (part == API_OPENAPI_DEFINITIONS) {
        buffer_append_text(&text, "{\"before\":{");
    }
    int status = api_openapi_v2(part, &text);
    buffer_append_text(&text, "}}");
    status = status == 0 ? json_parse(arena, buffer_slice(&text), &tree, NULL) : status;
    assert(status == 0); /* It is our own. */
    return json_get_text(tree, names[part]);
}

/* What is built in or custom has this name. Our own definitions are many, so they are read only
 * when one may be meant. */
static const struct json_value *find_own(struct api_openapi_merge *merge,
                                         enum api_openapi_part part, struct slice name)
{
    if (part == API_OPENAPI_DEFINITIONS && !slice_starts_with(name, slice_text("io.k8s."))) {
        return json_get(merge->custom, name);
    }
    if (merge->own[part] == NULL) {
        merge->own[part] = read_own(merge->arena, part);
    }
    const struct json_value *own = json_get(merge->own[part], name);
    return own == NULL && part == API_OPENAPI_DEFINITIONS ? json_get(merge->custom, name) : own;
}

static bool is_taken(const struct addition *addition, enum api_openapi_part part, struct slice name)
{
    const struct entry *entry =
        find_entry(&addition->merge->names, name_key(addition->arena, part, name));
    return (entry != NULL && entry->taken) || find_own(addition->merge, part, name) != NULL;
}

static void take_name(const struct addition *addition, enum api_openapi_part part,
                      struct slice name)
{
    find_or_add(addition->merge->arena, &addition->merge->names,
                name_key(addition->arena, part, name))
        ->taken = true;
}

/* Names are counted on from document to document: looking for a free one stays short. */
static void rename_node(struct addition *addition, struct node *node)
{
    struct api_openapi_merge *merge = addition->merge;
    struct slice key = name_key(addition->arena, node->part, node->name);
    unsigned number = find_or_add(merge->arena, &merge->names, key)->last;
    CLEANUP(buffer_release) struct buffer name;
    buffer_init(&name, SIZE_MAX / 2);
    number = number == 0 ? 1 : number;
    do {
        buffer_clear(&name);
        buffer_append_slice(&name, node->name);
        buffer_printf(&name, "_v%u", ++number);
    } while (is_taken(addition, node->part, buffer_slice(&name)) ||
             find_node(addition, node->part, buffer_slice(&name)) != NULL);
    node->now = arena_slice(merge->arena, buffer_slice(&name));
    node->shared = slice_text("");
    take_name(addition, node->part, node->now);
    find_or_add(merge->arena, &merge->names, key)->last = number;
}

/* One of this content that is there, if there is one. */
static bool share(struct addition *addition, struct node *node, char which, struct slice text)
{
    const struct entry *entry =
        find_entry(&addition->merge->contents, content_key(addition->arena, node, which, text));
    if (entry != NULL) {
        node->now = entry->name;
        node->shared = entry->text;
    }
    return entry != NULL;
}

static void choose_name(struct addition *addition, struct node *node)
{
    const struct json_value *own = find_own(addition->merge, node->part, node->name);
    if (!is_taken(addition, node->part, node->name)) {
        take_name(addition, node->part, node->name);
    } else if (own != NULL && slice_equal(printed(addition->arena, own), node->given)) {
        node->shared = node->given;
    } else if (!share(addition, node, 'g', node->given)) {
        rename_node(addition, node);
    }
}

static void move(struct addition *addition, size_t place)
{
    rename_node(addition, &addition->nodes[place]);
    addition->moved[addition->moved_count++] = place;
}

/* Not to what its stand-in refers to. */
static bool refers_elsewhere(struct addition *addition, struct node *node)
{
    struct slice text = printed(addition->arena, cleaned(addition, node));
    return !slice_equal(text, node->shared) && !share(addition, node, 'w', text);
}

static void choose_names(struct addition *addition)
{
    for (size_t i = 0; i < addition->count; i++) {
        choose_name(addition, &addition->nodes[i]);
    }
    /* Room for each twice: it finds another stand-in, and then gives that up, too. */
    addition->moved =
        arena_array(addition->arena, addition->count * 2 + 1, sizeof(*addition->moved));
    for (size_t i = 0; i < addition->count; i++) {
        struct node *node = &addition->nodes[i];
        struct slice before = node->now;
        if (node->shared.len == 0) {
            continue;
        }
        if (refers_elsewhere(addition, node)) {
            move(addition, i);
        } else if (!slice_equal(before, node->now)) {
            addition->moved[addition->moved_count++] = i;
        }
    }
    while (addition->moved_count > 0) {
        const struct node *node = &addition->nodes[addition->moved[--addition->moved_count]];
        for (size_t use = node->first_use; use != 0; use = addition->uses[use - 1].next) {
            size_t user = addition->uses[use - 1].user;
            if (addition->nodes[user].shared.len > 0) {
                move(addition, user);
            }
        }
    }
}

/* --- Writing -----------------------------------------------------------------------------------
 */

static void write_member(struct addition *addition, enum api_openapi_part part, struct slice name,
                         struct json_value *value)
{
    struct buffer *out = &addition->merge->json[part];
    buffer_append_text(out, ",");
    json_print_string(name, out);
    buffer_append_text(out, ":");
    json_print(value, /* sorted= */ false, out);
    json_add(addition->arena, addition->written[part], name, value);
}

static void note_content(struct addition *addition, const struct node *node, char which,
                         struct slice given, struct slice written)
{
    struct api_openapi_merge *merge = addition->merge;
    struct entry *entry = find_or_add(merge->arena, &merge->contents,
                                      content_key(addition->arena, node, which, given));
    entry->name = arena_slice(merge->arena, node->now);
    entry->text = written;
}

static void write_nodes(struct addition *addition)
{
    for (size_t i = 0; i < addition->count; i++) {
        const struct node *node = &addition->nodes[i];
        if (node->shared.len == 0) {
            struct json_value *value = cleaned(addition, node);
            struct slice written = printed(addition->merge->arena, value);
            write_member(addition, node->part, node->now, value);
            note_content(addition, node, 'g', node->given, written);
            note_content(addition, node, 'w', written, written);
        }
    }
}

static int write_all(struct addition *addition, const struct json_value *paths)
{
    struct buffer *protobuf = &addition->merge->protobuf;
    for (enum api_openapi_part part = 0; part < API_OPENAPI_PARTS; part++) {
        addition->written[part] = json_new_object(addition->arena);
    }
    write_nodes(addition);
    for (size_t i = 0; paths != NULL && i < paths->count; i++) {
        write_member(addition, API_OPENAPI_PATHS, paths->members[i].name,
                     openapi_clean_path(&addition->clean, paths->members[i].value));
    }
    int status = openapi_v2_encode_parameters(addition->written[API_OPENAPI_PARAMETERS], protobuf);
    if (status == 0) {
        status =
            openapi_v2_encode_definitions(addition->written[API_OPENAPI_DEFINITIONS], protobuf);
    }
    if (status == 0) {
        status = openapi_v2_encode_paths(addition->written[API_OPENAPI_PATHS], protobuf);
    }
    return status;
}

static const struct json_value *object_of(const struct json_value *tree, const char *name)
{
    const struct json_value *value = json_get_text(tree, name);
    return value != NULL && value->type == JSON_OBJECT ? value : NULL;
}

int api_openapi_merge_add(struct api_openapi_merge *merge, struct slice document, const char *group,
                          const char *version)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct addition addition = {.merge = merge, .arena = arena, .user = SIZE_MAX};
    struct json_value *tree = NULL;
    addition.clean = (struct openapi_clean){
        .arena = arena, .group = group, .version = version, .refer = refer, .data = &addition};
    if (document.len > API_OPENAPI_MERGED_MAX - merge->bytes) {
        return -E2BIG;
    }
    if (json_parse(arena, document, &tree, NULL) < 0 || tree->type != JSON_OBJECT) {
        return -EINVAL;
    }
    merge->bytes += document.len;
    add_nodes(&addition, API_OPENAPI_PARAMETERS, object_of(tree, "parameters"));
    add_nodes(&addition, API_OPENAPI_DEFINITIONS, object_of(tree, "definitions"));
    note_contents(&addition);
    choose_names(&addition);
    return write_all(&addition, object_of(tree, "paths"));
}

/* --- Life --------------------------------------------------------------------------------------
 */

struct api_openapi_merge *api_openapi_merge_new(const struct api_kind *const *kinds, size_t count)
{
    struct api_openapi_merge *merge = alloc_zeroed(sizeof(*merge));
    merge->arena = arena_new(SIZE_MAX);
    for (enum api_openapi_part part = 0; part < API_OPENAPI_PARTS; part++) {
        buffer_init(&merge->json[part], OUT_MAX);
    }
    buffer_init(&merge->protobuf, OUT_MAX);
    merge->custom = openapi_custom_schemas(merge->arena, kinds, count, OPENAPI_V2);
    return merge;
}

void api_openapi_merge_free(struct api_openapi_merge *merge)
{
    if (merge == NULL) {
        return;
    }
    for (enum api_openapi_part part = 0; part < API_OPENAPI_PARTS; part++) {
        buffer_release(&merge->json[part]);
    }
    buffer_release(&merge->protobuf);
    arena_free(merge->arena);
    free(merge);
}

struct buffer *api_openapi_merge_json(struct api_openapi_merge *merge, enum api_openapi_part part)
{
    return &merge->json[part];
}

struct buffer *api_openapi_merge_protobuf(struct api_openapi_merge *merge)
{
    return &merge->protobuf;
}
