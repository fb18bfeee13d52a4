/* Label and field selectors: parsing, printing, matching. Pure: arena in, no I/O. A parsed selector
 * is immutable and may be read from any thread while its arena lives. */
#ifndef LIB_API_SELECTOR_H
#define LIB_API_SELECTOR_H
#include "lib/base/arena.h"
#include "lib/base/compiler.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"

struct Meta__V1__LabelSelector;
struct api_kind;

/* The one layout that protobuf-c gives every map<string, string> entry of every message: base, key,
 * value. API_STRING_MAP makes a view of a field and its count; nothing is copied. */
struct api_string_map {
    void *const *entries;
    size_t count;
};
#define API_STRING_MAP(field, n) ((struct api_string_map){(void *const *)(field), (n)})

/* NULL when the key is absent; an absent value reads as "". */
const char *api_string_map_get(struct api_string_map map, const char *key);
const char *api_string_map_key(struct api_string_map map, size_t index);     /* Never NULL. */
const char *api_string_map_value(struct api_string_map map, size_t index);   /* Never NULL. */
bool api_string_map_equal(struct api_string_map a, struct api_string_map b); /* In any order. */

enum api_selector_op {
    API_SELECTOR_IN, /* Also =, == with one value. */
    API_SELECTOR_NOT_IN,
    API_SELECTOR_EXISTS,
    API_SELECTOR_NOT_EXISTS,
    API_SELECTOR_GREATER,
    API_SELECTOR_LESS,
};

struct api_requirement {
    const char *key;
    enum api_selector_op op;
    const char *const *values; /* Sorted, without duplicates. */
    size_t value_count;
    bool equality; /* Written `=`, `==` or `!=`: printed so again. */
};

/* All requirements must hold; without any, everything matches, unless `nothing` is set (an absent
 * LabelSelector message selects nothing, an empty one everything). */
struct api_label_selector {
    const struct api_requirement *requirements; /* Sorted by key. */
    size_t count;
    bool nothing;
};

/* Parses the string form: `a=b,c!=d,e in (x,y),!f,g,h>3`. Empty text selects everything. Returns 0,
 * or -EINVAL with the message of v1.32. Limits: API_SELECTOR_REQUIREMENTS_MAX. */
MUST_USE int api_label_selector_parse(struct arena *arena, struct slice text,
                                      struct api_label_selector *ret_selector,
                                      struct error *reterr);
/* From the message form; NULL selects nothing. Returns 0, or -EINVAL for an unknown operator. */
MUST_USE int api_label_selector_from_message(struct arena *arena,
                                             const struct Meta__V1__LabelSelector *message,
                                             struct api_label_selector *ret_selector,
                                             struct error *reterr);
/* From a plain map (Service spec.selector): every pair must be present. */
struct api_label_selector api_label_selector_from_map(struct arena *arena,
                                                      struct api_string_map map);
bool api_label_selector_matches(const struct api_label_selector *selector,
                                struct api_string_map labels);
const char *api_label_selector_print(struct arena *arena,
                                     const struct api_label_selector *selector);

struct api_field_requirement {
    const char *field;
    const char *value;
    bool negated;
};

struct api_field_selector {
    const struct api_field_requirement *requirements;
    size_t count;
};

/* Parses `f=v,f!=v` (backslash escapes `\`, `,` and `=`) and checks that `kind` (NULL: any) can
 * be selected by every field. Returns 0, or -EINVAL with the message of v1.32. */
MUST_USE int api_field_selector_parse(struct arena *arena, const struct api_kind *kind,
                                      struct slice text, struct api_field_selector *ret_selector,
                                      struct error *reterr);
/* `message` is a decoded object of `kind`; `arena` takes short-lived text. */
bool api_field_selector_matches(struct arena *arena, const struct api_kind *kind,
                                const struct api_field_selector *selector, const void *message);
/* The required value when the selector pins metadata.name (or metadata.namespace) to one, else
 * NULL: lets a list become a get. */
const char *api_field_selector_pinned(const struct api_field_selector *selector, const char *field);
#endif
