/* Every limit of the API server in one place. A request over a limit gets the Status that v1.32
 * gives; no other client notices. */
#ifndef APISERVER_LIMITS_H
#define APISERVER_LIMITS_H
#include <stddef.h>
#include <stdint.h>

#define REQUEST_BODY_MAX             ((size_t)3 << 20) /* 413 over it. */
#define STORED_OBJECT_MAX            ((size_t)1500000) /* One object in the log (etcd: 1.5 MiB request). */
#define ENCODED_OBJECT_MAX           ((size_t)16 << 20) /* JSON of one object; expansion is below 8. */
#define ENCODED_LIST_MAX             ((size_t)1 << 30) /* A list that cannot be streamed (Table). */
#define OBJECTS_TARGET_MAX           ((size_t)64 << 10) /* Of a gRPC call: its path, and its query. */
#define OBJECTS_MESSAGE_ARENA_MAX    ((size_t)32 << 20) /* Its message, taken apart. */
#define OBJECTS_ERROR_TEXT_MAX       ((size_t)1024)     /* Clients take some 8 KiB of trailers. */
#define OBJECTS_DETAILS_MAX          ((size_t)4096)
#define REQUEST_ARENA_MAX            ((size_t)512 << 20)
#define WATCH_HISTORY_MAX            10000 /* Events kept a kind, for watches from the past. */
#define WATCH_HISTORY_BYTES_MAX      ((size_t)32 << 20) /* Stored bytes of what these replaced. */
#define WATCH_QUEUED_BYTES_MAX       ((size_t)4 << 20) /* Unsent bytes at which a watcher pauses. */
#define WATCH_LAG_MAX                20000 /* Events behind at which a watcher is dropped, ... */
#define WATCH_LAG_BYTES_MAX          ((size_t)128 << 20) /* ... or stored bytes that they replaced. */
#define WATCH_REST_EVENTS            32    /* Delivered at once, after which a hub rests ... */
#define WATCH_REST_MS                4     /* ... for this long. */
#define OBJECT_JSON_IDLE_MS          10000 /* After which JSON that nobody asks for goes. */
#define OBJECT_JSON_TRIM_BYTES       ((size_t)4 << 20) /* So much gone at once goes to the system. */
#define WATCHERS_MAX                 20000             /* A member. */
#define WRITE_ATTEMPTS_MAX           8  /* Conflicting attempts of one unconditional write. */
#define CHARGE_ATTEMPTS_MAX          64 /* Of one that charges quotas: other members do, too. */
#define PATCH_ATTEMPTS_MAX           5
#define GENERATE_NAME_TRIES          8
#define GENERATE_NAME_MAX            58 /* Longer prefixes are cut, so that 5 characters fit into 63. */
#define LIST_KEPT_MAX                ((size_t)512)           /* Objects found by a selector. */
#define LIST_CONVERTED_TOGETHER      512                     /* By one call of a webhook. */
#define LIST_PAGE_OBJECTS            64                      /* Of the past, held at a time. */
#define LIST_BATCH_BYTES             ((size_t)56 << 10)      /* Of a list, printed at a time. */
#define LIST_BATCH_SLACK             (((size_t)8 << 10) - 1) /* Room for the item that goes over it. */
#define BOOKMARK_INTERVAL_MS         60000
#define REQUEST_TIMEOUT_MS           60000 /* Also of waiting for a resourceVersion: 3 s. */
#define RV_WAIT_MS                   3000
#define WARNINGS_MAX                 64
#define IMPERSONATE_GROUPS_MAX       64
#define IMPERSONATE_EXTRAS_MAX       64
#define RBAC_PERMISSIONS_MAX         ((size_t)100000) /* Looked at in one check of an escalation. */
#define RBAC_MISSING_ROLES_SHOWN     8                /* In a refusal. */
#define SESSIONS_MAX                 20000            /* Node sessions of one member. */
#define SESSION_QUEUE_BYTES_MAX      ((size_t)8 << 20) /* Unsent bytes at which a session pauses. */
#define HEARTBEAT_BATCH_MS           500
#define NODE_GRACE_MS                50000 /* node-monitor-grace-period of v1.32. */
#define NODE_LEASE_SECONDS           40
#define TOKEN_SECONDS_MIN            600
#define TOKEN_SECONDS_MAX            (INT64_C(1) << 32)
#define WEBHOOK_CALLS_MAX            ((size_t)1024) /* Under way, of one member. */
#define WEBHOOK_ANSWER_MAX           ((size_t)6 << 20) /* Twice a request: an object, and its base64. */
#define WEBHOOK_TIMEOUT_S            10
#define WEBHOOK_WARNING_MAX          ((size_t)4096)      /* Bytes; what is longer is cut. */
#define WEBHOOK_ARENA_MAX            ((size_t)128 << 20) /* One question and its answer. */
#define WEBHOOKS_OF_REQUEST_MAX      128                 /* That want to be asked again. */
#define WEBHOOK_CALLS_OF_REQUEST_MAX 256                 /* New attempts of a write included. */
#define CONVERSION_BATCH_MAX         ((size_t)500)       /* Objects in one ConversionReview. */
#define CONVERSION_BATCH_BYTES       ((size_t)2 << 20)   /* Of their JSON; one may be larger. */
#define CONVERSION_TIMEOUT_MS        UINT64_C(30000)
#define WEBHOOK_TRUSTS_MAX           128                /* CA bundles whose connections are kept. */
#define EXPRESSION_COST_MAX          UINT64_C(1000000)  /* Of one evaluation. */
#define POLICY_COST_MAX              UINT64_C(10000000) /* Of all expressions of a policy. */
#define CONDITIONS_COST_MAX          UINT64_C(2500000) /* Of all conditions of a webhook or policy. */
#define EXPRESSION_SETS_MAX          4096 /* Objects whose expressions stay compiled. */
#define POLICY_NOTE_MAX              ((size_t)10 << 10) /* Of what the audit log gets. */
#define POLICY_NOTES_MAX             ((size_t)64 << 10) /* ... of all of them together. */
#define POLICY_GROUP_MAX             253
#define POLICY_MESSAGE_MAX           ((size_t)5 << 10) /* Of a message that an expression makes. */
#define CUSTOM_RESOURCES_MAX         4096              /* Definitions that are served. */
#define FLOW_QUEUES_MAX              4096 /* Of a priority level; more are as good as this many. */
#define FLOW_HAND_MAX                64
#define FLOW_SEATS_DEFAULT           600   /* kube-apiserver's 400 + 200 requests in flight. */
#define FLOW_WAIT_MS                 15000 /* In a queue: a quarter of a request's time. */
#define FLOW_WIDTH_MAX               10    /* Seats of one request. */
#define FLOW_OBJECTS_A_SEAT          100   /* Of a list. */
#define FLOW_RETRY_SECONDS           1
#define MEMORY_RETRY_SECONDS         1
#define PROXY_WORDS_MAX              8192               /* Of a bad answer, told of in a Status. */
#define PROXY_PAGE_PIECE_MAX         ((size_t)64 << 20) /* A piece of a page, its links longer. */
#define API_SERVICES_MAX             256                /* That other servers answer for. */
#define EXTENSION_RESOURCES_MAX      2048 /* Subresources included, of a group version. */
#define EXTENSION_DOCUMENT_MAX       ((size_t)1 << 20) /* Discovery, or the OpenAPI index. */
#define EXTENSION_OPENAPI_MAX        ((size_t)2 << 20) /* What is kept of the v2 document. */
#define EXTENSION_CHECK_MS           30000
#define EXTENSION_RETRY_MS           1000   /* Doubled with each failure, up to the former. */
#define EXTENSION_PATIENCE_MS        5000   /* For the answer to a check. */
#define PROXY_SILENCE_MS             600000 /* Until what is behind a proxy begins to answer. */
#define NODE_PORT_FIRST              30000
#define NODE_PORT_LAST               32767

