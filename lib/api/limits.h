/* Every limit of lib/api. */
#ifndef LIB_API_LIMITS_H
#define LIB_API_LIMITS_H
enum {
    API_BODY_MAX = 3 * 1024 * 1024, /* Bytes of a request body. */
    API_DEPTH_MAX = 10000,          /* Nesting of JSON and YAML: Go's encoding/json has the same. */
    API_PROTOBUF_DEPTH_MAX = 1000,  /* Nesting of protobuf messages. */
    API_OBJECT_DEPTH_MAX = 1000,    /* Nesting of typed messages (schemas in schemas). */
    API_TREE_TEXT_MAX = 64 * 1024 * 1024,      /* JSON text on the way between message and tree. */
    API_DECODED_BYTES_MAX = 256 * 1024 * 1024, /* Memory that one input may take when decoded. */
    API_PROBLEMS_MAX = 100,                    /* Unknown and duplicate fields reported per body. */
    API_CAUSES_MAX = 1000,                     /* Field errors reported per object. */
    API_CAUSES_BYTES_MAX = 8 * 1024 * 1024,    /* Their messages: some show a value as a whole. */
    API_SHOWN_MAX = 16384,                     /* Bytes of a list or map in a message. */
    API_PATH_MAX = 4096,                       /* Bytes of a field path in a message. */
    API_YAML_DEPTH_MAX = 1000,                 /* Nesting of YAML. */
    API_YAML_NODES_MAX = 1000000,              /* YAML nodes once aliases are expanded. */
    API_YAML_BYTES_MAX = 32 * 1024 * 1024,     /* Bytes of scalars once aliases are expanded. */
    API_YAML_DUPLICATES_MAX = 100,             /* Duplicate keys in one document. */
    API_YAML_ANCHORS_MAX = 1000,               /* Anchors in one document. */
    API_YAML_MEMORY_MAX = 512 * 1024 * 1024,   /* Of the tree of one document. */
    API_SCHEMA_DEPTH_MAX = 200,                /* Nesting of the schema of a custom resource. */
    API_JSON_PATH_TEXT_MAX = 1024,             /* Bytes of a JSONPath. */
    API_JSON_PATH_STEPS_MAX = 64,              /* And its steps. */
    BOOTSTRAP_GROUPS_MAX = 16,                 /* That a bootstrap token brings along. */
    API_QUANTITY_TEXT_MAX = 512,               /* Bytes of a quantity as written by a client. */
};
#endif
