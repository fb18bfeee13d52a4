#include "apiserver/legacy_tokens.h"

#include "apiserver/authn_internal.h"
#include "apiserver/kept_map.h"
#include "apiserver/request.h"
#include "lib/api/legacy_token.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

enum { IDLE_MS = 60 * 1000, USES_MAX = 64 };

struct legacy_tokens {
    struct apiserver *server;
    const struct api_kind *secrets;
    struct metric *uses, *generated_uses, *invalid_uses;
    /* The store loop's. */
    struct kept_map *since;
    struct list under_way; /* struct use. */
    size_t use_count;
    bool stopped;
};

/* A Secret whose label is to be written. */
struct use {
    struct list node;
    struct legacy_tokens *tokens;
    struct arena *arena; /* Has it, too. */
    const char *namespace, *name, *uid;
    struct registry_call call;
};

/* The day in UTC that is `days` after today. */
static void write_date(int days, char ret_date[static TIME_TEXT_SIZE])
{
    legacy_token_date(wall_seconds() + days * INT64_C(86400), ret_date);
}

/* --- Since when --- */

static bool has_since(void *data, struct arena *arena, const Core__V1__ConfigMap *present)
{
    (void)data;
    (void)arena;
    int64_t since_s = 0;
    return present != NULL &&
           legacy_token_parse_date(
               text_or_empty(api_string_map_get(API_STRING_MAP(present->data, present->n_data),
                                                LEGACY_TOKEN_SINCE)),
               &since_s) == 0;
}

static void write_since(void *data, struct arena *arena, Core__V1__ConfigMap *map)
{
    (void)data;
    Core__V1__ConfigMap__DataEntry *entry = arena_alloc(arena, sizeof(*entry));
    char date[TIME_TEXT_SIZE];
    write_date(0, date);
    core__v1__config_map__data_entry__init(entry);
    entry->key = arena_text(arena, LEGACY_TOKEN_SINCE);
    entry->value = arena_text(arena, date);
    map->data = arena_array(arena, 1, sizeof(*map->data)); /* It has nothing else. */
    map->data[0] = entry;
    map->n_data = 1;
}

/* --- When last --- */

static void use_end(struct use *use)
{
    list_remove(&use->node);
    use->tokens->use_count--;
    arena_free(use->arena);
}

static void label_written(struct registry_call *call)
{
    registry_finish(call);
    use_end(call->data);
}

static bool is_under_way(const struct legacy_tokens *tokens, const struct use *wanted)
{
    LIST_FOREACH(node, next, &tokens->under_way)
    {
        const struct use *each = LIST_ENTRY(node, struct use, node);
        if (strcmp(each->uid, wanted->uid) == 0) {
            return true;
        }
    }
    return false;
}

/* Too many at once: the next use of those that are left out notes them. */
static void write_label(void *data)
{
    struct use *use = data;
    struct legacy_tokens *tokens = use->tokens;
    char date[TIME_TEXT_SIZE];
    if (tokens->stopped || tokens->use_count == USES_MAX || is_under_way(tokens, use)) {
        arena_free(use->arena);
        return;
    }
    write_date(0, date);
    const char *patch = arena_printf(
        use->arena,
        "{\"metadata\":{\"uid\":\"%s\",\"labels\":{\"" LEGACY_TOKEN_LAST_USED "\":\"%s\"}}}",
        use->uid, date);
    use->call = (struct registry_call){.verb = REGISTRY_PATCH,
                                       .kind = tokens->secrets,
                                       .namespace = use->namespace,
                                       .name = use->name,
                                       .user = &user_system_apiserver,
                                       .arena = use->arena,
                                       .patch_type = REGISTRY_PATCH_MERGE,
                                       .patch = slice_text(patch),
                                       .options = {.field_manager = "kube-apiserver"},
                                       .done = label_written,
                                       .data = use};
    list_push_back(&tokens->under_way, &use->node);
    tokens->use_count++;
    registry_start(tokens->server->registry, &use->call);
}

/* Clocks of members may differ by a day's end. */
static bool is_noted(const Core__V1__Secret *secret)
{
    char today[TIME_TEXT_SIZE], tomorrow[TIME_TEXT_SIZE];
    const char *last = text_or_empty(api_meta_label(secret->metadata, LEGACY_TOKEN_LAST_USED));
    write_date(0, today);
    write_date(1, tomorrow);
    return strcmp(last, today) == 0 || strcmp(last, tomorrow) == 0;
}

static void note_use(struct legacy_tokens *tokens, const Core__V1__Secret *secret)
{
    if (is_noted(secret)) {
        return;
    }
    struct arena *arena = arena_new(SIZE_MAX);
    struct use *use = arena_zeroed(arena, sizeof(*use));
    *use = (struct use){.tokens = tokens,
                        .arena = arena,
                        .namespace = arena_text(arena, secret->metadata->namespace_),
                        .name = arena_text(arena, secret->metadata->name),
                        .uid = arena_text(arena, secret->metadata->uid)};
    list_init(&use->node);
    loop_post(tokens->server->config.store_loop, write_label, use);
}

struct legacy_use legacy_tokens_use(struct legacy_tokens *tokens, const Core__V1__Secret *secret,
                                    const Core__V1__ServiceAccount *account)
{
    struct legacy_use use = {
        .invalid =
            text_or_empty(api_meta_label(secret->metadata, LEGACY_TOKEN_INVALID_SINCE))[0] != 0,
        .generated = legacy_token_is_generated(account, secret->metadata->name)};
    note_use(tokens, secret);
    if (use.invalid) {
        metric_add(tokens->invalid_uses, 1);
        return use;
    }
    if (use.generated) {
        metric_add(tokens->generated_uses, 1);
    }
    metric_add(tokens->uses, 1);
    return use;
}

/* --- Life --- */

struct legacy_tokens *legacy_tokens_new(struct apiserver *server)
{
    struct legacy_tokens *tokens = alloc_zeroed(sizeof(*tokens));
    struct metrics *metrics = server->config.metrics;
    tokens->server = server;
    tokens->secrets = api_kind_find("", "v1", "secrets");
    tokens->uses = metrics_counter(metrics, "serviceaccount_legacy_tokens_total",
                                   "Uses of tokens that are kept in Secrets.", NULL);
    tokens->generated_uses =
        metrics_counter(metrics, "serviceaccount_legacy_auto_token_uses_total",
                        "Uses of tokens in Secrets that were made for an account.", NULL);
    tokens->invalid_uses =
        metrics_counter(metrics, "serviceaccount_invalid_legacy_auto_token_uses_total",
                        "Uses of tokens in Secrets that are marked as invalid.", NULL);
    list_init(&tokens->under_way);
    const struct kept_map_config since = {.server = server,
                                          .name = LEGACY_TOKEN_TRACKING,
                                          .idle_ms = IDLE_MS,
                                          .is_good = has_since,
                                          .fill = write_since};
    tokens->since = kept_map_new(&since);
    return tokens;
}

void legacy_tokens_stop(struct legacy_tokens *tokens)
{
    tokens->stopped = true;
    kept_map_stop(tokens->since);
}

void legacy_tokens_free(struct legacy_tokens *tokens)
{
    if (tokens == NULL) {
        return;
    }
    assert(tokens->use_count == 0);
    kept_map_free(tokens->since);
    free(tokens);
}