/* Who is asking. */
#define OIDC_TOKEN_MAX    ((size_t)64 << 10)
#define OIDC_DOCUMENT_MAX ((size_t)1 << 20) /* Discovery, or the JWK Set. */
#define OIDC_KEYS_MAX     64
#define OIDC_ISSUERS_MAX  64
#define ISSUERS_WAIT_MS   UINT64_C(60000) /* For keys of a changed file, until that is said. */
#define AUTHN_CONFIG_MAX  ((size_t)1 << 20)

#define AUTHZ_CONFIG_MAX     ((size_t)1 << 20)
#define AUTHORIZERS_MAX      64
#define ABAC_LINE_MAX        65536 /* One policy. */
#define MATCH_CONDITIONS_MAX 64

/* Webhooks that are asked about requests; each of these for each webhook. */
#define REVIEWS_UNDER_WAY_MAX  ((size_t)256)
#define REVIEWS_WAITING_MAX    ((size_t)4096) /* For the answers of these. */
#define REVIEWS_KNOWN_MAX      ((size_t)8192) /* Answers that are remembered, ... */
#define REVIEW_BYTES_KNOWN_MAX ((size_t)16 << 20)
#define REVIEW_ANSWER_MAX      ((size_t)256 << 10)
#define LEAVES_OF_CALL_MAX     ((size_t)64) /* Questions of one call to webhooks of authorization. */
#define TOKEN_REVIEW_MS        UINT64_C(30000)
#define KUBECONFIG_MAX         ((size_t)1 << 20) /* Of a webhook; each file that it names, too. */
#define TOKEN_LEEWAY_SECONDS   60                /* A token outlives what it is bound to by this. */

