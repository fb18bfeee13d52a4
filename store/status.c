#include "store/status.h"

#include "lib/base/compiler.h"
#include <string.h>

enum { /* grpc status codes */
       GRPC_OK = 0,
       GRPC_UNKNOWN = 2,
       GRPC_INVALID_ARGUMENT = 3,
       GRPC_NOT_FOUND = 5,
       GRPC_PERMISSION_DENIED = 7,
       GRPC_RESOURCE_EXHAUSTED = 8,
       GRPC_FAILED_PRECONDITION = 9,
       GRPC_OUT_OF_RANGE = 11,
       GRPC_UNAVAILABLE = 14,
       GRPC_DATA_LOSS = 15,
       GRPC_UNAUTHENTICATED = 16,
};

static const struct status_row {
    int status;
    int code;
    const char *text;
} status_rows[] = {
    {STORE_OK, GRPC_OK, ""},
    {STORE_EMPTY_KEY, GRPC_INVALID_ARGUMENT, "etcdserver: key is not provided"},
    {STORE_KEY_NOT_FOUND, GRPC_INVALID_ARGUMENT, "etcdserver: key not found"},
    {STORE_VALUE_PROVIDED, GRPC_INVALID_ARGUMENT, "etcdserver: value is provided"},
    {STORE_LEASE_PROVIDED, GRPC_INVALID_ARGUMENT, "etcdserver: lease is provided"},
    {STORE_TOO_MANY_OPS, GRPC_INVALID_ARGUMENT, "etcdserver: too many operations in txn request"},
    {STORE_DUPLICATE_KEY, GRPC_INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"},
    {STORE_INVALID_SORT, GRPC_INVALID_ARGUMENT, "etcdserver: invalid sort option"},
    {STORE_COMPACTED, GRPC_OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"},
    {STORE_FUTURE_REVISION, GRPC_OUT_OF_RANGE,
     "etcdserver: mvcc: required revision is a future revision"},
    {STORE_LEASE_NOT_FOUND, GRPC_NOT_FOUND, "etcdserver: requested lease not found"},
    {STORE_LEASE_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: lease already exists"},
    {STORE_LEASE_TTL_TOO_LARGE, GRPC_OUT_OF_RANGE, "etcdserver: too large lease TTL"},
    {STORE_REQUEST_TOO_LARGE, GRPC_INVALID_ARGUMENT, "etcdserver: request is too large"},
    {STORE_TOO_MANY_REQUESTS, GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many requests"},
    {STORE_RANGE_TOO_LARGE, GRPC_RESOURCE_EXHAUSTED, "etcdserver: range is too large, use a limit"},
    {STORE_NO_LEADER, GRPC_UNAVAILABLE, "etcdserver: no leader"},
    {STORE_LEADER_CHANGED, GRPC_UNAVAILABLE, "etcdserver: leader changed"},
    {STORE_TIMEOUT, GRPC_UNAVAILABLE, "etcdserver: request timed out"},
    {STORE_NOT_LEADER, GRPC_FAILED_PRECONDITION, "etcdserver: not leader"},
    {STORE_TIMEOUT_LEADER_TRANSFER, GRPC_UNKNOWN,
     "etcdserver: request timed out, leader transfer took too long"},
    {STORE_BAD_LEADER_TRANSFEREE, GRPC_FAILED_PRECONDITION, "etcdserver: bad leader transferee"},
    {STORE_NO_SPACE, GRPC_RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"},
    {STORE_CORRUPT, GRPC_DATA_LOSS, "etcdserver: corrupt cluster"},
    {STORE_MEMBER_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: member ID already exist"},
    {STORE_PEER_URL_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: Peer URLs already exists"},
    {STORE_MEMBER_NOT_FOUND, GRPC_NOT_FOUND, "etcdserver: member not found"},
    {STORE_BAD_MEMBER_URLS, GRPC_INVALID_ARGUMENT, "etcdserver: given member URLs are invalid"},
    {STORE_NOT_ENOUGH_STARTED, GRPC_FAILED_PRECONDITION,
     "etcdserver: re-configuration failed due to not enough started members"},
    {STORE_TOO_MANY_LEARNERS, GRPC_FAILED_PRECONDITION,
     "etcdserver: too many learner members in cluster"},
    {STORE_TOO_MANY_MEMBERS, GRPC_RESOURCE_EXHAUSTED, "etcdserver: too many members in cluster"},
    {STORE_NOT_A_LEARNER, GRPC_FAILED_PRECONDITION,
     "etcdserver: can only promote a learner member"},
    {STORE_LEARNER_NOT_READY, GRPC_FAILED_PRECONDITION,
     "etcdserver: can only promote a learner member which is in sync with leader"},
    {STORE_NOT_FOR_LEARNER, GRPC_FAILED_PRECONDITION, "etcdserver: rpc not supported for learner"},
    {STORE_DOWNGRADE_FORMAT, GRPC_INVALID_ARGUMENT,
     "etcdserver: wrong downgrade target version format"},
    {STORE_DOWNGRADE_TARGET, GRPC_INVALID_ARGUMENT, "etcdserver: invalid downgrade target version"},
    {STORE_NO_DOWNGRADE, GRPC_FAILED_PRECONDITION, "etcdserver: no inflight downgrade job"},
    {STORE_OTHERS_TOO_OLD, GRPC_FAILED_PRECONDITION,
     "etcdserver: not all members can do this: upgrade them first"},
    {STORE_STOPPED, GRPC_UNAVAILABLE, "etcdserver: server stopped"},
    {STORE_ROOT_USER_NOT_EXIST, GRPC_FAILED_PRECONDITION, "etcdserver: root user does not exist"},
    {STORE_ROOT_ROLE_NOT_EXIST, GRPC_FAILED_PRECONDITION,
     "etcdserver: root user does not have root role"},
    {STORE_USER_EMPTY, GRPC_INVALID_ARGUMENT, "etcdserver: user name is empty"},
    {STORE_USER_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: user name already exists"},
    {STORE_USER_NOT_FOUND, GRPC_FAILED_PRECONDITION, "etcdserver: user name not found"},
    {STORE_ROLE_EMPTY, GRPC_INVALID_ARGUMENT, "etcdserver: role name is empty"},
    {STORE_ROLE_EXISTS, GRPC_FAILED_PRECONDITION, "etcdserver: role name already exists"},
    {STORE_ROLE_NOT_FOUND, GRPC_FAILED_PRECONDITION, "etcdserver: role name not found"},
    {STORE_ROLE_NOT_GRANTED, GRPC_FAILED_PRECONDITION,
     "etcdserver: role is not granted to the user"},
    {STORE_PERMISSION_NOT_GIVEN, GRPC_INVALID_ARGUMENT, "etcdserver: permission not given"},
    {STORE_PERMISSION_NOT_GRANTED, GRPC_FAILED_PRECONDITION,
     "etcdserver: permission is not granted to the role"},
    {STORE_PERMISSION_DENIED, GRPC_PERMISSION_DENIED, "etcdserver: permission denied"},
    {STORE_AUTH_FAILED, GRPC_INVALID_ARGUMENT,
     "etcdserver: authentication failed, invalid user ID or password"},
    {STORE_AUTH_NOT_ENABLED, GRPC_FAILED_PRECONDITION, "etcdserver: authentication is not enabled"},
    {STORE_INVALID_AUTH_TOKEN, GRPC_UNAUTHENTICATED, "etcdserver: invalid auth token"},
    {STORE_INVALID_AUTH_MGMT, GRPC_INVALID_ARGUMENT, "etcdserver: invalid auth management"},
    {STORE_AUTH_OLD_REVISION, GRPC_INVALID_ARGUMENT, "etcdserver: revision of auth store is old"},
};

static const struct status_row *status_find(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(status_rows); i++) {
        if (status_rows[i].status == status) {
            return &status_rows[i];
        }
    }
    return NULL;
}

int store_status_grpc_code(int status)
{
    const struct status_row *row = status_find(status);
    return row == NULL ? GRPC_UNKNOWN : row->code;
}

const char *store_status_text(int status)
{
    const struct status_row *row = status_find(status);
    if (row != NULL) {
        return row->text;
    }
    const char *description = strerrordesc_np(-status);
    return description == NULL ? "unknown error" : description;
}

int store_status_of_text(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(status_rows); i++) {
        if (status_rows[i].status != 0 && strcmp(status_rows[i].text, text) == 0) {
            return status_rows[i].status;
        }
    }
    return 0;
}
