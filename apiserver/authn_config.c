#include "apiserver/authn_config.h"

#include "apiserver/config_reader.h"
#include "apiserver/limits.h"
#include <errno.h>
#include <string.h>

/* The claim and prefix of a mapping. With a claim the prefix has to be said, even if it is "". */
static void read_mapping(struct config_reader *reader, const struct json_value *mappings,
                         const char *where, const char *name, const char **ret_claim,
                         const char **ret_prefix)
{
    static const char *const names[] = {"claim", "prefix", NULL};
    const struct json_value *mapping = config_map(reader, mappings, where, name);
    *ret_claim = NULL;
    *ret_prefix = NULL;
    if (mapping == NULL) {
        return;
    }
    const char *path = arena_printf(reader->arena, "%s.%s", where, name);
    config_check_names(reader, mapping, path, names);
    *ret_claim = config_text(reader, mapping, path, "claim");
    *ret_prefix = config_text(reader, mapping, path, "prefix");
    if ((*ret_claim)[0] == 0) {
        config_fail(reader, "%s.claim: must be given", path);
    } else if (json_get_text(mapping, "prefix") == NULL) {
        config_fail(reader, "%s.prefix: must be given with a claim, \"\" for none", path);
    }
}

static void read_mappings(struct config_reader *reader, const struct json_value *issuer,
                          const char *where, struct oidc_options *options)
{
    static const char *const names[] = {"username", "groups", NULL};
    const struct json_value *mappings = config_map(reader, issuer, where, "claimMappings");
    if (mappings == NULL) {
        config_fail(reader, "%s.claimMappings.username: must be given", where);
        return;
    }
    const char *path = arena_printf(reader->arena, "%s.claimMappings", where);
    config_check_names(reader, mappings, path, names);
    read_mapping(reader, mappings, path, "username", &options->username_claim,
                 &options->username_prefix);
    read_mapping(reader, mappings, path, "groups", &options->groups_claim, &options->groups_prefix);
    if (options->username_claim == NULL) {
        config_fail(reader, "%s.username: must be given", path);
    } else if (options->username_prefix[0] == 0) {
        options->username_prefix = "-"; /* As the flag says "none". */
    }
}

/* As the flag's NAME=VALUE. */
static void read_rules(struct config_reader *reader, const struct json_value *issuer,
                       const char *where, struct oidc_options *options)
{
    static const char *const names[] = {"claim", "requiredValue", NULL};
    struct config_list rules = config_maps(reader, issuer, where, "claimValidationRules");
    const char **pairs = arena_array(reader->arena, rules.count, sizeof(char *));
    for (size_t i = 0; i < rules.count; i++) {
        const char *path = config_item_path(reader, where, "claimValidationRules", i);
        config_check_names(reader, rules.items[i], path, names);
        const char *claim = config_text(reader, rules.items[i], path, "claim");
        if (claim[0] == 0 || strchr(claim, '=') != NULL) {
            config_fail(reader, "%s.claim: must be the name of a claim", path);
        }
        pairs[i] = arena_printf(reader->arena, "%s=%s", claim,
                                config_text(reader, rules.items[i], path, "requiredValue"));
    }
    options->required_claims = (struct text_list){.items = pairs, .count = rules.count};
}

static void read_issuer(struct config_reader *reader, const struct json_value *jwt,
                        const char *where, struct oidc_options *options)
{
    static const char *const names[] = {"issuer", "claimMappings", "claimValidationRules", NULL};
    static const char *const issuer_names[] = {"url", "certificateAuthority", "audiences",
                                               "audienceMatchPolicy", NULL};
    static const char *const algorithms[] = {"RS256", "ES256"};
    config_check_names(reader, jwt, where, names);
    const struct json_value *issuer = config_map(reader, jwt, where, "issuer");
    if (issuer == NULL) {
        config_fail(reader, "%s.issuer: must be given", where);
        return;
    }
    const char *path = arena_printf(reader->arena, "%s.issuer", where);
    config_check_names(reader, issuer, path, issuer_names);
    const char *ca = config_text(reader, issuer, path, "certificateAuthority");
    const char *policy = config_text(reader, issuer, path, "audienceMatchPolicy");
    *options = (struct oidc_options){
        .issuer_url = config_text(reader, issuer, path, "url"),
        .audiences = config_texts(reader, issuer, path, "audiences"),
        .ca_pem = ca[0] == 0 ? NULL : ca,
        .signing_algorithms = {.items = algorithms, .count = ARRAY_LEN(algorithms)}};
    if (strncmp(options->issuer_url, "https://", 8) != 0) {
        config_fail(reader, "%s.url: must be https://", path);
    } else if (options->audiences.count == 0) {
        config_fail(reader, "%s.audiences: must name at least one", path);
    } else if (options->audiences.count > 1 && strcmp(policy, "MatchAny") != 0) {
        config_fail(reader, "%s.audienceMatchPolicy: must be MatchAny for several audiences", path);
    } else if (policy[0] != 0 && strcmp(policy, "MatchAny") != 0) {
        config_fail(reader, "%s.audienceMatchPolicy: must be MatchAny or absent", path);
    }
    read_mappings(reader, jwt, where, options);
    read_rules(reader, jwt, where, options);
}

