/* CustomResourceDefinitions: defaults, and what the server writes when they are stored. */
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include <ctype.h>

typedef Apiextensions__V1__CustomResourceDefinition definition_t;

static const char PACKAGE_CONVERSION[] =
    "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.CustomResourceConversion";
static const char PACKAGE_STATUS[] =
    "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus";

static char *small_letters(struct arena *arena, const char *text)
{
    char *copy = arena_text(arena, text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return copy;
}

void default_definition(struct arena *arena, void *message)
{
    definition_t *definition = message;
    Apiextensions__V1__CustomResourceDefinitionSpec *spec = definition->spec;
    const char *kind = text_or_empty(spec->names->kind);
    if (rules_empty(spec->names->singular)) {
        spec->names->singular = small_letters(arena, kind);
    }
    if (rules_empty(spec->names->list_kind) && kind[0] != '\0') {
        spec->names->list_kind = arena_printf(arena, "%sList", kind);
    }
    if (spec->conversion == NULL) {
        spec->conversion = rules_new(arena, PACKAGE_CONVERSION);
    }
    rules_default(arena, &spec->conversion->strategy, "None");
    Apiextensions__V1__WebhookConversion *webhook = spec->conversion->webhook;
    if (webhook != NULL && webhook->client_config != NULL &&
        webhook->client_config->service != NULL && !webhook->client_config->service->has_port) {
        webhook->client_config->service->has_port = 1;
        webhook->client_config->service->port = 443;
    }
}

/* The storage version joins those that objects may be stored as. */
static void note_storage_version(struct arena *arena, definition_t *definition)
{
    Apiextensions__V1__CustomResourceDefinitionStatus *status = definition->status;
    for (size_t i = 0; i < definition->spec->n_versions; i++) {
        const Apiextensions__V1__CustomResourceDefinitionVersion *version =
            definition->spec->versions[i];
        bool known = !version->storage;
        for (size_t j = 0; !known && j < status->n_stored_versions; j++) {
            known = rules_is(version->name, text_or_empty(status->stored_versions[j]));
        }
        if (!known) {
            char **versions = arena_array(arena, status->n_stored_versions + 1, sizeof(*versions));
            for (size_t j = 0; j < status->n_stored_versions; j++) {
                versions[j] = status->stored_versions[j];
            }
            versions[status->n_stored_versions++] = arena_text(arena, text_or_empty(version->name));
            status->stored_versions = versions;
            return; /* More than one is refused. */
        }
    }
}

void rules_prepare_definition(struct arena *arena, void *message)
{
    note_storage_version(arena, message);
}

void rules_prepare_definition_update(struct arena *arena, const void *before, void *after)
{
    definition_t *definition = after;
    (void)before;
    /* The status is the stored object's until here: it is not written through a shared pointer. */
    definition->status =
        api_message_copy(arena, api_message_find(PACKAGE_STATUS), definition->status);
    note_storage_version(arena, definition);
}
