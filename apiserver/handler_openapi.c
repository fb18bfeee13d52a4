/* OpenAPI documents. Those of built-in kinds are made at first use and kept. What extension servers
 * and custom kinds add to the v2 document is kept until they change; their v3 documents are small
 * and made when asked for, as their ETag is known without them. */
#include "apiserver/openapi_documents.h"

#include "apiserver/api_services.h"
#include "apiserver/openapi_extensions.h"
#include "apiserver/request.h"
#include "lib/api/openapi.h"
#include "lib/base/alloc.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ETAG_SIZE = OPENAPI_HASH_SIZE, V3_MAX = 128, DOCUMENT_MAX = 64 << 20 };

static const char v2_protobuf_type[] = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/* Made once and then shared. */
struct document {
    struct chunk *chunk;  /* NULL: not asked for yet. */
    char etag[ETAG_SIZE]; /* "": never made. */
};

/* The v2 document is sent in pieces: its parts as JSON, or all of it as protobuf; each followed by
 * what extension servers and then custom kinds add. */
enum v2_piece {
    V2_PARAMETERS = API_OPENAPI_PARAMETERS,
    V2_DEFINITIONS = API_OPENAPI_DEFINITIONS,
    V2_PATHS = API_OPENAPI_PATHS,
    V2_PROTOBUF,
    V2_PIECES
};

struct openapi_documents {
    pthread_mutex_t lock;
    struct document v2[V2_PIECES]; /* Of the built-in kinds. */
    struct document v3[V3_MAX];    /* By place in api_openapi_v3_at(). */
    uint64_t custom_number;        /* Of the set that the next ones were made of, ... */
    struct chunk *custom_v2[V2_PIECES];
    char *extensions; /* ... and the identity of the servers that these are of, too. */
    struct chunk *extension_v2[V2_PIECES];
};

struct openapi_documents *openapi_documents_new(void)
{
    struct openapi_documents *documents = alloc_zeroed(sizeof(*documents));
    pthread_mutex_init(&documents->lock, NULL);
    return documents;
}

void openapi_documents_free(struct openapi_documents *documents)
{
    if (documents == NULL) {
        return;
    }
    for (size_t i = 0; i < V2_PIECES; i++) {
        chunk_unref(documents->v2[i].chunk);
        chunk_unref(documents->custom_v2[i]);
        chunk_unref(documents->extension_v2[i]);
    }
    for (size_t i = 0; i < V3_MAX; i++) {
        chunk_unref(documents->v3[i].chunk);
    }
    free(documents->extensions);
    pthread_mutex_destroy(&documents->lock);
    free(documents);
}

/* --- Custom kinds at one moment ----------------------------------------------------------------
 */

struct custom_view {
    struct custom_set *set;
    const struct api_kind **kinds; /* Served; those of a group version stand together. */
    size_t count;
};

static bool same_version(const struct api_kind *a, const struct api_kind *b)
{
    return strcmp(a->group, b->group) == 0 && strcmp(a->version, b->version) == 0;
}

static int by_group_version(const void *a, const void *b)
{
    const struct api_kind *const *left = a, *const *right = b;
    int order = strcmp((*left)->group, (*right)->group);
    order = order != 0 ? order : strcmp((*left)->version, (*right)->version);
    return order != 0 ? order : strcmp((*left)->plural, (*right)->plural);
}

static struct custom_view custom_view(struct request *request)
{
    struct custom_view view = {.set = custom_kinds_set(request->server->custom)};
    size_t max = 0;
    for (size_t i = 0; i < view.set->count; i++) {
        max += view.set->resources[i]->version_count;
    }
    view.kinds = arena_array(request->arena, max, sizeof(*view.kinds));
    for (size_t i = 0; i < view.set->count; i++) {
        const struct custom_resource *resource = view.set->resources[i];
        for (size_t j = 0; j < resource->version_count; j++) {
            if (resource->versions[j].source->served) {
                view.kinds[view.count++] = &resource->versions[j].kind;
            }
        }
    }
    qsort(view.kinds, view.count, sizeof(*view.kinds), by_group_version);
    return view;
}

/* How many kinds from `first` on are of its group version. */
static size_t version_run(const struct custom_view *view, size_t first)
{
    size_t end = first + 1;
    while (end < view->count && same_version(view->kinds[first], view->kinds[end])) {
        end++;
    }
    return end - first;
}

/* --- ETags -------------------------------------------------------------------------------------
 */

void openapi_hash(struct slice bytes, char ret_text[OPENAPI_HASH_SIZE])
{
    uint8_t digest[X509_SHA256_SIZE];
    x509_sha256(bytes, digest);
    for (size_t i = 0; i < X509_SHA256_SIZE; i++) {
        (void)snprintf(ret_text + i * 2, 3, "%02X", digest[i]);
    }
}

