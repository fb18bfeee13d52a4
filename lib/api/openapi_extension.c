/* The document is read twice: first only for where its paths, definitions and parameters stand,
 * without a tree of all of it; then what is wanted of it, piece by piece, once each, so that
 * references in circles end. */
#include "lib/api/openapi_extension.h"

#include "lib/api/json_scan.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/openapi_clean.h"
#include <errno.h>

/* A member of the document's "paths", "definitions" or "parameters". */
struct piece {
    struct slice name, text;
    enum api_openapi_part part;
    bool wanted;
    struct json_value *kept;
};

struct pieces {
    struct piece *items;
    size_t count, capacity;
    struct name_index names;
};

struct extension {
    struct arena *arena;
    struct json_scan scan;
    struct openapi_clean clean;
    struct error *reterr;
    int status;         /* The first error in what is kept. */
    const char *prefix; /* Of the paths. */
    bool is_version_two;
    struct pieces parts[API_OPENAPI_PARTS];
    struct piece **queue; /* Wanted, in the order in which they were first referred to. */
    size_t queue_count, queue_capacity;
    size_t kept_bytes;
};

/* --- Where things stand ------------------------------------------------------------------------
 */

static struct piece *find_piece(const struct pieces *pieces, struct slice name)
{
    for (struct name_search search = name_index_find(&pieces->names, name);
         name_index_next(&search);) {
        if (slice_equal(pieces->items[search.place].name, name)) {
            return &pieces->items[search.place];
        }
    }
    return NULL;
}

/* Of members of one name the last counts. */
static int note_piece(struct extension *extension, enum api_openapi_part part, struct slice name,
                      struct slice text)
{
    struct pieces *pieces = &extension->parts[part];
    struct piece *piece = find_piece(pieces, name);
    if (piece != NULL) {
        piece->text = text;
        return 0;
    }
    if (pieces->count == API_OPENAPI_NAMES_MAX) {
        return error_set(extension->reterr, -E2BIG, "more than %d paths or definitions",
                         API_OPENAPI_NAMES_MAX);
    }
    pieces->items = arena_array_room(extension->arena, pieces->items, pieces->count,
                                     sizeof(*pieces->items), &pieces->capacity);
    name_index_add(&pieces->names, extension->arena, name, pieces->count);
    pieces->items[pieces->count++] = (struct piece){.name = name, .text = text, .part = part};
    return 0;
}

/* The value that comes next, as it is written. */
static int skip_value(struct json_scan *scan, struct slice *ret_text)
{
    (void)json_scan_peek(scan);
    const uint8_t *begin = scan->at;
    int status = json_scan_skip(scan);
    *ret_text = slice_of(begin, status == 0 ? (size_t)(scan->at - begin) : 0);
    return status;
}

static int read_pieces(struct extension *extension, enum api_openapi_part part)
{
    struct json_scan *scan = &extension->scan;
    struct json_token token;
    struct slice text;
    bool first = true;
    if (json_scan_peek(scan) != '{') {
        return skip_value(scan, &text);
    }
    int status = json_scan_enter(scan);
    while (status == 0 && (status = json_scan_next_member(scan, &first, &token)) > 0) {
        struct slice name = json_token_text(extension->arena, token);
        status = skip_value(scan, &text);
        bool ours =
            part != API_OPENAPI_PATHS || slice_starts_with(name, slice_text(extension->prefix));
        if (status == 0 && ours) {
            status = note_piece(extension, part, name, text);
        }
    }
    return status;
}

static int read_member(struct extension *extension, struct slice name)
{
    static const char *const names[API_OPENAPI_PARTS] = {[API_OPENAPI_PARAMETERS] = "parameters",
                                                         [API_OPENAPI_DEFINITIONS] = "definitions",
                                                         [API_OPENAPI_PATHS] = "paths"};
    struct slice text;
    for (enum api_openapi_part part = 0; part < API_OPENAPI_PARTS; part++) {
        if (slice_is(name, names[part])) {
            return read_pieces(extension, part);
        }
    }
    int status = skip_value(&extension->scan, &text);
    if (status == 0 && slice_is(name, "swagger")) {
        extension->is_version_two = slice_is(text, "\"2.0\"");
    }
    return status;
}

