/* Every limit of lib/net, in one place. What a peer may make us hold, and for how long. */
#ifndef LIB_NET_LIMITS_H
#define LIB_NET_LIMITS_H

enum {
    NET_CONNECT_TIMEOUT_MS = 10000,
    NET_TLS_HANDSHAKE_TIMEOUT_MS = 10000, /* GHSA-6vch-q96h-7gc3: silent clients held handshakes. */
    NET_LINGER_MS = 5000,
    NET_READ_BYTES = 64 * 1024, /* One read. */
    NET_WRITE_HIGH_BYTES = 256 * 1024,
    NET_WRITE_LOW_BYTES = 64 * 1024,
    NET_WRITE_QUEUE_BYTES_MAX = 64 * 1024 * 1024, /* Writers that ignore back-pressure. */
    NET_WRITE_VECTOR_MAX = 64,
    NET_CONNECTIONS_MAX = 32768, /* A listener. */
    NET_ACCEPT_BATCH = 64,
    NET_KEEPALIVE_S = 30,

    HTTP_HEADERS_BYTES_MAX = 1024 * 1024, /* Request line and fields together: 431 above. */
    HTTP_HEADER_COUNT_MAX = 256,
    HTTP_TARGET_BYTES_MAX = 64 * 1024, /* 414 above. */
    HTTP_BODY_BYTES_MAX = 3 * 1024 * 1024,
    HTTP_CHUNK_LINE_BYTES_MAX = 1024,
    HTTP_PIPELINE_BYTES_MAX = 64 * 1024, /* Read ahead while an exchange is being answered. */
    HTTP_STREAMS_MAX = 100,              /* A connection. */
    HTTP_HEADER_TIMEOUT_MS = 32000,
    HTTP_BODY_TIMEOUT_MS = 60000,  /* Without progress. */
    HTTP_WRITE_TIMEOUT_MS = 60000, /* Without progress, while something waits to be sent. */
    HTTP_IDLE_TIMEOUT_MS = 180000,
    HTTP_SPARE_ARENAS = 256,                  /* Kept by a loop. */
    HTTP_ARENA_BYTES_MAX = 256 * 1024 * 1024, /* An exchange's arena. */
    HTTP2_WINDOW_BYTES = 1024 * 1024,         /* A connection. */
    HTTP2_STREAM_WINDOW_BYTES = 256 * 1024,
    HTTP2_OUTPUT_BYTES_MAX = 4 * NET_WRITE_HIGH_BYTES, /* Unsent; then nothing more is read. */
    HTTP2_RESETS_BURST = 1000, /* CVE-2023-44487, and of our own making CVE-2025-8671. */
    HTTP2_RESETS_PER_S = 33,
    HTTP2_CONTROL_BURST = 20000, /* PING, SETTINGS, PRIORITY, empty DATA: gRPC probes often. */
    HTTP2_CONTROL_PER_S = 10000,
    /* What a request needs beside its body before it is looked at, and for each byte of that. */
    HTTP_REQUEST_MEMORY_BYTES = 64 * 1024,
    HTTP_REQUEST_MEMORY_A_BYTE = 4,
    TLS_SESSION_BYTES = 20 * 1024, /* Of OpenSSL 3.0, with the peer's certificate: an estimate. */
    HTTP_HEAD_FREE_BYTES = 16 * 1024,  /* Of a head that may come while memory is short. */
    HTTP_PLAIN_BYTES_MAX = 128 * 1024, /* As in Kubernetes: up to it gzip is not worth it. */

    HTTP_CLIENT_IDLE_MS = 30000,
    HTTP_CLIENT_IDLE_CONNECTIONS_MAX = 8, /* A host. */
    HTTP_CLIENT_TIMEOUT_MS = 30000,       /* Until the response's headers. */

    GRPC_MESSAGE_BYTES_MAX = 4 * 1024 * 1024,
    GRPC_TIMEOUT_MS_MAX = 24 * 3600 * 1000,
    GRPC_BACKOFF_MIN_MS = 100,
    GRPC_BACKOFF_MAX_MS = 10000,
    GRPC_WAITING_CALLS_MAX = 1024, /* On a channel without a connection. */
    GRPC_PING_MS = 20000,          /* A silent connection is probed, and dropped as long again. */

    WEBSOCKET_MESSAGE_BYTES_MAX = 4 * 1024 * 1024,
    WEBSOCKET_CONTROL_BYTES_MAX = 125, /* RFC 6455 section 5.5. */

    SPDY_FRAME_BYTES_MAX = 1024 * 1024,
    SPDY_HEADERS_BYTES_MAX = 64 * 1024, /* After inflation. */
    SPDY_STREAMS_MAX = 1024,
};
#endif
