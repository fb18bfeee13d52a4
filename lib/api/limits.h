/* Every limit of lib/api. */
#ifndef LIB_API_LIMITS_H
#define LIB_API_LIMITS_H
enum {
    API_BODY_MAX = 3 * 1024 * 1024, /* Bytes of a request body. */
    API_DEPTH_MAX = 10000,          /* Nesting of JSON and YAML: Go's encoding/json has the same. */
    API_PROTOBUF_DEPTH_MAX = 1000,  /* Nesting of protobuf messages. */
    API_OBJECT_DEPTH_MAX = 1000,    /* Nesting of typed messages (schemas in schemas). */
    API_DECODED_BYTES_MAX = 256 * 1024 * 1024, /* Memory that one input may take when decoded. */
    API_PROBLEMS_MAX = 100,         /* Unknown and duplicate fields reported per body. */
    API_CAUSES_MAX = 1000,          /* Field errors reported per object. */
    API_PATH_MAX = 4096,            /* Bytes of a field path in a message. */
    API_YAML_NODES_MAX = 1000000,   /* YAML nodes after aliases are expanded. */
    API_YAML_EXPANSION_BASE =
        256 * 1024,              /* Bytes that aliases may always produce; then 10 for one. */
    API_YAML_ALIASES_MAX = 1000, /* Anchors in one document. */
    API_QUANTITY_TEXT_MAX = 512, /* Bytes of a quantity as written by a client. */
    API_TIME_TEXT_MAX = 64,      /* Bytes of a time as written by a client. */
};
#endif
