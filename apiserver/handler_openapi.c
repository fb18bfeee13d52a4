/* OpenAPI documents. Those of built-in kinds are made at first use and kept. What custom kinds add
 * to the v2 document is kept until they change; their v3 documents are small and made when asked
 * for, as their ETag is known without them. */
#include "apiserver/openapi_documents.h"

#include "apiserver/api_services.h"
#include "apiserver/request.h"
#include "lib/api/openapi.h"
#include "lib/base/alloc.h"
#include "lib/net/x509.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ETAG_SIZE = 2 * X509_SHA256_SIZE + 1, V3_MAX = 64, DOCUMENT_MAX = 64 << 20 };

static const char v2_protobuf_type[] = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/* Made once and then shared. */
struct document {
    struct chunk *chunk;  /* NULL: not asked for yet. */
    char etag[ETAG_SIZE]; /* "": never made. */
};

struct openapi_documents {
    pthread_mutex_t lock;
    struct document v2, v2_protobuf; /* Of the built-in kinds. */
    struct document v3[V3_MAX];      /* By place in api_group_versions(). */
    uint64_t custom_number;          /* Of the set that the next two were made of. */
    struct chunk *custom_v2, *custom_v2_protobuf;
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
    chunk_unref(documents->v2.chunk);
    chunk_unref(documents->v2_protobuf.chunk);
    for (size_t i = 0; i < V3_MAX; i++) {
        chunk_unref(documents->v3[i].chunk);
    }
    chunk_unref(documents->custom_v2);
    chunk_unref(documents->custom_v2_protobuf);
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

static void hex_digest(const uint8_t digest[X509_SHA256_SIZE], char ret_text[ETAG_SIZE])
{
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
    uint8_t digest[X509_SHA256_SIZE];
    buffer_init(&text, DOCUMENT_MAX);
    buffer_append_text(&text, base);
    for (size_t i = 0; i < count; i++) {
        const Meta__V1__ObjectMeta *meta = custom_of(kinds[i])->resource->definition->metadata;
        buffer_printf(&text, "\n%s %lld %s %s %s %s %s", text_or_empty(meta->uid),
                      (long long)meta->generation, kinds[i]->group, kinds[i]->version,
                      kinds[i]->kind, kinds[i]->list_kind, kinds[i]->plural);
    }
    x509_sha256(buffer_slice(&text), digest);
    hex_digest(digest, ret_etag);
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
    uint8_t digest[X509_SHA256_SIZE];
    x509_sha256(buffer_slice(out), digest);
    hex_digest(digest, document->etag);
    return chunk_of(out);
}

/* --- Version 2 ---------------------------------------------------------------------------------
 */

typedef int make_built_in(struct buffer *out);
typedef int make_custom(struct arena *arena, const struct api_kind *const *kinds, size_t count,
                        struct buffer *document);

struct v2_form {
    const char *type;
    make_built_in *built_in;
    make_custom *custom;
    struct document *document;
    struct chunk **of_custom;
};

/* The two parts of the document, one reference each. False when they cannot be made. */
static bool v2_parts(struct request *request, const struct custom_view *view,
                     const struct v2_form *form, struct chunk *ret_parts[2])
{
    struct openapi_documents *documents = request->server->openapi;
    struct buffer out;
    buffer_init(&out, DOCUMENT_MAX);
    pthread_mutex_lock(&documents->lock);
    if (form->document->chunk == NULL && form->built_in(&out) == 0) {
        form->document->chunk = noted(form->document, &out);
    }
    if (documents->custom_number != view->set->number) {
        chunk_unref(TAKE(documents->custom_v2));
        chunk_unref(TAKE(documents->custom_v2_protobuf));
        documents->custom_number = view->set->number;
    }
    if (*form->of_custom == NULL) {
        CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
        bool made = form->custom(arena, view->kinds, view->count, &out) == 0;
        *form->of_custom = made ? chunk_of(&out) : NULL;
    }
    bool good = form->document->chunk != NULL && *form->of_custom != NULL;
    if (good) {
        ret_parts[0] = chunk_ref(form->document->chunk);
        ret_parts[1] = chunk_ref(*form->of_custom);
    }
    pthread_mutex_unlock(&documents->lock);
    buffer_release(&out);
    return good;
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
    const struct v2_form forms[] = {
        {"application/json", api_openapi_v2, api_openapi_v2_custom, &documents->v2,
         &documents->custom_v2},
        {v2_protobuf_type, api_openapi_v2_protobuf, api_openapi_v2_custom_protobuf,
         &documents->v2_protobuf, &documents->custom_v2_protobuf},
    };
    const struct v2_form *form = &forms[wants_v2_protobuf(request) ? 1 : 0];
    struct custom_view view = custom_view(request);
    struct chunk *parts[2] = {NULL, NULL};
    char etag[ETAG_SIZE];
    bool good = v2_parts(request, &view, form, parts);
    if (good) {
        custom_etag(form->document->etag, view.kinds, view.count, etag);
        respond_chunks(request, form->type, etag, parts, ARRAY_LEN(parts));
    } else {
        respond_nothing_there(request);
    }
    chunk_unref(parts[0]);
    chunk_unref(parts[1]);
    custom_set_unref(view.set);
}

/* --- Version 3 ---------------------------------------------------------------------------------
 */

static const char *v3_path(struct arena *arena, const char *group, const char *version)
{
    return group[0] == '\0' ? arena_printf(arena, "api/%s", version)
                            : arena_printf(arena, "apis/%s/%s", group, version);
}

/* The document of a built-in group version: a reference of the caller's, NULL when nothing is
 * served there. The index wants its ETag only, so what is made for that is not kept. */
static struct chunk *v3_document(struct openapi_documents *documents, size_t place, bool keep,
                                 char ret_etag[ETAG_SIZE])
{
    size_t count = 0;
    const struct api_group_version *version = &api_group_versions(&count)[place];
    struct document *document = &documents->v3[place];
    struct chunk *chunk = NULL;
    pthread_mutex_lock(&documents->lock);
    if (document->chunk == NULL && (keep || document->etag[0] == '\0')) {
        struct buffer out;
        buffer_init(&out, DOCUMENT_MAX);
        if (api_openapi_v3(version->group, version->version, &out) == 0) {
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
    size_t count = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    struct custom_view view = custom_view(request);
    char etag[ETAG_SIZE];
    bool first = true;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    buffer_append_text(&out, "{\"paths\":{");
    for (size_t i = 0; i < count && i < V3_MAX; i++) {
        (void)v3_document(request->server->openapi, i, /* keep= */ false, etag); /* NULL. */
        if (etag[0] != '\0') {
            put_index_entry(&out, &first,
                            v3_path(request->arena, versions[i].group, versions[i].version), etag);
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
    size_t count = 0, place = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    char etag[ETAG_SIZE];
    while (place < count &&
           strcmp(v3_path(request->arena, versions[place].group, versions[place].version), path) !=
               0) {
        place++;
    }
    struct chunk *chunk = place < count && place < V3_MAX
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
