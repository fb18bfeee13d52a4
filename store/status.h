/* What store calls fail with: negative errnos, named after what they mean here, and the gRPC code
 * and text that etcd clients match on. Pure. */
#ifndef STORE_STATUS_H
#define STORE_STATUS_H
#include <errno.h>

enum store_status {
    STORE_OK = 0,
    STORE_EMPTY_KEY = -EINVAL,
    STORE_COMPACTED = -ESTALE,       /* The asked revision is older than history. */
    STORE_FUTURE_REVISION = -ERANGE, /* The asked revision does not exist yet. */
    STORE_KEY_NOT_FOUND = -ENOENT,   /* ignore_value or ignore_lease on an absent key. */
    STORE_LEASE_NOT_FOUND = -ENOKEY,
    STORE_LEASE_EXISTS = -EEXIST,
    STORE_LEASE_TTL_TOO_LARGE = -EOVERFLOW,
    STORE_VALUE_PROVIDED = -EBADMSG, /* ignore_value with a value. */
    STORE_LEASE_PROVIDED = -EBADE,   /* ignore_lease with a lease. */
    STORE_TOO_MANY_OPS = -E2BIG,
    STORE_DUPLICATE_KEY = -ENOTUNIQ,
    STORE_INVALID_SORT = -EDOM,
    STORE_REQUEST_TOO_LARGE = -EMSGSIZE,
    STORE_TOO_MANY_REQUESTS = -EBUSY,  /* Over STORE_PENDING_MAX; nothing was done. */
    STORE_RANGE_TOO_LARGE = -EFBIG,    /* Not in etcd: its answer takes too much memory. */
    STORE_NO_LEADER = -ENOTCONN,       /* Nothing was done. */
    STORE_LEADER_CHANGED = -ECANCELED, /* Outcome unknown. */
    STORE_TIMEOUT = -ETIMEDOUT,        /* Outcome unknown. */
    STORE_NOT_LEADER = -EREMOTE,       /* Asked of a member that does not lead. */
    STORE_BAD_LEADER_TRANSFEREE = -EADDRNOTAVAIL,
    STORE_TIMEOUT_LEADER_TRANSFER = -ETIME,
    STORE_NO_SPACE = -ENOSPC, /* Over the quota, or the disk is full; nothing was done. */
    STORE_CORRUPT = -EUCLEAN, /* This member's state is not to be trusted. */
    /* Members. */
    STORE_MEMBER_EXISTS = -EISNAM,
    STORE_PEER_URL_EXISTS = -EADDRINUSE,
    STORE_MEMBER_NOT_FOUND = -ENODEV,
    STORE_BAD_MEMBER_URLS = -EDESTADDRREQ,
    STORE_NOT_ENOUGH_STARTED = -EHOSTDOWN,
    STORE_TOO_MANY_LEARNERS = -EDQUOT,
    STORE_TOO_MANY_MEMBERS = -EMLINK, /* Not in etcd. */
    STORE_NOT_A_LEARNER = -EALREADY,
    STORE_LEARNER_NOT_READY = -EL2NSYNC,
    STORE_NOT_FOR_LEARNER = -ENOPKG, /* Asked of a learner, which serves next to nothing. */
    STORE_DOWNGRADE_FORMAT = -ELIBBAD,
    STORE_DOWNGRADE_TARGET = -ELIBSCN,
    STORE_NO_DOWNGRADE = -ELIBMAX,
    STORE_STOPPED = -ESHUTDOWN,
    STORE_MALFORMED = -EPROTO,            /* Bytes that no member writes. */
    STORE_TOO_OLD = -EPROTONOSUPPORT,     /* This member has to be upgraded to go on. */
    STORE_OTHERS_TOO_OLD = -EPFNOSUPPORT, /* Other members have to be, to do that. */
    /* Users and roles. The error numbers are not used for anything else here. */
    STORE_ROOT_USER_NOT_EXIST = -ECHILD,
    STORE_ROOT_ROLE_NOT_EXIST = -EXFULL,
    STORE_USER_EMPTY = -ENOANO, /* Nobody said who. */
    STORE_USER_EXISTS = -EUSERS,
    STORE_USER_NOT_FOUND = -ESRCH,
    STORE_ROLE_EMPTY = -EBADRQC,
    STORE_ROLE_EXISTS = -EBADSLT,
    STORE_ROLE_NOT_FOUND = -EUNATCH,
    STORE_ROLE_NOT_GRANTED = -EBADR,
    STORE_PERMISSION_NOT_GIVEN = -ENOMSG,
    STORE_PERMISSION_NOT_GRANTED = -ENODATA,
    STORE_PERMISSION_DENIED = -EACCES,
    STORE_AUTH_FAILED = -EKEYREJECTED,
    STORE_AUTH_NOT_ENABLED = -ENOSR,
    STORE_INVALID_AUTH_TOKEN = -EKEYEXPIRED,
    STORE_INVALID_AUTH_MGMT = -EPERM,
    STORE_AUTH_OLD_REVISION = -EKEYREVOKED,
};

/* gRPC code (RFC-independent, grpc status.proto numbers) and etcd's exact text; never NULL.
 * Statuses without an etcd text give UNKNOWN (2) and the errno's text. */
int store_status_grpc_code(int status);
const char *store_status_text(int status);
/* The status that has this text of etcd's, or 0. */
int store_status_of_text(const char *text);
#endif
