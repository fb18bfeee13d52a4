#include "tests/unit/unit.h"

Suite *go_text_suite(void);
Suite *request_info_suite(void);
Suite *token_suite(void);
Suite *pki_suite(void);
Suite *registry_suite(void);
Suite *object_json_suite(void);
Suite *object_list_suite(void);
Suite *node_restriction_suite(void);
Suite *proxy_suite(void);
Suite *proxy_object_suite(void);
Suite *html_links_suite(void);
Suite *extension_discovery_suite(void);
Suite *rbac_suite(void);
Suite *webhook_client_suite(void);
Suite *quota_suite(void);
Suite *webhooks_suite(void);
Suite *policies_suite(void);
Suite *default_plugins_suite(void);
Suite *flow_suite(void);
Suite *flow_level_suite(void);
Suite *oidc_suite(void);
Suite *encryption_suite(void);
Suite *audit_suite(void);
Suite *audit_webhook_suite(void);
Suite *kubeconfig_suite(void);
Suite *authn_config_suite(void);
Suite *review_hook_suite(void);
Suite *abac_suite(void);
Suite *authz_config_suite(void);
Suite *access_review_suite(void);
Suite *kms_suite(void);
Suite *node_graph_suite(void);
Suite *objects_request_suite(void);
Suite *objects_suite(void);
Suite *objects_errors_suite(void);
Suite *objects_streams_suite(void);
Suite *server_close_suite(void);
Suite *subresources_suite(void);
Suite *warnings_suite(void);
Suite *watch_history_suite(void);
Suite *cache_follower_suite(void);
Suite *local_client_suite(void);

int main(void)
{
    Suite *suites[] = {go_text_suite(),
                       request_info_suite(),
                       token_suite(),
                       pki_suite(),
                       registry_suite(),
                       node_restriction_suite(),
                       proxy_suite(),
                       rbac_suite(),
                       webhook_client_suite(),
                       quota_suite(),
                       webhooks_suite(),
                       policies_suite(),
                       default_plugins_suite(),
                       flow_suite(),
                       flow_level_suite(),
                       oidc_suite(),
                       encryption_suite(),
                       proxy_object_suite(),
                       html_links_suite(),
                       extension_discovery_suite(),
                       audit_suite(),
                       audit_webhook_suite(),
                       kubeconfig_suite(),
                       authn_config_suite(),
                       review_hook_suite(),
                       abac_suite(),
                       authz_config_suite(),
                       access_review_suite(),
                       kms_suite(),
                       node_graph_suite(),
                       object_json_suite(),
                       object_list_suite(),
                       objects_request_suite(),
                       objects_suite(),
                       objects_errors_suite(),
                       objects_streams_suite(),
                       server_close_suite(),
                       subresources_suite(),
                       warnings_suite(),
                       watch_history_suite(),
                       cache_follower_suite(),
                       local_client_suite()};
    return unit_main(suites, sizeof(suites) / sizeof(suites[0]));
}