/* The same on every member: made of what the document is made of, names and generation of the
 * definitions. */
static void custom_etag(const char *base, const struct api_kind *const *kinds, size_t count,
                        char ret_etag[ETAG_SIZE])
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, DOCUMENT_MAX);
    buffer_append_text(&text, base);
    for (size_t i = 0; i < count; i++) {
        const Meta__V1__ObjectMeta *meta = custom_of(kinds[i])->resource->definition->metadata;
        buffer_printf(&text, "\n%s %lld %s %s %s %s %s", text_or_empty(meta->uid),
                      (long long)meta->generation, kinds[i]->group, kinds[i]->version,
                      kinds[i]->kind, kinds[i]->list_kind, kinds[i]->plural);
    }
    openapi_hash(buffer_slice(&text), ret_etag);
}

/* --- Answers -----------------------------------------------------------------------------------
 */

static void set_header(struct http_header *headers, size_t *count, const char *name,
                       const char *value)
{
    size_t i = 0;
    while (i < *count && !slice_is(headers[i].name, name)) {
        i++;
    }
    headers[i] = http_header(name, value);
    *count = i == *count ? i + 1 : *count;
}

/* A document asked for by its hash never changes: clients keep it for a year. */
static void set_lasting(struct request *request, struct http_header *headers, size_t *count)
{
    enum { YEAR_S = 365 * 24 * 3600, DATE_SIZE = 64 };
    char *text = arena_alloc(request->arena, DATE_SIZE);
    time_t end = (time_t)wall_seconds() + YEAR_S;
    struct tm date;
    (void)strftime(text, DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&end, &date));
    set_header(headers, count, "cache-control", "public, immutable");
    set_header(headers, count, "expires", text);
}

static void respond_chunks(struct request *request, const char *type, const char *etag,
                           struct chunk *const *chunks, size_t chunk_count)
{
    const char *quoted = arena_printf(request->arena, "\"%s\"", etag);
    const char *hash = query_get(&request->info.query, "hash");
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, type, headers);
    headers[count++] = http_header("etag", quoted);
    headers[count++] = http_header("vary", "Accept");
    if (hash != NULL && strcmp(hash, etag) == 0) {
        set_lasting(request, headers, &count);
    }
    http_allow_gzip(request->exchange, false);
    if (slice_is(http_header_find(request->exchange, "if-none-match"), quoted)) {
        http_respond(request->exchange, 304, headers, count, (struct slice){0});
    } else {
        http_respond_shared(request->exchange, 200, headers, count, chunks, chunk_count);
    }
    request_finish(request);
}

/* To where the document is by its present hash. True: answered. */
static bool redirect_to_hash(struct request *request, const char *path, const char *etag)
{
    const char *hash = query_get(&request->info.query, "hash");
    if (hash == NULL || strcmp(hash, etag) == 0) {
        return false;
    }
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, "text/plain; charset=utf-8", headers);
    headers[count++] =
        http_header("location", arena_printf(request->arena, "/openapi/v3/%s?hash=%s", path, etag));
    http_respond(request->exchange, 301, headers, count, (struct slice){0});
    request_finish(request);
    return true;
}

static void respond_nothing_there(struct request *request)
{
    respond_text(request, 404, "404 page not found\n");
}

static struct chunk *chunk_of(struct buffer *out)
{
    size_t len = 0;
    uint8_t *bytes = buffer_take(out, &len);
    return chunk_new_owned(bytes, len);
}

/* The document that was made, and its hash noted. */
static struct chunk *noted(struct document *document, struct buffer *out)
{
    openapi_hash(buffer_slice(out), document->etag);
    return chunk_of(out);
}

/* --- Version 2 ---------------------------------------------------------------------------------
 */

/* What others add to our own kinds. */
struct v2_view {
    struct custom_view custom;
    struct openapi_extensions extensions;
    const char *identity; /* Of the extensions. */
};

static int make_built_in(enum v2_piece piece, struct buffer *out)
{
    return piece == V2_PROTOBUF ? api_openapi_v2_protobuf(out)
                                : api_openapi_v2((enum api_openapi_part)piece, out);
}

static int make_custom(enum v2_piece piece, const struct custom_view *view, struct buffer *out)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    return piece == V2_PROTOBUF
               ? api_openapi_v2_custom_protobuf(arena, view->kinds, view->count, out)
               : api_openapi_v2_custom((enum api_openapi_part)piece, arena, view->kinds,
                                       view->count, out);
}

enum { V2_PARTS_MAX = 3 * API_OPENAPI_PARTS };

struct v2_parts {
    struct chunk *chunks[V2_PARTS_MAX];
    size_t count;
};

static void put_part(struct v2_parts *parts, struct chunk *chunk)
{
    if (chunk != NULL && chunk->bytes.len > 0) {
        parts->chunks[parts->count++] = chunk_ref(chunk);
    }
}

