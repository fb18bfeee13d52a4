#include "lib/api/encoded.h"

#include "lib/api/wire.h"
#include <stdio.h>

enum { /* Field numbers of metav1.ObjectMeta, and of metadata in every object. */
       METADATA = 1,
       RESOURCE_VERSION = 6,
       LABELS = 11,
       LABEL_KEY = 1,
       LABEL_VALUE = 2,
       VERSION_TEXT_SIZE = 24,
};

static uint64_t tag_of(unsigned number)
{
    return (uint64_t)number << 3 | WIRE_BYTES;
}

/* Where the fields up to RESOURCE_VERSION end, and where those behind it begin. */
static bool find_version(struct slice metadata, const uint8_t **ret_end, const uint8_t **ret_next)
{
    struct wire_reader reader = {.at = metadata.data, .end = metadata.data + metadata.len};
    const uint8_t *end = reader.at;
    const uint8_t *next = reader.at;
    uint64_t number = 0;
    while (reader.at < reader.end && number < RESOURCE_VERSION) {
        uint64_t tag = 0;
        if (!wire_get_varint(&reader, &tag) || !wire_skip(&reader, (unsigned)(tag & 7))) {
            return false;
        }
        number = tag >> 3;
        end = number < RESOURCE_VERSION ? reader.at : end;
        next = number <= RESOURCE_VERSION ? reader.at : next;
    }
    *ret_end = end;
    *ret_next = next;
    return true;
}

bool api_encoded_split(struct slice bytes, struct api_encoded *ret_encoded)
{
    struct wire_reader reader = {.at = bytes.data, .end = bytes.data + bytes.len};
    struct slice metadata = {0};
    uint64_t tag = 0;
    const uint8_t *end = NULL;
    const uint8_t *next = NULL;
    if (!wire_get_varint(&reader, &tag) || tag != tag_of(METADATA) ||
        !wire_get_bytes(&reader, &metadata) || !find_version(metadata, &end, &next)) {
        return false;
    }
    *ret_encoded = (struct api_encoded){
        .before = slice_of(metadata.data, (size_t)(end - metadata.data)),
        .after = slice_of(next, (size_t)(metadata.data + metadata.len - next)),
        .rest = slice_of(reader.at, (size_t)(reader.end - reader.at)),
    };
    return true;
}

static size_t version_text(uint64_t version, char text[VERSION_TEXT_SIZE])
{
    return (size_t)snprintf(text, VERSION_TEXT_SIZE, "%llu", (unsigned long long)version);
}

static size_t metadata_size(const struct api_encoded *encoded, size_t version_len)
{
    return encoded->before.len + 2 + version_len + encoded->after.len; /* 2: its tag and length. */
}

size_t api_encoded_size(const struct api_encoded *encoded, uint64_t version)
{
    char text[VERSION_TEXT_SIZE];
    size_t metadata = metadata_size(encoded, version_text(version, text));
    return 1 + wire_varint_size(metadata) + metadata + encoded->rest.len;
}

void api_encoded_append(const struct api_encoded *encoded, uint64_t version, struct buffer *out)
{
    char text[VERSION_TEXT_SIZE];
    size_t len = version_text(version, text);
    uint8_t head[16];
    head[0] = (uint8_t)tag_of(METADATA);
    uint8_t *end = wire_put_varint(head + 1, metadata_size(encoded, len));
    buffer_append(out, head, (size_t)(end - head));
    buffer_append_slice(out, encoded->before);
    buffer_append_byte(out, (uint8_t)tag_of(RESOURCE_VERSION));
    buffer_append_byte(out, (uint8_t)len);
    buffer_append(out, text, len);
    buffer_append_slice(out, encoded->after);
    buffer_append_slice(out, encoded->rest);
}

/* A NUL-terminated copy behind the *used bytes of the room; NULL when it does not fit. */
static char *keep_text(struct api_label_room *room, size_t *used, struct slice text)
{
    if (text.len >= sizeof(room->texts) - *used) {
        return NULL;
    }
    char *copy = room->texts + *used;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *used += text.len + 1;
    return copy;
}

static bool read_label(struct slice entry, struct api_label_room *room, size_t *used,
                       struct api_label_entry *label)
{
    struct wire_reader reader = {.at = entry.data, .end = entry.data + entry.len};
    label->key = label->value = NULL; /* Reads as "". */
    while (reader.at < reader.end) {
        uint64_t tag = 0;
        struct slice text = {0};
        if (!wire_get_varint(&reader, &tag) ||
            (tag != tag_of(LABEL_KEY) && tag != tag_of(LABEL_VALUE)) ||
            !wire_get_bytes(&reader, &text)) {
            return false;
        }
        char *copy = keep_text(room, used, text);
        if (copy == NULL) {
            return false;
        }
        *(tag == tag_of(LABEL_KEY) ? &label->key : &label->value) = copy;
    }
    return true;
}

bool api_encoded_labels(const struct api_encoded *encoded, struct api_label_room *room,
                        struct api_string_map *ret_labels)
{
    struct wire_reader reader = {.at = encoded->after.data,
                                 .end = encoded->after.data + encoded->after.len};
    size_t count = 0;
    size_t used = 0;
    while (reader.at < reader.end) {
        uint64_t tag = 0;
        struct slice entry = {0};
        if (!wire_get_varint(&reader, &tag)) {
            return false;
        }
        if (tag >> 3 > LABELS) {
            break; /* Encoders put fields in the order of their numbers. */
        }
        if (tag != tag_of(LABELS)) {
            if (!wire_skip(&reader, (unsigned)(tag & 7))) {
                return false;
            }
            continue;
        }
        if (count == API_ENCODED_LABELS_MAX || !wire_get_bytes(&reader, &entry) ||
            !read_label(entry, room, &used, &room->labels[count])) {
            return false;
        }
        room->entries[count] = &room->labels[count];
        count++;
    }
    *ret_labels = (struct api_string_map){.entries = room->entries, .count = count};
    return true;
}