static void read_anonymous(struct config_reader *reader, const struct json_value *document,
                           struct authn_config *config)
{
    static const char *const names[] = {"enabled", "conditions", NULL};
    static const char *const condition_names[] = {"path", NULL};
    const struct json_value *anonymous = config_map(reader, document, "", "anonymous");
    if (anonymous == NULL) {
        return;
    }
    config_check_names(reader, anonymous, "anonymous", names);
    config->has_anonymous = true;
    config->anonymous = config_bool(reader, anonymous, "anonymous", "enabled", false);
    struct config_list conditions = config_maps(reader, anonymous, "anonymous", "conditions");
    const char **paths = arena_array(reader->arena, conditions.count, sizeof(char *));
    for (size_t i = 0; i < conditions.count; i++) {
        const char *where = config_item_path(reader, "anonymous", "conditions", i);
        config_check_names(reader, conditions.items[i], where, condition_names);
        paths[i] = config_text(reader, conditions.items[i], where, "path");
        if (paths[i][0] != '/') {
            config_fail(reader, "%s.path: must begin with /", where);
        }
    }
    config->anonymous_paths = (struct text_list){.items = paths, .count = conditions.count};
    if (conditions.count > 0 && !config->anonymous) {
        config_fail(reader, "anonymous.conditions: only with enabled: true");
    }
}

static void check_twins(struct config_reader *reader, const struct authn_config *config)
{
    for (size_t i = 0; i < config->issuer_count && reader->status == 0; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(config->issuers[i].issuer_url, config->issuers[j].issuer_url) == 0) {
                config_fail(reader, "jwt[%zu].issuer.url: is there twice", i);
            }
        }
    }
}

int authn_config_parse(struct arena *arena, struct slice text, struct authn_config *ret_config,
                       struct error *reterr)
{
    static const char *const versions[] = {"apiserver.config.k8s.io/v1beta1",
                                           "apiserver.config.k8s.io/v1alpha1", NULL};
    static const char *const names[] = {"kind", "apiVersion", "jwt", "anonymous", NULL};
    struct config_reader reader = {.arena = arena, .reterr = reterr};
    struct authn_config config = {.issuer_count = 0};
    const struct json_value *document =
        config_open(&reader, text, AUTHN_CONFIG_MAX, "AuthenticationConfiguration", versions);
    if (document == NULL) {
        return reader.status;
    }
    config_check_names(&reader, document, "", names);
    struct config_list issuers = config_maps(&reader, document, "", "jwt");
    if (issuers.count > OIDC_ISSUERS_MAX) {
        config_fail(&reader, "jwt: at most %d issuers", OIDC_ISSUERS_MAX);
    }
    config.issuers = arena_array(arena, issuers.count, sizeof(*config.issuers));
    for (size_t i = 0; i < issuers.count && reader.status == 0; i++) {
        read_issuer(&reader, issuers.items[i], config_item_path(&reader, "", "jwt", i),
                    &config.issuers[config.issuer_count++]);
    }
    check_twins(&reader, &config);
    read_anonymous(&reader, document, &config);
    if (reader.status == 0) {
        *ret_config = config;
    }
    return reader.status;
}

bool authn_config_lets_in_nobody(const struct authn_config *config, bool by_flag, const char *path)
{
    if (!config->has_anonymous) {
        return by_flag;
    }
    if (!config->anonymous || config->anonymous_paths.count == 0) {
        return config->anonymous;
    }
    for (size_t i = 0; i < config->anonymous_paths.count; i++) {
        if (strcmp(config->anonymous_paths.items[i], path) == 0) {
            return true;
        }
    }
    return false;
}
