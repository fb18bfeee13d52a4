/* Every bound of the agent in one place. No code. */
#ifndef AGENT_LIMITS_H
#define AGENT_LIMITS_H

enum {
    AGENT_PORT_DEFAULT = 10250,
    AGENT_HEARTBEAT_MS_DEFAULT = 2000,
    AGENT_LEASE_SECONDS_DEFAULT = 40,
    AGENT_PODS_DEFAULT = 110,
    AGENT_PODS_MAX = 1024, /* Known pods of one node, whatever their state. */
    AGENT_CONTAINERS_PER_POD_MAX = 128,
    AGENT_EVENTS_QUEUED_MAX = 512,       /* Older ones are dropped first. */
    AGENT_REQUESTS_IN_FLIGHT_MAX = 1024, /* Get and token requests waiting for the server. */
    AGENT_RECONNECT_MS_MIN = 100,
    AGENT_RECONNECT_MS_MAX = 2000,
    AGENT_REQUEST_TIMEOUT_MS = 15000,
    AGENT_HEARTBEATS_MISSED_MAX = 4, /* Unanswered in a row: the session is given up. */
    AGENT_CRI_TIMEOUT_MS = 120000,
    AGENT_CRI_PULL_TIMEOUT_MS = 1800000,
    AGENT_CRI_RESPONSE_BYTES_MAX = 16 << 20,
    AGENT_RELIST_MS = 1000,       /* How long a container's death may go unseen. */
    AGENT_BACKOFF_MS_MIN = 10000, /* CrashLoopBackOff and ImagePullBackOff. */
    AGENT_BACKOFF_MS_MAX = 300000,
    AGENT_BACKOFF_RESET_MS = 600000,
    AGENT_SYNC_RETRY_MS = 2000,      /* Volumes or references not there yet. */
    AGENT_VOLUME_REFRESH_MS = 30000, /* Config maps and secrets in running pods. */
    AGENT_PROBE_OUTPUT_BYTES_MAX = 10 << 10,
    AGENT_EXEC_SYNC_BYTES_MAX = 16 << 10,
    AGENT_TERMINATION_MESSAGE_BYTES_MAX = 4096,
    AGENT_LOG_FILE_BYTES_MAX = 10 << 20,
    AGENT_LOG_FILES_MAX = 5,
    AGENT_LOG_ROTATE_MS = 10000,
    AGENT_STREAM_QUEUED_BYTES_MAX = 1 << 20, /* Above it the source is not read from. */
    AGENT_PATH_BYTES_MAX = 4096,
};
#endif
