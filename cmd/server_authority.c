/* `coracle server`: what controllers may have decided and made for them that only the API server
 * can: permissions of users, tokens of accounts. */
#include "cmd/server_parts.h"

#include "apiserver/authorizer.h"
#include "apiserver/token.h"
#include "k8s/certificates_v1.pb-c.h"
#include "k8s/meta_v1.pb-c.h"
#include "lib/base/arena.h"

/* Who made the request, as the API server noted it then. */
static const struct user *
user_of_request(struct arena *arena, const Certificates__V1__CertificateSigningRequestSpec *request)
{
    struct user *user = arena_zeroed(arena, sizeof(*user));
    size_t count = 0;
    for (size_t i = 0; i < request->n_extra; i++) {
        count += request->extra[i]->value->n_items;
    }
    struct user_extra *extras = arena_array(arena, count, sizeof(*extras));
    for (size_t i = 0; i < request->n_extra; i++) {
        for (size_t j = 0; j < request->extra[i]->value->n_items; j++) {
            extras[user->extra_count++] = (struct user_extra){
                .key = request->extra[i]->key, .value = request->extra[i]->value->items[j]};
        }
    }
    user->name = text_or_empty(request->username);
    user->uid = text_or_empty(request->uid);
    user->groups = (const char *const *)request->groups;
    user->group_count = request->n_groups;
    user->extras = extras;
    return user;
}

bool server_may_request(void *data, const Certificates__V1__CertificateSigningRequestSpec *request,
                        const char *subresource)
{
    struct member *member = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct access access = {.verb = "create",
                                  .is_resource = true,
                                  .group = "certificates.k8s.io",
                                  .resource = "certificatesigningrequests",
                                  .subresource = subresource,
                                  .namespace = "",
                                  .name = "",
                                  .path = ""};
    return authorizer_allows(apiserver_authorizer(member->apiserver), arena,
                             user_of_request(arena, request), &access, NULL);
}

int server_account_token(void *data, const Meta__V1__ObjectMeta *account, const char *secret,
                         struct buffer *token, struct error *reterr)
{
    const struct member *member = data;
    const struct token_claims claims = {.legacy = true,
                                        .namespace = account->namespace_,
                                        .account = account->name,
                                        .account_uid = account->uid,
                                        .secret = secret};
    return token_issue(apiserver_signer(member->apiserver), &claims, token, reterr);
}
