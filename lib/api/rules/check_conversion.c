#include "lib/api/rules/check_conversion.h"

#include "lib/api/rules/rules.h"
#include "lib/base/name_index.h"

typedef Apiextensions__V1__CustomResourceConversion conversion_t;
typedef Apiextensions__V1__WebhookConversion webhook_t;
typedef Apiextensions__V1__WebhookClientConfig client_t;

/* As v1.32 names it, whose inner form of a definition has no "webhook" in between. */
static const char client_member[] = "webhookClientConfig";
static const char versions_member[] = "conversionReviewVersions";

/* What is wrong with certificates that are to be trusted, or NULL. That of one that cannot be read
 * is found when it is used. */
static const char *wrong_bundle(struct arena *arena, ProtobufCBinaryData bundle)
{
    struct slice rest = slice_of(bundle.data, bundle.len), body;
    const char *type = NULL;
    size_t blocks = 0;
    while ((type = rules_next_pem(arena, &rest, &body)) != NULL) {
        if (strcmp(type, "CERTIFICATE") == 0 && memchr(body.data, ':', body.len) == NULL) {
            return NULL;
        }
        blocks++;
    }
    return blocks == 0 ? "unable to load root certificates: unable to parse bytes as PEM block"
                       : "unable to load root certificates: no valid certificate authority data "
                         "seen";
}

/* Who was trusted while it is in use may not become unreadable; before that it is filled in. */
static void check_bundle(struct api_causes *causes, const struct api_path *at,
                         const client_t *client, const conversion_t *before)
{
    struct api_path path = api_path_field(at, client_member);
    const client_t *old =
        before == NULL || before->webhook == NULL ? NULL : before->webhook->client_config;
    bool was_wrong = old != NULL && old->ca_bundle.len > 0 &&
                     wrong_bundle(causes->arena, old->ca_bundle) != NULL;
    if (client == NULL || client->ca_bundle.len == 0 || was_wrong) {
        return;
    }
    const char *wrong = wrong_bundle(causes->arena, client->ca_bundle);
    if (wrong != NULL) {
        rules_invalid(
            causes, &path, "caBundle",
            api_shown_bytes(causes->arena, slice_of(client->ca_bundle.data, client->ca_bundle.len)),
            wrong);
    }
}

static void check_client(struct api_causes *causes, const struct api_path *at,
                         const client_t *client)
{
    struct api_path path = api_path_field(at, client_member);
    if (client == NULL) {
        api_cause_required(causes, &path, "required when strategy is set to Webhook");
        return;
    }
    if ((client->url == NULL) == (client->service == NULL)) {
        api_cause_required(causes, &path, "exactly one of url or service is required");
        return;
    }
    if (client->url != NULL) {
        rules_check_webhook_url(causes, &path, client->url);
    }
    struct api_path service = api_path_field(&path, "service");
    if (client->service != NULL && rules_empty(client->service->name)) {
        rules_required(causes, &service, "name", "service name is required");
    }
    if (client->service != NULL && rules_empty(client->service->namespace_)) {
        rules_required(causes, &service, "namespace", "service namespace is required");
    }
    if (client->service != NULL && client->service->has_port &&
        (client->service->port < 1 || client->service->port > UINT16_MAX)) {
        rules_invalid(causes, &service, "port", api_shown_int(client->service->port),
                      "port is not valid: must be between 1 and 65535, inclusive");
    }
    if (client->service != NULL && client->service->path != NULL) {
        rules_check_webhook_path(causes, &service, client->service->path);
    }
}

static void check_versions(struct api_causes *causes, const struct api_path *at,
                           const webhook_t *webhook)
{
    struct api_path path = api_path_field(at, versions_member);
    char *const *versions = webhook->conversion_review_versions;
    size_t count = webhook->n_conversion_review_versions;
    bool known = false;
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < count; i++) {
        struct api_path item = api_path_index(&path, i);
        known = known || rules_is(versions[i], "v1") || rules_is(versions[i], "v1beta1");
        if (!text_set_add(&seen, text_or_empty(versions[i]))) {
            api_cause_invalid(causes, &item, api_shown_text(versions[i]), "duplicate version");
        } else {
            rules_invalid_each(causes, &item, api_shown_text(versions[i]),
                               api_syntax_dns1035_label(text_or_empty(versions[i])));
        }
    }
    if (count == 0) {
        api_cause_required(causes, &path, "");
    } else if (!known) {
        api_cause_invalid(causes, &path,
                          api_shown_raw(rules_list_shown(causes->arena, versions, count)),
                          "must include at least one of v1, v1beta1");
    }
}

void rules_check_conversion(struct api_causes *causes, const struct api_path *spec,
                            const conversion_t *conversion, bool established,
                            const conversion_t *before)
{
    static const char *const strategies[] = {"None", "Webhook", NULL};
    static const char unused[] = "should not be set when strategy is not set to Webhook";
    static const webhook_t nothing;
    struct api_path at = api_path_field(spec, "conversion");
    if (conversion == NULL) {
        return;
    }
    const webhook_t *webhook = conversion->webhook != NULL ? conversion->webhook : &nothing;
    if (!rules_one_of(conversion->strategy, strategies)) {
        rules_not_supported(causes, &at, "strategy", conversion->strategy, strategies);
    }
    if (rules_is(conversion->strategy, "Webhook")) {
        check_client(causes, &at, webhook->client_config);
        if (established) {
            check_bundle(causes, &at, webhook->client_config, before);
        }
        check_versions(causes, &at, webhook);
        return;
    }
    if (webhook->client_config != NULL) {
        rules_forbidden(causes, &at, client_member, unused);
    }
    if (webhook->n_conversion_review_versions > 0) {
        rules_forbidden(causes, &at, versions_member, unused);
    }
}
