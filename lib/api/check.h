/* The walk over an object that finds what the options of its .proto file refuse: empty, unknown,
 * ill-formed, out of range, too many, twice, changed. Rules of lib/api/rules, which are about
 * several fields at once, join it at the place where v1.32 has them. Pure. */
#ifndef LIB_API_CHECK_H
#define LIB_API_CHECK_H
#include "lib/api/schema.h"
#include "lib/api/status.h"

/* One message on the way from the object to the field that is being checked. On the stack. */
struct api_frame {
    const struct api_frame *parent; /* NULL at the object itself. */
    const struct api_field *via;    /* The field of the parent's message; NULL at the object. */
    const struct api_message *table;
    const void *message;
    const struct api_path *at; /* Where the message is; NULL at the object. */
    size_t index;              /* In the list `via`. */
    const void *before;        /* At an object that is replaced: what it was; else NULL. */
};

/* A rule about several fields of the frame's message, or about those around it. Returns whether the
 * rest of the message is to be checked too. */
typedef bool api_frame_rule(struct api_causes *causes, const struct api_frame *frame);

/* A rule runs after `member` was checked; "" is before all members, "." after all. */
struct api_frame_rule_row {
    const struct api_message *table;
    const char *member;
    api_frame_rule *rule;
};

/* The rows of one table. */
struct api_frame_rules {
    const struct api_frame_rule_row *rows;
    const struct api_member *const *members; /* Of each row; NULL where it names none. */
    size_t count;
};
struct api_frame_rules api_frame_rules_of(const struct api_message *table);

/* What an item of a list is called; NULL for nothing, which is never found. `of` is what the caller
 * gave. */
typedef const char *api_item_text(struct arena *arena, const void *list, const void *of,
                                  size_t index);
/* The first of the first `count` items that is called so, or `count`. A list does not change while
 * `causes` are filled: of a long one it is kept where each item is, so that nobody makes a server
 * hold each item of a request against all others. */
size_t api_find_item(struct api_causes *causes, api_item_text *text, const void *list,
                     const void *of, size_t count, const char *wanted);
/* Whether an item before `index` is called as the one there is. */
bool api_seen_before(struct api_causes *causes, api_item_text *text, const void *list,
                     const void *of, size_t index);

/* The frame of a whole object. */
struct api_frame api_frame_object(const struct api_message *table, const void *message);
/* The nearest frame around `frame` that is of this table, itself included; or NULL. */
const struct api_frame *api_frame_find(const struct api_frame *frame,
                                       const struct api_message *table);

/* All members but, at the object itself, `metadata` and `status`. */
void api_check_message(struct api_causes *causes, const struct api_frame *frame);
/* The member (its JSON name, which must exist) and what lies below it. Rules that follow it in the
 * frame's message do not run. */
void api_check_member(struct api_causes *causes, const struct api_frame *frame, const char *member);
/* "field is immutable" when the member (which must exist, and be no inline one) of two messages of
 * this table differs. */
void api_check_same(struct api_causes *causes, const struct api_path *parent,
                    const struct api_message *table, const char *name, const void *before,
                    const void *after);
/* "field is immutable" for each field with that option whose value differs, at any depth that does
 * not lead through a list. */
void api_check_immutable(struct api_causes *causes, const struct api_message *table,
                         const void *before, const void *after);
#endif
