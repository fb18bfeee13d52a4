/* Flags of a subcommand, from the command line and from a YAML file with the same names (--config);
 * the command line wins. Table-driven: the table is also what --help prints. */
#ifndef CMD_FLAGS_H
#define CMD_FLAGS_H
#include "lib/base/arena.h"
#include "lib/base/error.h"
#include <stdbool.h>
#include <stddef.h>

enum { FLAG_FILE_MAX = 1024 * 1024 };
enum { FLAG_VALUES_MAX = 64, FLAGS_MAX = 128, FLAG_TEXTS_MAX = 256, OPERANDS_MAX = 8 };

struct flag {
    const char *name;        /* Without the dashes. */
    const char *alias;       /* Another name for it: etcd's. NULL: none. */
    const char *placeholder; /* "DIR"; NULL for a switch. */
    const char *help;
    const char *fallback; /* Used when not given; NULL: none. Shown by --help. */
    bool required;
    bool list; /* May be repeated; a value may also hold several, separated by commas. */
    /* Results: borrowed from argv, the table or the flag set. */
    const char *values[FLAG_VALUES_MAX];
    size_t count;
    bool given; /* On the command line or in the file: not the fallback. */
};

struct flag_set {
    const char *usage;   /* "coracle server --name N ... " */
    const char *summary; /* One paragraph. */
    struct flag *flags;
    size_t count;        /* At most FLAGS_MAX. */
    size_t operands_max; /* Words that are no flags; at most OPERANDS_MAX. */
    const char *operands[OPERANDS_MAX];
    size_t operand_count;
    char *owned[FLAG_TEXTS_MAX]; /* Copies of what was cut out of lists and files. */
    size_t owned_count;
    bool help; /* --help was asked for, and has been printed. */
};

/* Parses argv[0…]. -EINVAL with a message that names the flag. With --help it prints and sets help.
 * Call flag_set_release() after any result. */
MUST_USE int flag_set_parse(struct flag_set *set, int argc, char **argv, struct error *reterr);
void flag_set_release(struct flag_set *set);
/* The (last) value of a flag, or NULL when it has none. The name must be in the table. */
const char *flag_text(const struct flag_set *set, const char *name);
bool flag_on(const struct flag_set *set, const char *name); /* A switch, or "true". */
const struct flag *flag_get(const struct flag_set *set, const char *name);
/* A number within bounds, else -EINVAL with a message. Absent: the flag must have a fallback. */
MUST_USE int flag_number(const struct flag_set *set, const char *name, long min, long max,
                         long *ret_value, struct error *reterr);
/* For a failure that is the fallback's when the flag was not given: says what to give. */
void flag_explain(const struct flag_set *set, const char *name, struct error *reterr);
/* The text of the file that the flag names, in `arena`; NULL when it is not given. At most
 * FLAG_FILE_MAX bytes. A negative errno with a message. */
MUST_USE int flag_file(const struct flag_set *set, const char *name, struct arena *arena,
                       const char **ret_text, struct error *reterr);
#endif
