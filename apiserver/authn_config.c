#include "apiserver/authn_config.h"

#include "apiserver/claim_expressions.h"
#include "apiserver/config_reader.h"
#include "apiserver/limits.h"
#include "lib/api/syntax.h"
#include <errno.h>
#include <string.h>

/* One issuer while it is read. */
struct issuer_reader {
    struct config_reader *config;
    struct claim_scope *scope;
    struct oidc_options *options;
    struct claim_expressions *expressions;
    bool uses_email, verifies_email; /* claims.email by the name; claims.email_verified by any. */
};

/* --- Expressions --- */

static struct claim_expression *compile(struct issuer_reader *reader, enum claim_purpose purpose,
                                        const char *where, const char *text)
{
    struct arena *arena = reader->config->arena;
    struct claim_expression *expression = arena_zeroed(arena, sizeof(*expression));
    expression->text = text;
    expression->message = "";
    if (reader->config->status < 0) {
        return expression;
    }
    const char *problem = claim_compile(reader->scope, purpose, text, &expression->program);
    if (problem != NULL) {
        config_fail(reader->config, "%s: Invalid value: \"%s\": %s", where, text, problem);
    }
    return expression;
}

static bool verifies_email(const struct claim_expression *expression)
{
    return expression->program != NULL &&
           cel_program_selects(expression->program, "claims", "email_verified");
}

static void append(struct issuer_reader *reader, struct claim_expression_list *list,
                   const struct claim_expression *expression, const char *where)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].text, expression->text) == 0 && expression->key == NULL) {
            config_fail(reader->config, "%s: is there twice", where);
        }
    }
    struct claim_expression *items =
        arena_array_grown(reader->config->arena, list->items, list->count, sizeof(*items));
    items[list->count++] = *expression;
    list->items = items;
}

/* --- Mappings --- */

/* A claim or an expression, never both. */
struct mapping {
    const struct json_value *map; /* NULL: not given. */
    const char *path, *claim, *text;
};

static struct mapping read_mapping(struct issuer_reader *reader, const struct json_value *mappings,
                                   const char *where, const char *name, const char *const *names)
{
    struct config_reader *config = reader->config;
    struct mapping mapping = {.map = config_map(config, mappings, where, name),
                              .path = arena_printf(config->arena, "%s.%s", where, name),
                              .claim = "",
                              .text = ""};
    if (mapping.map == NULL) {
        return mapping;
    }
    config_check_names(config, mapping.map, mapping.path, names);
    mapping.claim = config_text(config, mapping.map, mapping.path, "claim");
    mapping.text = config_text(config, mapping.map, mapping.path, "expression");
    if (mapping.claim[0] != 0 && mapping.text[0] != 0) {
        config_fail(config, "%s: claim and expression can't both be set", mapping.path);
    }
    return mapping;
}

/* With a claim the prefix has to be said, even if it is "". */
static const struct claim_expression *read_prefixed(struct issuer_reader *reader,
                                                    const struct json_value *mappings,
                                                    const char *where, const char *name,
                                                    const char **ret_claim, const char **ret_prefix)
{
    static const char *const names[] = {"claim", "prefix", "expression", NULL};
    struct config_reader *config = reader->config;
    struct mapping mapping = read_mapping(reader, mappings, where, name, names);
    const char *path = mapping.path;
    bool has_prefix = mapping.map != NULL && json_get_text(mapping.map, "prefix") != NULL;
    if (mapping.claim[0] != 0) {
        *ret_claim = mapping.claim;
        *ret_prefix = config_text(config, mapping.map, path, "prefix");
        if (!has_prefix) {
            config_fail(config, "%s.prefix: must be given with a claim, \"\" for none", path);
        }
        return NULL;
    }
    if (mapping.text[0] == 0) {
        return NULL;
    }
    if (has_prefix) {
        config_fail(config, "%s.prefix: not together with an expression", path);
    }
    return compile(reader, CLAIM_MAPPING, arena_printf(config->arena, "%s.expression", path),
                   mapping.text);
}

static void read_uid(struct issuer_reader *reader, const struct json_value *mappings,
                     const char *where)
{
    static const char *const names[] = {"claim", "expression", NULL};
    struct mapping mapping = read_mapping(reader, mappings, where, "uid", names);
    if (mapping.claim[0] != 0) {
        reader->options->uid_claim = mapping.claim;
    } else if (mapping.text[0] != 0) {
        const char *path = arena_printf(reader->config->arena, "%s.expression", mapping.path);
        reader->expressions->uid = compile(reader, CLAIM_MAPPING, path, mapping.text);
    }
}

