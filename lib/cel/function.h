/* Functions that expressions can call: tables of rows {name, overload, signature, code, cost}, in
 * libraries that an environment is put together from. Lookup only; constant once made; any thread.
 */
#ifndef LIB_CEL_FUNCTION_H
#define LIB_CEL_FUNCTION_H
#include "lib/cel/value.h"

struct cel_regex;
struct cel_row;

/* What a function may use while it runs. */
struct cel_call {
    struct arena *arena;
    const struct cel_row *row;     /* The one that is called. */
    size_t memory_left;            /* Of CEL_MEMORY_MAX. */
    const struct cel_regex *regex; /* The call's pattern when it is constant, else NULL. */
};

/* Whether `size` more bytes may be made; counts them. On false answer cel_error_memory(). */
bool cel_call_takes(struct cel_call *call, size_t size);
struct cel_value cel_error_memory(void);
/* An error with a message made in the arena. */
struct cel_value cel_call_error(struct cel_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
/* A copy of text built in a buffer; an error when the buffer went over its maximum. */
struct cel_value cel_call_text(struct cel_call *call, const struct buffer *text);

/* Arguments have the kinds of the signature; a receiver comes first. None is an error. */
typedef struct cel_value cel_function(struct cel_call *call, const struct cel_value *arguments);

/* What a call costs beyond its arguments. The same rule prices a call that was made and bounds one
 * that may be made: lib/cel/cost.h. Sizes are those of cel_size(). */
enum cel_cost {
    CEL_COST_ONE,          /* 1 */
    CEL_COST_NOTHING,      /* 0 */
    CEL_COST_TEXT,         /* a tenth of the first argument */
    CEL_COST_TEXT_RESULT,  /* the same, and the result is of its size */
    CEL_COST_TEXT_SECOND,  /* as CEL_COST_TEXT, but estimated by the second argument */
    CEL_COST_TEXT_TWICE,   /* a fifth of the first argument */
    CEL_COST_REPLACE,      /* as CEL_COST_TEXT_TWICE; the result is estimated by all three */
    CEL_COST_SPLIT,        /* as CEL_COST_TEXT_TWICE; the result is a list as long as the text */
    CEL_COST_JOIN,         /* a fifth of the result */
    CEL_COST_SMALLER,      /* a tenth of the smaller of two arguments */
    CEL_COST_CONCAT,       /* a tenth of both arguments; the result is of their size */
    CEL_COST_CONCAT_LISTS, /* 1; the result is of the size of both arguments */
    CEL_COST_LIST_SEARCH,  /* the size of the second argument */
    CEL_COST_MATCH,        /* (first + 1) tenths times a quarter of the second */
    CEL_COST_FIND,         /* the same; the result is as long as the first */
    CEL_COST_CONTAINS,     /* a tenth of each, multiplied */
    CEL_COST_TRAVERSE,     /* the elements of the first argument, and their text */
    CEL_COST_TO_BYTES,     /* as CEL_COST_TEXT; up to four bytes a character */
    CEL_COST_TO_STRING,    /* as CEL_COST_TEXT; up to four bytes a character */
    CEL_COST_QUOTE,        /* as CEL_COST_TEXT; up to twice as long and quotes */
    CEL_COST_CROSS,        /* the sizes of both arguments, multiplied */
    CEL_COST_CROSS_TWICE,  /* twice that */
    CEL_COST_CHECK,        /* an authorization check: 350000 */
    CEL_COST_SELECTOR,     /* a field or label selector in the second argument */
    CEL_COST_CONTAINS_IP,  /* of a range and an address */
    CEL_COST_CONTAINS_IP_TEXT,
    CEL_COST_CONTAINS_CIDR, /* of two ranges */
    CEL_COST_CONTAINS_CIDR_TEXT,
    CEL_COST_FORMAT, /* the second argument checked against a named format */
};

struct cel_row {
    const char *name;      /* "startsWith"; operators as "_+_" */
    const char *overload;  /* "starts_with_string" */
    const char *signature; /* lib/cel/type.h */
    cel_function *call;    /* NULL for what the evaluator does itself (&&, ?:). */
    enum cel_cost cost;
};

struct cel_constant {
    const char *name;
    const struct cel_type *type;
};

struct cel_library {
    const char *name;
    const struct cel_row *rows;
    size_t row_count;
    const struct cel_constant *types; /* Names that expressions may use as types. */
    size_t type_count;
};

struct cel_overload {
    const struct cel_row *row;
    struct cel_signature signature;
};

/* All overloads of one name. */
struct cel_overloads {
    const struct cel_overload *items;
    size_t count;
};

struct cel_functions;

/* The libraries of the language itself, and of Kubernetes v1.32 as far as they need nothing else.
 */
extern const struct cel_library cel_library_operators, cel_library_logic, cel_library_conversions,
    cel_library_texts, cel_library_times, cel_library_optionals, cel_library_strings,
    cel_library_format, cel_library_lists, cel_library_sets, cel_library_regex, cel_library_url,
    cel_library_ip, cel_library_authorizer, cel_library_two_variables;

/* Heap, counted: the reference is the caller's, to be given back with cel_functions_unref().
 * Libraries must stay. */
MUST_USE struct cel_functions *cel_functions_new(const struct cel_library *const *libraries,
                                                 size_t count);
/* All of the libraries above, and `more` (may be NULL when `count` is 0). */
MUST_USE struct cel_functions *cel_functions_new_standard(const struct cel_library *const *more,
                                                          size_t count);
struct cel_functions *cel_functions_ref(struct cel_functions *functions); /* The same. */
void cel_functions_unref(struct cel_functions *functions);                /* NULL is a no-op. */
/* NULL when no function has this name. */
const struct cel_overloads *cel_functions_find(const struct cel_functions *functions,
                                               struct slice name);
const struct cel_type *cel_functions_type(const struct cel_functions *functions, struct slice name);
/* Whether a value at run time fits an argument of this type. */
bool cel_fits(const struct cel_value *value, const struct cel_type *type);
#endif