/* A piece and what others add to it, one reference each. Locked. False when it cannot be made. */
static bool put_piece(struct openapi_documents *documents, const struct v2_view *view,
                      enum v2_piece piece, struct v2_parts *parts)
{
    struct document *document = &documents->v2[piece];
    struct buffer out;
    buffer_init(&out, DOCUMENT_MAX);
    if (document->chunk == NULL && make_built_in(piece, &out) == 0) {
        document->chunk = noted(document, &out);
    }
    if (documents->custom_v2[piece] == NULL && make_custom(piece, &view->custom, &out) == 0) {
        documents->custom_v2[piece] = chunk_of(&out);
    }
    if (documents->extension_v2[piece] == NULL && view->extensions.count > 0) {
        openapi_extensions_make(&view->extensions, documents->extension_v2,
                                &documents->extension_v2[V2_PROTOBUF]);
    }
    buffer_release(&out);
    put_part(parts, document->chunk);
    put_part(parts, documents->extension_v2[piece]);
    put_part(parts, documents->custom_v2[piece]);
    return document->chunk != NULL && documents->custom_v2[piece] != NULL;
}

/* Pieces that were made of something else than what is there. */
static void forget_old(struct openapi_documents *documents, const struct v2_view *view)
{
    bool same_custom = documents->custom_number == view->custom.set->number;
    bool same_extensions = same_custom && documents->extensions != NULL &&
                           strcmp(documents->extensions, view->identity) == 0;
    for (size_t i = 0; i < V2_PIECES && !same_custom; i++) {
        chunk_unref(TAKE(documents->custom_v2[i]));
    }
    for (size_t i = 0; i < V2_PIECES && !same_extensions; i++) {
        chunk_unref(TAKE(documents->extension_v2[i]));
    }
    if (!same_extensions) {
        free(documents->extensions);
        documents->extensions = alloc_text(view->identity);
    }
    documents->custom_number = view->custom.set->number;
}

static bool wants_v2_protobuf(const struct request *request)
{
    struct slice accept = http_header_find(request->exchange, "accept");
    return accept.len > 0 && memmem(accept.data, accept.len, "spec.v2", 7) != NULL &&
           memmem(accept.data, accept.len, "protobuf", 8) != NULL;
}

static void handle_v2(struct request *request)
{
    struct openapi_documents *documents = request->server->openapi;
    bool protobuf = wants_v2_protobuf(request), made = true;
    enum v2_piece first = protobuf ? V2_PROTOBUF : V2_PARAMETERS;
    enum v2_piece end = protobuf ? V2_PIECES : V2_PROTOBUF;
    struct v2_view view = {.custom = custom_view(request)};
    struct v2_parts parts = {.count = 0};
    char etag[ETAG_SIZE];
    openapi_extensions_init(&view.extensions, request->arena, request->server->api_services,
                            view.custom.kinds, view.custom.count);
    view.identity = openapi_extensions_identity(&view.extensions, request->arena);
    pthread_mutex_lock(&documents->lock);
    forget_old(documents, &view);
    for (enum v2_piece piece = first; piece < end && made; piece++) {
        made = put_piece(documents, &view, piece, &parts);
    }
    pthread_mutex_unlock(&documents->lock);
    if (made) {
        const struct document *own = &documents->v2[protobuf ? V2_PROTOBUF : V2_DEFINITIONS];
        custom_etag(arena_printf(request->arena, "%s%s", own->etag, view.identity),
                    view.custom.kinds, view.custom.count, etag);
        respond_chunks(request, protobuf ? v2_protobuf_type : "application/json", etag,
                       parts.chunks, parts.count);
    } else {
        respond_nothing_there(request);
    }
    for (size_t i = 0; i < parts.count; i++) {
        chunk_unref(parts.chunks[i]);
    }
    openapi_extensions_release(&view.extensions);
    custom_set_unref(view.custom.set);
}

/* --- Version 3 ---------------------------------------------------------------------------------
 */

static const char *v3_path(struct arena *arena, const char *group, const char *version)
{
    return group[0] == '\0' ? arena_printf(arena, "api/%s", version)
                            : arena_printf(arena, "apis/%s/%s", group, version);
}

/* A document of what is built in: a reference of the caller's, NULL when nothing is served there.
 * The index wants its ETag only, so what is made for that is not kept. */
static struct chunk *v3_document(struct openapi_documents *documents, size_t place, bool keep,
                                 char ret_etag[ETAG_SIZE])
{
    struct document *document = &documents->v3[place];
    struct chunk *chunk = NULL;
    pthread_mutex_lock(&documents->lock);
    if (document->chunk == NULL && (keep || document->etag[0] == '\0')) {
        struct buffer out;
        buffer_init(&out, DOCUMENT_MAX);
        if (api_openapi_v3_at(place, &out) == 0) {
            struct chunk *made = noted(document, &out);
            document->chunk = keep ? chunk_ref(made) : NULL;
            chunk_unref(made);
        }
        buffer_release(&out);
    }
    if (keep && document->chunk != NULL) {
        chunk = chunk_ref(document->chunk);
    }
    memcpy(ret_etag, document->etag, ETAG_SIZE);
    pthread_mutex_unlock(&documents->lock);
    return chunk;
}