static bool is_of_kubernetes(struct slice domain)
{
    static const char *const reserved[] = {"kubernetes.io", "k8s.io"};
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        size_t len = strlen(reserved[i]);
        if (domain.len >= len &&
            slice_is(slice_of(domain.data + domain.len - len, len), reserved[i]) &&
            (domain.len == len || domain.data[domain.len - len - 1] == '.')) {
            return true;
        }
    }
    return false;
}

/* "example.org/name" in lower case. */
static const char *key_problem(struct arena *arena, const char *key)
{
    static const char path_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789/-._~%!$&'()*+,;=:";
    const char *slash = strchr(key, '/');
    for (const char *at = key; *at != 0; at++) {
        if (*at >= 'A' && *at <= 'Z') {
            return "must be lowercase";
        }
    }
    const char *domain = arena_text_n(arena, key, slash == NULL ? 0 : (size_t)(slash - key));
    if (slash == NULL || slash[1] == 0 || slash[1 + strspn(slash + 1, path_characters)] != 0 ||
        api_syntax_dns1123_subdomain(domain).count > 0) {
        return "must be a domain and a path, such as \"example.org/name\"";
    }
    return is_of_kubernetes(slice_text(domain))
               ? "k8s.io, kubernetes.io and their subdomains are reserved"
               : NULL;
}

static bool has_key(const struct claim_expression_list *list, const char *key)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static void read_extras(struct issuer_reader *reader, const struct json_value *mappings,
                        const char *where)
{
    static const char *const names[] = {"key", "valueExpression", NULL};
    struct config_reader *config = reader->config;
    struct config_list extras = config_maps(config, mappings, where, "extra");
    for (size_t i = 0; i < extras.count && config->status == 0; i++) {
        const char *path = config_item_path(config, where, "extra", i);
        config_check_names(config, extras.items[i], path, names);
        const char *key = config_text(config, extras.items[i], path, "key");
        const char *text = config_text(config, extras.items[i], path, "valueExpression");
        const char *problem = key_problem(config->arena, key);
        if (problem != NULL) {
            config_fail(config, "%s.key: Invalid value: \"%s\": %s", path, key, problem);
        } else if (has_key(&reader->expressions->extras, key)) {
            config_fail(config, "%s.key: is there twice", path);
        } else if (text[0] == 0) {
            config_fail(config, "%s.valueExpression: must be given", path);
        }
        struct claim_expression *extra = compile(
            reader, CLAIM_MAPPING, arena_printf(config->arena, "%s.valueExpression", path), text);
        extra->key = key;
        reader->verifies_email = reader->verifies_email || verifies_email(extra);
        append(reader, &reader->expressions->extras, extra, path);
    }
}

static void read_mappings(struct issuer_reader *reader, const struct json_value *issuer,
                          const char *where)
{
    static const char *const names[] = {"username", "groups", "uid", "extra", NULL};
    struct config_reader *config = reader->config;
    struct oidc_options *options = reader->options;
    const char *path = arena_printf(config->arena, "%s.claimMappings", where);
    const struct json_value *mappings = config_map(config, issuer, where, "claimMappings");
    if (mappings == NULL) {
        config_fail(config, "%s.username: must be given", path);
        return;
    }
    config_check_names(config, mappings, path, names);
    const struct claim_expression *name = read_prefixed(
        reader, mappings, path, "username", &options->username_claim, &options->username_prefix);
    reader->expressions->username = name;
    reader->expressions->groups = read_prefixed(reader, mappings, path, "groups",
                                                &options->groups_claim, &options->groups_prefix);
    read_uid(reader, mappings, path);
    read_extras(reader, mappings, path);
    if (options->username_claim == NULL && name == NULL) {
        config_fail(config, "%s.username: needs a claim or an expression", path);
    } else if (name != NULL && name->program != NULL) {
        reader->uses_email = cel_program_selects(name->program, "claims", "email");
        reader->verifies_email = reader->verifies_email || verifies_email(name);
    }
}

/* --- Rules --- */

static void check_required(struct issuer_reader *reader, const struct text_list *pairs,
                           const char *claim, const char *path)
{
    size_t len = strlen(claim);
    if (strchr(claim, '=') != NULL) {
        config_fail(reader->config, "%s.claim: must be the name of a claim", path);
    }
    for (size_t i = 0; i < pairs->count; i++) {
        if (strncmp(pairs->items[i], claim, len) == 0 && pairs->items[i][len] == '=') {
            config_fail(reader->config, "%s.claim: is there twice", path);
        }
    }
}