static int read_document(struct extension *extension)
{
    struct json_scan *scan = &extension->scan;
    struct json_token token;
    bool first = true;
    if (json_scan_peek(scan) != '{') {
        return error_set(extension->reterr, -EINVAL, "it is no JSON object");
    }
    int status = json_scan_enter(scan);
    while (status == 0 && (status = json_scan_next_member(scan, &first, &token)) > 0) {
        status = read_member(extension, json_token_text(extension->arena, token));
    }
    status = status == 0 ? json_scan_end(scan) : status;
    if (status == 0 && !extension->is_version_two) {
        status = error_set(extension->reterr, -EINVAL, "its member \"swagger\" is not \"2.0\"");
    }
    return status == -E2BIG || status == 0 ? status : -EINVAL;
}

/* --- What is kept ------------------------------------------------------------------------------
 */

static void keep_piece(struct extension *extension, struct piece *piece)
{
    struct json_value *value = NULL;
    extension->kept_bytes += piece->name.len + piece->text.len;
    if (extension->kept_bytes > API_OPENAPI_KEPT_MAX) {
        extension->status =
            error_set(extension->reterr, -E2BIG,
                      "what it says of the version takes more than %d bytes", API_OPENAPI_KEPT_MAX);
    }
    if (extension->status < 0) {
        return;
    }
    if (json_parse(extension->arena, piece->text, &value, extension->reterr) < 0) {
        extension->status = -EINVAL;
    } else if (piece->part == API_OPENAPI_PATHS) {
        piece->kept = openapi_clean_path(&extension->clean, value);
    } else if (piece->part == API_OPENAPI_PARAMETERS) {
        piece->kept = openapi_clean_parameter(&extension->clean, value);
    } else {
        piece->kept = openapi_clean_schema(&extension->clean, value);
    }
}

/* Definitions wait for their turn, as they nest without end. Parameters do not refer to others. */
static void want(struct extension *extension, struct piece *piece)
{
    if (piece->wanted) {
        return;
    }
    piece->wanted = true;
    if (piece->part == API_OPENAPI_PARAMETERS) {
        keep_piece(extension, piece);
        return;
    }
    extension->queue = arena_array_room(extension->arena, extension->queue, extension->queue_count,
                                        sizeof(struct piece *), &extension->queue_capacity);
    extension->queue[extension->queue_count++] = piece;
}

static struct slice refer(void *data, enum api_openapi_part part, struct slice name)
{
    struct extension *extension = data;
    struct piece *piece = find_piece(&extension->parts[part], name);
    if (piece == NULL || piece->text.data[0] != '{') {
        return slice_text("");
    }
    want(extension, piece);
    return part == API_OPENAPI_PARAMETERS && piece->kept == NULL ? slice_text("") : name;
}

static int keep_wanted(struct extension *extension)
{
    const struct pieces *paths = &extension->parts[API_OPENAPI_PATHS];
    for (size_t i = 0; i < paths->count; i++) {
        want(extension, &paths->items[i]);
    }
    for (size_t i = 0; extension->status == 0 && i < extension->queue_count; i++) {
        keep_piece(extension, extension->queue[i]); /* The queue grows by what it refers to. */
    }
    return extension->status;
}

static void print_kept(const struct pieces *pieces, const char *name, struct buffer *out)
{
    const char *before = "";
    buffer_printf(out, "\"%s\":{", name);
    for (size_t i = 0; i < pieces->count; i++) {
        if (pieces->items[i].kept != NULL) {
            buffer_append_text(out, before);
            json_print_string(pieces->items[i].name, out);
            buffer_append_text(out, ":");
            json_print(pieces->items[i].kept, /* sorted= */ false, out);
            before = ",";
        }
    }
    buffer_append_text(out, "}");
}

int api_openapi_extension_keep(struct slice text, const char *group, const char *version,
                               struct buffer *out, struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct extension extension = {.arena = arena, .reterr = reterr};
    extension.clean = (struct openapi_clean){
        .arena = arena, .group = group, .version = version, .refer = refer, .data = &extension};
    extension.prefix = arena_printf(arena, "/apis/%s/%s/", group, version);
    json_scan_init(&extension.scan, text, reterr);
    int status = read_document(&extension);
    status = status == 0 ? keep_wanted(&extension) : status;
    if (status < 0) {
        return status;
    }
    buffer_append_text(out, "{");
    print_kept(&extension.parts[API_OPENAPI_PARAMETERS], "parameters", out);
    buffer_append_text(out, ",");
    print_kept(&extension.parts[API_OPENAPI_DEFINITIONS], "definitions", out);
    buffer_append_text(out, ",");
    print_kept(&extension.parts[API_OPENAPI_PATHS], "paths", out);
    buffer_append_text(out, "}");
    return buffer_error(out) < 0 ? error_set(reterr, -E2BIG, "it is too large") : 0;
}
