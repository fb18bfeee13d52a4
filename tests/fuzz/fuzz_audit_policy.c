/* The audit policy that an operator writes: it is read or refused, and what is read decides on any
 * request. */
#include "apiserver/audit_policy.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const groups[] = {"admins"};
    static const struct user user = {
        .name = "alice", .uid = "", .groups = groups, .group_count = 1};
    static const struct access accesses[] = {
        {.verb = "get",
         .is_resource = true,
         .group = "",
         .resource = "pods",
         .subresource = "log",
         .namespace = "default",
         .name = "p",
         .version = "v1",
         .path = ""},
        {.verb = "list",
         .is_resource = true,
         .group = "apps",
         .resource = "deployments",
         .subresource = "",
         .namespace = "",
         .name = "",
         .version = "v1",
         .path = ""},
        {.verb = "get",
         .group = "",
         .resource = "",
         .subresource = "",
         .namespace = "",
         .name = "",
         .path = "/version"},
    };
    struct audit_policy *policy = NULL;
    CLEANUP(error_release) struct error error = {0};
    int status = audit_policy_parse(slice_of(data, size), &policy, &error);
    assert(status == 0 || (status == -EINVAL && error_message(&error)[0] != 0));
    for (size_t i = 0; status == 0 && i < ARRAY_LEN(accesses); i++) {
        struct audit_decision decision = audit_policy_decide(policy, &user, &accesses[i]);
        assert(decision.level <= AUDIT_REQUEST_RESPONSE);
        (void)audit_policy_decide(policy, NULL, &accesses[i]);
    }
    audit_policy_free(policy);
    return 0;
}
