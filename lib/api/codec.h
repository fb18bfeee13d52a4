/* Between bytes and messages: JSON, YAML and Kubernetes protobuf, all driven by the tables of
 * schema.h. Decoded messages live in the given arena and borrow nothing from the input. Pure; any
 * thread.
 *
 * A decoded message has every non-pointer API_OBJECT field allocated (pod->metadata, pod->spec and
 * pod->status are never NULL); times, quantities and the like may be NULL (zero). Encoders take
 * NULL for an empty message. */
#ifndef LIB_API_CODEC_H
#define LIB_API_CODEC_H
#include "lib/api/json_value.h"
#include "lib/api/schema.h"

struct api_type_meta {
    const char *api_version; /* "apps/v1"; never NULL. */
    const char *kind;        /* Never NULL. */
};

/* What a decoder noticed but did not fail on, as Kubernetes words it: `unknown field "spec.foo"`,
 * `duplicate field "spec.bar"`. For Warning headers, or joined by ", " for strict decoding. */
struct api_problems {
    size_t count; /* Up to API_PROBLEMS_MAX; the rest is dropped. */
    size_t capacity;
    const char **texts; /* In the arena. */
};

/* --- Memory ----------------------------------------------------------------------------------- */

/* An empty message with its non-pointer API_OBJECT fields allocated. */
void *api_message_new(struct arena *arena, const struct api_message *message);
/* Fills *object (protobuf-c base included) as api_message_new does. */
void api_message_init(struct arena *arena, const struct api_message *message, void *object);
void *api_message_copy(struct arena *arena, const struct api_message *message, const void *object);
/* Equal in meaning: zero equals absent where Kubernetes cannot tell them apart, quantities by
 * value, maps without order, an absent list equals an empty one. */
bool api_message_equal(const struct api_message *message, const void *a, const void *b);

/* --- JSON ------------------------------------------------------------------------------------- */

/* Reads kind and apiVersion ("" when absent) of a JSON object and checks its syntax. Returns 0, or
 * -EBADMSG with Go's words for the syntax error. */
MUST_USE int api_peek_json(struct arena *arena, struct slice text, struct api_type_meta *ret_meta,
                           struct error *reterr);
/* Decodes one JSON object. `problems` may be NULL. kind and apiVersion are accepted and skipped.
 * Returns 0; -EBADMSG for a syntax error; -EINVAL for a value of the wrong type (message as Go's:
 * `json: cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32`); -E2BIG
 * when it nests too deep. */
MUST_USE int api_decode_json(struct arena *arena, const struct api_message *message,
                             struct slice text, struct api_problems *problems, void **ret_object,
                             struct error *reterr);
/* Appends the object as Kubernetes writes it, without a final newline. `meta` (may be NULL) gives
 * kind and apiVersion, which come first. Over the buffer's maximum the sticky error is set. */
void api_encode_json(const struct api_message *message, const void *object,
                     const struct api_type_meta *meta, struct buffer *out);
/* The same by way of a tree, for patches; null when it passes API_TREE_TEXT_MAX or the arena's
 * limit. Errors of _from_ as api_decode_json. */
MUST_USE struct json_value *api_message_to_json(struct arena *arena,
                                                const struct api_message *message,
                                                const void *object,
                                                const struct api_type_meta *meta);
MUST_USE int api_message_from_json(struct arena *arena, const struct api_message *message,
                                   const struct json_value *value, struct api_problems *problems,
                                   void **ret_object, struct error *reterr);
/* The value of a field alone, as it would follow its name. */
void api_encode_json_field(const struct api_field *field, const void *object, struct buffer *out);
/* The same as a tree; null when it passes the limits of api_message_to_json(). */
MUST_USE struct json_value *api_field_to_json(struct arena *arena, const struct api_field *field,
                                              const void *object);
/* Whether the JSON form leaves the field out, as Go's omitempty does: not for a struct that is no
 * pointer. */
bool api_json_omits(const struct api_field *field, const void *object);

/* --- YAML ------------------------------------------------------------------------------------- */

/* Converts the first YAML document to JSON text by the rules of sigs.k8s.io/yaml (YAML 1.1 types,
 * merge keys, a later duplicate key wins). Aliases are expanded within limits. Duplicate keys go to
 * `problems` (may be NULL; its text is put in `arena`, which may then be NULL, too). Returns 0;
 * -EBADMSG with "yaml: line 3: ..."; -E2BIG for what would grow beyond the limits. */
MUST_USE int api_yaml_to_json(struct arena *arena, struct slice yaml, struct api_problems *problems,
                              struct buffer *out, struct error *reterr);
/* Appends a YAML document: keys sorted, two spaces, as kubectl prints it. Returns 0 or -EINVAL
 * (`json` is not JSON). */
MUST_USE int api_json_to_yaml(struct slice json, struct buffer *out, struct error *reterr);

/* --- Protobuf --------------------------------------------------------------------------------- */

/* The bare message. Returns 0, -EBADMSG for malformed bytes, -E2BIG for too deep ones. Unknown
 * fields are skipped. */
MUST_USE int api_decode_protobuf(struct arena *arena, const struct api_message *message,
                                 struct slice bytes, void **ret_object, struct error *reterr);
void api_encode_protobuf(const struct api_message *message, const void *object, struct buffer *out);

/* "k8s" NUL and runtime.Unknown. All slices of the result point into the input. */
struct api_envelope {
    struct slice api_version, kind;
    struct slice raw;
    struct slice content_encoding, content_type;
};
MUST_USE int api_parse_envelope(struct slice bytes, struct api_envelope *ret_envelope,
                                struct error *reterr); /* 0 or -EBADMSG. */
bool api_is_envelope(struct slice bytes);              /* Starts with the magic. */
void api_encode_envelope(const struct api_message *message, const void *object,
                         const struct api_type_meta *meta, struct buffer *out);
/* Envelope around bytes that are encoded already. */
void api_wrap_envelope(struct slice raw, const struct api_type_meta *meta, struct buffer *out);
/* Its two ends, for those who send the object in parts: what comes before its `len` bytes, and what
 * comes after them. */
void api_envelope_head(const struct api_type_meta *meta, size_t len, struct buffer *out);
void api_envelope_tail(struct buffer *out);
/* What comes before the `len` bytes of text, bytes or message of field `number`. */
void api_put_field_head(unsigned number, size_t len, struct buffer *out);
#endif
