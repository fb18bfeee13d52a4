#include "apiserver/kubeconfig_text.h"

#include "apiserver/config_reader.h"
#include "apiserver/limits.h"
#include <string.h>

/* Member `name` of the entry of that name in a list such as clusters: [{name, cluster: {...}}];
 * NULL when there is none. */
static const struct json_value *find_entry(struct config_reader *reader,
                                           const struct json_value *document, const char *list,
                                           const char *member, const char *name)
{
    struct config_list entries = config_maps(reader, document, "", list);
    for (size_t i = 0; i < entries.count; i++) {
        const char *where = config_item_path(reader, "", list, i);
        if (strcmp(config_text(reader, entries.items[i], where, "name"), name) == 0) {
            return config_map(reader, entries.items[i], where, member);
        }
    }
    return NULL;
}

static void read_cluster(struct config_reader *reader, const struct json_value *cluster,
                         struct kubeconfig_text *text)
{
    static const char *const names[] = {"server",
                                        "tls-server-name",
                                        "insecure-skip-tls-verify",
                                        "certificate-authority",
                                        "certificate-authority-data",
                                        "disable-compression",
                                        "extensions",
                                        NULL};
    config_check_names(reader, cluster, "cluster", names);
    text->server = config_text(reader, cluster, "cluster", "server");
    text->tls_server_name = config_text(reader, cluster, "cluster", "tls-server-name");
    text->insecure = config_bool(reader, cluster, "cluster", "insecure-skip-tls-verify", false);
    text->ca_file = config_text(reader, cluster, "cluster", "certificate-authority");
    text->ca_data = config_text(reader, cluster, "cluster", "certificate-authority-data");
    if (strncmp(text->server, "https://", 8) != 0 && strncmp(text->server, "http://", 7) != 0) {
        config_fail(reader, "cluster.server: must begin with https:// or http://");
    }
    if (text->insecure && (text->ca_file[0] != 0 || text->ca_data[0] != 0)) {
        config_fail(reader, "cluster.insecure-skip-tls-verify: not with a certificate-authority");
    }
}

/* Programs that get credentials are not run here. */
static void read_user(struct config_reader *reader, const struct json_value *user,
                      struct kubeconfig_text *text)
{
    static const char *const names[] = {"client-certificate",
                                        "client-certificate-data",
                                        "client-key",
                                        "client-key-data",
                                        "token",
                                        "tokenFile",
                                        "username",
                                        "password",
                                        "extensions",
                                        NULL};
    config_check_names(reader, user, "user", names);
    text->cert_file = config_text(reader, user, "user", "client-certificate");
    text->cert_data = config_text(reader, user, "user", "client-certificate-data");
    text->key_file = config_text(reader, user, "user", "client-key");
    text->key_data = config_text(reader, user, "user", "client-key-data");
    text->token_file = config_text(reader, user, "user", "tokenFile");
    text->token = config_text(reader, user, "user", "token");
    text->username = config_text(reader, user, "user", "username");
    text->password = config_text(reader, user, "user", "password");
    if ((text->token[0] != 0 || text->token_file[0] != 0) && text->username[0] != 0) {
        config_fail(reader, "user: has a token and a username: only one of them");
    }
}

static void read_context(struct config_reader *reader, const struct json_value *document,
                         struct kubeconfig_text *text)
{
    const char *current = config_text(reader, document, "", "current-context");
    const struct json_value *context = find_entry(reader, document, "contexts", "context", current);
    if (context == NULL) {
        config_fail(reader, "current-context: there is no context \"%s\"", current);
        return;
    }
    const char *cluster_name = config_text(reader, context, "context", "cluster");
    const struct json_value *cluster =
        find_entry(reader, document, "clusters", "cluster", cluster_name);
    if (cluster == NULL) {
        config_fail(reader, "context.cluster: there is no cluster \"%s\"", cluster_name);
        return;
    }
    read_cluster(reader, cluster, text);
    const char *user_name = config_text(reader, context, "context", "user");
    const struct json_value *user = find_entry(reader, document, "users", "user", user_name);
    if (user != NULL) {
        read_user(reader, user, text);
    } else if (user_name[0] != 0) {
        config_fail(reader, "context.user: there is no user \"%s\"", user_name);
    }
}

void kubeconfig_text_init(struct kubeconfig_text *text)
{
    *text = (struct kubeconfig_text){.server = "",
                                     .tls_server_name = "",
                                     .ca_file = "",
                                     .ca_data = "",
                                     .cert_file = "",
                                     .cert_data = "",
                                     .key_file = "",
                                     .key_data = "",
                                     .token_file = "",
                                     .token = "",
                                     .username = "",
                                     .password = ""};
}

int kubeconfig_parse(struct arena *arena, struct slice text, struct kubeconfig_text *ret_text,
                     struct error *reterr)
{
    static const char *const versions[] = {"v1", NULL};
    struct config_reader reader = {.arena = arena, .reterr = reterr};
    struct kubeconfig_text read;
    kubeconfig_text_init(&read);
    const struct json_value *document =
        config_open(&reader, text, KUBECONFIG_MAX, "Config", versions);
    if (document != NULL) {
        read_context(&reader, document, &read);
    }
    if (reader.status == 0) {
        *ret_text = read;
    }
    return reader.status;
}