static void read_claim_rule(struct issuer_reader *reader, const struct json_value *rule,
                            const char *path, const char **pairs)
{
    static const char *const names[] = {"claim", "requiredValue", "expression", "message", NULL};
    struct config_reader *config = reader->config;
    struct text_list *required = &reader->options->required_claims;
    config_check_names(config, rule, path, names);
    const char *claim = config_text(config, rule, path, "claim");
    const char *value = config_text(config, rule, path, "requiredValue");
    const char *text = config_text(config, rule, path, "expression");
    const char *message = config_text(config, rule, path, "message");
    if ((claim[0] == 0) == (text[0] == 0)) {
        config_fail(config, "%s: needs a claim or an expression, and not both", path);
    } else if (claim[0] != 0 && message[0] != 0) {
        config_fail(config, "%s.message: not together with a claim", path);
    } else if (claim[0] == 0 && value[0] != 0) {
        config_fail(config, "%s.requiredValue: not together with an expression", path);
    } else if (claim[0] != 0) {
        check_required(reader, required, claim, path);
        pairs[required->count++] = arena_printf(config->arena, "%s=%s", claim, value);
    } else {
        const char *where = arena_printf(config->arena, "%s.expression", path);
        struct claim_expression *expression = compile(reader, CLAIM_RULE, where, text);
        expression->message = message;
        reader->verifies_email = reader->verifies_email || verifies_email(expression);
        append(reader, &reader->expressions->claim_rules, expression, where);
    }
}

static void read_claim_rules(struct issuer_reader *reader, const struct json_value *issuer,
                             const char *where)
{
    struct config_reader *config = reader->config;
    struct config_list rules = config_maps(config, issuer, where, "claimValidationRules");
    const char **pairs = arena_array(config->arena, rules.count + 1, sizeof(char *));
    reader->options->required_claims.items = pairs; /* As the flag's NAME=VALUE. */
    for (size_t i = 0; i < rules.count && config->status == 0; i++) {
        read_claim_rule(reader, rules.items[i],
                        config_item_path(config, where, "claimValidationRules", i), pairs);
    }
}

static void read_user_rules(struct issuer_reader *reader, const struct json_value *issuer,
                            const char *where)
{
    static const char *const names[] = {"expression", "message", NULL};
    struct config_reader *config = reader->config;
    struct config_list rules = config_maps(config, issuer, where, "userValidationRules");
    for (size_t i = 0; i < rules.count && config->status == 0; i++) {
        const char *path = config_item_path(config, where, "userValidationRules", i);
        config_check_names(config, rules.items[i], path, names);
        const char *text = config_text(config, rules.items[i], path, "expression");
        const char *expression_path = arena_printf(config->arena, "%s.expression", path);
        if (text[0] == 0) {
            config_fail(config, "%s: must be given", expression_path);
        }
        struct claim_expression *rule = compile(reader, CLAIM_USER_RULE, expression_path, text);
        rule->message = config_text(config, rules.items[i], path, "message");
        append(reader, &reader->expressions->user_rules, rule, expression_path);
    }
}

/* --- Issuers --- */

/* Of an issuer, or its document. */
static const char *url_problem(const char *url)
{
    static const char scheme[] = "https://";
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0) {
        return "must be https://";
    }
    const char *host = url + sizeof(scheme) - 1;
    size_t len = strcspn(host, "/?#");
    if (len == 0 || strpbrk(url, " \t\r\n\\") != NULL) {
        return "must have a host, and no space";
    }
    if (memchr(host, '@', len) != NULL) {
        return "must not contain a username or password";
    }
    return strpbrk(host, "?#") == NULL ? NULL : "must not contain a query or fragment";
}

static void check_url(struct config_reader *config, const char *path, const char *name,
                      const char *url)
{
    const char *problem = url[0] == 0 ? "must be given" : url_problem(url);
    if (problem != NULL) {
        config_fail(config, "%s.%s: Invalid value: \"%s\": %s", path, name, url, problem);
    }
}

static bool same_but_slashes(const char *a, const char *b)
{
    size_t len = strlen(a), other = strlen(b);
    while (len > 0 && a[len - 1] == '/') {
        len--;
    }
    while (other > 0 && b[other - 1] == '/') {
        other--;
    }
    return len == other && memcmp(a, b, len) == 0;
}

static void check_audiences(struct config_reader *config, const char *path,
                            const struct text_list *audiences, const char *policy)
{
    bool any = strcmp(policy, "MatchAny") == 0;
    if (audiences->count == 0) {
        config_fail(config, "%s.audiences: must name at least one", path);
    } else if (audiences->count > 1 && !any) {
        config_fail(config, "%s.audienceMatchPolicy: must be MatchAny for several audiences", path);
    } else if (policy[0] != 0 && !any) {
        config_fail(config, "%s.audienceMatchPolicy: must be MatchAny or absent", path);
    }
    for (size_t i = 0; i < audiences->count; i++) {
        if (audiences->items[i][0] == 0) {
            config_fail(config, "%s.audiences[%zu]: must not be empty", path, i);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(audiences->items[i], audiences->items[j]) == 0) {
                config_fail(config, "%s.audiences[%zu]: is there twice", path, i);
            }
        }
    }
}

