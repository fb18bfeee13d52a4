/* The one layout that protobuf-c gives every entry of every map whose values are pointers. */
#ifndef LIB_API_MAP_ENTRY_H
#define LIB_API_MAP_ENTRY_H
#include <protobuf-c/protobuf-c.h>

struct api_map_entry {
    ProtobufCMessage base;
    char *key;
    void *value; /* A text, or a message. */
};
#endif