static void put_index_entry(struct buffer *out, bool *first, const char *path, const char *etag)
{
    buffer_printf(out, "%s\"%s\":{\"serverRelativeURL\":\"/openapi/v3/%s?hash=%s\"}",
                  *first ? "" : ",", path, path, etag);
    *first = false;
}

/* Documents of extension servers, which are asked for them themselves. */
static void put_extensions(struct request *request, struct buffer *out, bool *first)
{
    struct api_service_set *set = api_services_set(request->server->api_services);
    for (size_t i = 0; i < set->count; i++) {
        const struct api_service *service = &set->items[i];
        if (service->openapi_hash != NULL) {
            put_index_entry(out, first,
                            v3_path(request->arena, service->object->spec->group,
                                    service->object->spec->version),
                            service->openapi_hash);
        }
    }
    api_service_set_unref(set);
}

static void handle_v3_index(struct request *request)
{
    struct custom_view view = custom_view(request);
    const char *path = NULL;
    char etag[ETAG_SIZE];
    bool first = true;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    buffer_append_text(&out, "{\"paths\":{");
    for (size_t i = 0; i < V3_MAX && (path = api_openapi_v3_path(request->arena, i)) != NULL; i++) {
        (void)v3_document(request->server->openapi, i, /* keep= */ false, etag); /* NULL. */
        if (etag[0] != '\0') {
            put_index_entry(&out, &first, path, etag);
        }
    }
    for (size_t i = 0, run; i < view.count; i += run) {
        run = version_run(&view, i);
        custom_etag("", view.kinds + i, run, etag);
        put_index_entry(&out, &first,
                        v3_path(request->arena, view.kinds[i]->group, view.kinds[i]->version),
                        etag);
    }
    put_extensions(request, &out, &first);
    buffer_append_text(&out, "}}");
    custom_set_unref(view.set);
    respond_bytes(request, 200, "application/json", buffer_slice(&out));
}

static void respond_custom_v3(struct request *request, const char *path,
                              const struct api_kind *const *kinds, size_t count)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    char etag[ETAG_SIZE];
    custom_etag("", kinds, count, etag);
    if (redirect_to_hash(request, path, etag)) {
        return;
    }
    struct buffer out;
    buffer_init(&out, DOCUMENT_MAX);
    if (api_openapi_v3_custom(arena, kinds, count, &out) == 0) {
        struct chunk *chunk = chunk_of(&out);
        respond_chunks(request, "application/json", etag, &chunk, 1);
        chunk_unref(chunk);
    } else {
        respond_nothing_there(request);
    }
    buffer_release(&out);
}

static bool handle_custom_v3(struct request *request, const char *path)
{
    struct custom_view view = custom_view(request);
    bool found = false;
    for (size_t i = 0, run; i < view.count && !found; i += run) {
        run = version_run(&view, i);
        found = strcmp(v3_path(request->arena, view.kinds[i]->group, view.kinds[i]->version),
                       path) == 0;
        if (found) {
            respond_custom_v3(request, path, view.kinds + i, run);
        }
    }
    custom_set_unref(view.set);
    return found;
}

static void handle_v3(struct request *request, const char *path)
{
    size_t place = 0;
    const char *known = NULL;
    char etag[ETAG_SIZE];
    while (place < V3_MAX && (known = api_openapi_v3_path(request->arena, place)) != NULL &&
           strcmp(known, path) != 0) {
        place++;
    }
    struct chunk *chunk = known != NULL && place < V3_MAX
                              ? v3_document(request->server->openapi, place, /* keep= */ true, etag)
                              : NULL;
    if (chunk == NULL) {
        if (!handle_custom_v3(request, path)) {
            respond_nothing_there(request);
        }
        return;
    }
    if (!redirect_to_hash(request, path, etag)) {
        respond_chunks(request, "application/json", etag, &chunk, 1);
    }
    chunk_unref(chunk);
}

bool handle_openapi(struct request *request)
{
    const char *path = request->info.path;
    if (strcmp(path, "/openapi/v2") == 0) {
        handle_v2(request);
    } else if (strcmp(path, "/openapi/v3") == 0 || strcmp(path, "/openapi/v3/") == 0) {
        handle_v3_index(request);
    } else if (strncmp(path, "/openapi/v3/", 12) == 0) {
        handle_v3(request, path + 12);
    } else {
        return false;
    }
    return true;
}