static void read_issuer(struct issuer_reader *reader, const struct json_value *jwt,
                        const char *where, const char *own_issuer)
{
    static const char *const names[] = {"url",       "discoveryURL",        "certificateAuthority",
                                        "audiences", "audienceMatchPolicy", NULL};
    struct config_reader *config = reader->config;
    struct oidc_options *options = reader->options;
    const struct json_value *issuer = config_map(config, jwt, where, "issuer");
    if (issuer == NULL) {
        config_fail(config, "%s.issuer: must be given", where);
        return;
    }
    const char *path = arena_printf(config->arena, "%s.issuer", where);
    config_check_names(config, issuer, path, names);
    const char *ca = config_text(config, issuer, path, "certificateAuthority");
    const char *discovery = config_text(config, issuer, path, "discoveryURL");
    options->issuer_url = config_text(config, issuer, path, "url");
    options->audiences = config_texts(config, issuer, path, "audiences");
    options->ca_pem = ca[0] == 0 ? NULL : ca;
    options->discovery_url = discovery[0] == 0 ? NULL : discovery;
    check_url(config, path, "url", options->issuer_url);
    if (own_issuer != NULL && strcmp(options->issuer_url, own_issuer) == 0) {
        config_fail(config, "%s.url: is the one of this cluster's own tokens", path);
    }
    if (options->discovery_url != NULL) {
        check_url(config, path, "discoveryURL", discovery);
        if (same_but_slashes(discovery, options->issuer_url)) {
            config_fail(config, "%s.discoveryURL: must be different from url", path);
        }
    }
    check_audiences(config, path, &options->audiences,
                    config_text(config, issuer, path, "audienceMatchPolicy"));
}

/* What go-oidc takes when nothing else is said. */
static const char *const algorithms[] = {"RS256", "RS384", "RS512", "ES256", "ES384",
                                         "ES512", "PS256", "PS384", "PS512"};

static void read_jwt(struct issuer_reader *reader, const struct json_value *jwt, const char *where,
                     const char *own_issuer)
{
    static const char *const names[] = {"issuer", "claimValidationRules", "claimMappings",
                                        "userValidationRules", NULL};
    config_check_names(reader->config, jwt, where, names);
    reader->expressions = arena_zeroed(reader->config->arena, sizeof(*reader->expressions));
    *reader->options = (struct oidc_options){
        .signing_algorithms = {.items = algorithms, .count = ARRAY_LEN(algorithms)},
        .literal_prefix = true,
        .expressions = reader->expressions};
    read_issuer(reader, jwt, where, own_issuer);
    read_claim_rules(reader, jwt, where);
    read_mappings(reader, jwt, where);
    read_user_rules(reader, jwt, where);
    if (reader->uses_email && !reader->verifies_email) {
        config_fail(reader->config,
                    "%s.claimMappings.username.expression: uses claims.email, so "
                    "claims.email_verified must be used there, in an extra or in a "
                    "claimValidationRule",
                    where);
    }
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
        const struct oidc_options *own = &config->issuers[i];
        for (size_t j = 0; j < i; j++) {
            const struct oidc_options *other = &config->issuers[j];
            if (strcmp(own->issuer_url, other->issuer_url) == 0) {
                config_fail(reader, "jwt[%zu].issuer.url: is there twice", i);
            } else if (own->discovery_url != NULL && other->discovery_url != NULL &&
                       strcmp(own->discovery_url, other->discovery_url) == 0) {
                config_fail(reader, "jwt[%zu].issuer.discoveryURL: is there twice", i);
            }
        }
    }
}

int authn_config_parse(struct arena *arena, const struct authn_config_scope *scope,
                       struct slice text, struct authn_config *ret_config, struct error *reterr)
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
    struct claim_scope *claims = claim_scope_new(arena, scope->functions);
    for (size_t i = 0; i < issuers.count && reader.status == 0; i++) {
        struct issuer_reader issuer = {
            .config = &reader, .scope = claims, .options = &config.issuers[config.issuer_count++]};
        read_jwt(&issuer, issuers.items[i], config_item_path(&reader, "", "jwt", i),
                 scope->own_issuer);
    }
    check_twins(&reader, &config);
    read_anonymous(&reader, document, &config);
    if (reader.status == 0) {
        *ret_config = config;
    }
    return reader.status;
}

bool authn_config_same_anonymous(const struct authn_config *a, const struct authn_config *b)
{
    bool same = a->has_anonymous == b->has_anonymous && a->anonymous == b->anonymous &&
                a->anonymous_paths.count == b->anonymous_paths.count;
    for (size_t i = 0; same && i < a->anonymous_paths.count; i++) {
        same = strcmp(a->anonymous_paths.items[i], b->anonymous_paths.items[i]) == 0;
    }
    return same;
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
