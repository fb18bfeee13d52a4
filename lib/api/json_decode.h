/* Parts of the JSON decoder. Internal to lib/api. */
#ifndef LIB_API_JSON_DECODE_H
#define LIB_API_JSON_DECODE_H
#include "lib/api/codec.h"
#include "lib/api/decode_memory.h"
#include "lib/api/json_scan.h"

struct json_value;

/* Where the decoder is: a chain on the stack, printed only when something is wrong. */
struct json_frame {
    const struct json_frame *parent;
    enum { JSON_FRAME_FIELD, JSON_FRAME_KEY, JSON_FRAME_INDEX } kind;
    struct slice name;
    size_t index;
    const struct api_message *message; /* That has the field. */
};

struct json_decode {
    struct json_scan scan; /* Syntax errors end everything. */
    struct decode_memory memory;
    struct api_problems *problems; /* Or NULL. */
    struct error type_error;       /* The first value that did not fit. */
    unsigned depth;                /* Of objects. */
};

/* All return 0, or the code of a syntax error or exhaustion; a value that does not fit is recorded
 * and skipped. */
MUST_USE int json_decode_object(struct json_decode *decode, const struct api_message *message,
                                void *object, const struct json_frame *frame);
MUST_USE int json_decode_list(struct json_decode *decode, const struct api_field *field,
                              void *object, const struct json_frame *frame);
MUST_USE int json_decode_item(struct json_decode *decode, const struct api_field *field, void *at,
                              const struct json_frame *frame);
MUST_USE int json_decode_bytes(struct json_decode *decode, const struct api_field *field, void *at,
                               const struct json_frame *frame);
MUST_USE int json_decode_special(struct json_decode *decode, const struct api_field *field,
                                 void *at, const struct json_frame *frame);
MUST_USE int json_decode_text(struct json_decode *decode, struct json_token token, char **ret_text);
/* A member of a custom resource's content. */
MUST_USE int json_decode_content(struct json_decode *decode, void *object, struct slice name,
                                 const struct json_frame *parent);
/* Any value; names that stand twice in it are reported. */
MUST_USE int json_decode_tree(struct json_decode *decode, const struct json_frame *frame,
                              struct json_value **ret_value);
int json_decode_exhausted(struct json_decode *decode);
/* A problem of this member: `what "path"`. */
void json_decode_report(struct json_decode *decode, const char *what,
                        const struct json_frame *parent, struct slice name);
void json_decode_error(struct json_decode *decode, const char *message);
void json_decode_mismatch(struct json_decode *decode, const struct json_frame *frame,
                          const char *value, const char *type);
/* What Go calls a value that begins with this byte, a field's type, and a message ("v1.PodSpec").
 */
const char *json_decode_value_name(int byte);
const char *json_decode_go_value_name(const struct api_field *field);
const char *json_decode_go_message_name(const struct api_message *message);
/* A value of the wrong JSON type, of the field or (`whole` false) of one of its items: reports and
 * skips it. */
MUST_USE int json_decode_wrong_type(struct json_decode *decode, const struct api_field *field,
                                    bool whole, const struct json_frame *frame);
#endif