/* Of an object in the cache: as stored, decoded and as JSON. */
#define CACHED_MEMORY_A_BYTE 4
#define ORDERED_ROWS_MAX     1024 /* Longer tables are in the order of their keys, ... */
#define ORDERED_BYTES_MAX    ((size_t)4 << 20) /* ... and those of larger objects. */
#define LIST_COUNT_MS        1000 /* How often what a slow list keeps is counted again. */

/* Encryption at rest. */
#define ENCRYPTION_FILE_MAX     ((size_t)1 << 20)
#define ENCRYPTION_RELOADS_MAX  1000 /* Keys that were taken away are kept until the end. */
#define ENCRYPTION_KEYS_MAX     32   /* Of one entry of resources. */
#define ENCRYPTION_KEY_NAME_MAX 128
#define ENCRYPTION_OVERHEAD_MAX ((size_t)40 << 10) /* What a stored value grows by. */
#define ENCRYPTION_PLUGINS_MAX  64 /* KMS plugins, with those of configurations before. */
#define KMS_TIMEOUT_MS          3000

/* The audit log. */
#define AUDIT_POLICY_MAX          ((size_t)1 << 20)
#define AUDIT_EVENT_MAX           ((size_t)10 << 20) /* A longer one goes without its objects. */
#define AUDIT_NOTES_MAX           256
#define AUDIT_QUEUE_MAX           ((size_t)32 << 20) /* Bytes that wait for the disk. */
#define AUDIT_LINES_KEPT          ((size_t)1 << 20)  /* Of their memory, when nothing waits. */
#define AUDIT_USER_AGENT_MAX      ((size_t)1024)
#define AUDIT_SOURCES_MAX         64
#define AUDIT_BACKUPS_MAX         4096 /* Files looked at when old ones are taken away. */
#define AUDIT_CLOSE_MS            5000
#define AUDIT_WEBHOOK_TRIES       5
#define AUDIT_WEBHOOK_TIMEOUT_MS  30000 /* Of one. */
#define AUDIT_WEBHOOK_BATCHES_MAX 16    /* On their way at once. */
#endif
