/* From the tree to a program, and its matcher: all ways to match are followed at once, a character
 * at a time, so that each step of the program is taken at most once a character. */
#include "lib/cel/regex.h"

#include "lib/base/alloc.h"
#include "lib/base/utf8.h"
#include "lib/cel/limits.h"
#include "lib/cel/regex_program.h"
#include <errno.h>
#include <stdlib.h>

/* --- Program -----------------------------------------------------------------------------------
 */

struct assembler {
    struct cel_regex_step *steps;
    size_t count; /* Of steps wanted; those past the maximum are not written. */
};

static uint32_t emit(struct assembler *assembler, struct cel_regex_step step)
{
    if (assembler->count < CEL_REGEX_PROGRAM_MAX && assembler->steps != NULL) {
        assembler->steps[assembler->count] = step;
    }
    return (uint32_t)assembler->count++;
}

static void patch(struct assembler *assembler, uint32_t at, uint32_t x, uint32_t y)
{
    if (at < CEL_REGEX_PROGRAM_MAX && assembler->steps != NULL) {
        assembler->steps[at].x = x;
        assembler->steps[at].y = y;
    }
}

static void assemble(struct assembler *assembler, const struct cel_regex_node *node);

static uint32_t here(const struct assembler *assembler)
{
    return (uint32_t)assembler->count;
}

/* A choice between going on with the next step and going to `out`; the lazy one prefers out. */
static void patch_choice(struct assembler *assembler, uint32_t at, uint32_t in, uint32_t out,
                         bool lazy)
{
    patch(assembler, at, lazy ? out : in, lazy ? in : out);
}

static void assemble_repeat(struct assembler *assembler, const struct cel_regex_node *node)
{
    struct cel_regex_step split = {.op = CEL_REGEX_OP_SPLIT};
    for (int i = 0; i < node->min && assembler->count <= CEL_REGEX_PROGRAM_MAX; i++) {
        assemble(assembler, node->left);
    }
    if (node->max == CEL_REGEX_NO_MAX) {
        uint32_t at = emit(assembler, split);
        assemble(assembler, node->left);
        (void)emit(assembler, (struct cel_regex_step){.op = CEL_REGEX_OP_JUMP, .x = at});
        patch_choice(assembler, at, at + 1, here(assembler), node->lazy);
        return;
    }
    for (int i = node->min; i < node->max && assembler->count <= CEL_REGEX_PROGRAM_MAX; i++) {
        uint32_t at = emit(assembler, split);
        assemble(assembler, node->left);
        patch_choice(assembler, at, at + 1, here(assembler), node->lazy);
    }
}

static void assemble(struct assembler *assembler, const struct cel_regex_node *node)
{
    uint32_t split, jump;
    if (assembler->count > CEL_REGEX_PROGRAM_MAX) {
        return;
    }
    switch (node->kind) {
    case CEL_REGEX_EMPTY:
        break;
    case CEL_REGEX_CLASS:
        (void)emit(assembler, (struct cel_regex_step){.op = CEL_REGEX_OP_CLASS,
                                                      .ranges = node->ranges,
                                                      .range_count = node->range_count});
        break;
    case CEL_REGEX_PLACE:
        (void)emit(assembler,
                   (struct cel_regex_step){.op = CEL_REGEX_OP_PLACE, .place = node->place});
        break;
    case CEL_REGEX_THEN:
        assemble(assembler, node->left);
        assemble(assembler, node->right);
        break;
    case CEL_REGEX_EITHER:
        split = emit(assembler, (struct cel_regex_step){.op = CEL_REGEX_OP_SPLIT});
        assemble(assembler, node->left);
        jump = emit(assembler, (struct cel_regex_step){.op = CEL_REGEX_OP_JUMP});
        patch(assembler, split, split + 1, here(assembler));
        assemble(assembler, node->right);
        patch(assembler, jump, here(assembler), 0);
        break;
    case CEL_REGEX_REPEAT:
        assemble_repeat(assembler, node);
        break;
    }
}

int cel_regex_compile(struct arena *arena, struct slice pattern, const struct cel_regex **ret_regex,
                      struct error *reterr)
{
    const struct cel_regex_node *root;
    struct assembler sizes = {.steps = NULL}, assembler = {.steps = NULL};
    int code = cel_regex_parse(arena, pattern, &root, reterr);
    if (code < 0) {
        return code;
    }
    assemble(&sizes, root);
    if (sizes.count >= CEL_REGEX_PROGRAM_MAX) {
        return error_set(reterr, -EINVAL, "error parsing regexp: expression too large");
    }
    assembler.steps = arena_array(arena, sizes.count + 1, sizeof(*assembler.steps));
    assemble(&assembler, root);
    (void)emit(&assembler, (struct cel_regex_step){.op = CEL_REGEX_OP_MATCH});
    struct cel_regex *regex = arena_alloc(arena, sizeof(*regex));
    *regex = (struct cel_regex){assembler.steps, assembler.count};
    *ret_regex = regex;
    return 0;
}

/* --- Matcher -----------------------------------------------------------------------------------
 */

struct thread {
    uint32_t step;
    size_t start; /* Where its match began. */
};

/* Threads in order of preference; `seen[step]` is the generation in which the step was added. */
struct threads {
    struct thread *items;
    size_t count;
};

struct matcher {
    const struct cel_regex *regex;
    struct slice text;
    struct threads now, next;
    uint64_t *seen;
    uint64_t generation;
    struct thread *stack;
};

static bool is_word(struct slice text, size_t at)
{
    if (at >= text.len) {
        return false;
    }
    uint8_t c = text.data[at];
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

static bool is_at(struct slice text, size_t at, enum cel_regex_place place)
{
    bool edge = is_word(text, at) != (at > 0 && is_word(text, at - 1));
    switch (place) {
    case CEL_REGEX_TEXT_START:
        return at == 0;
    case CEL_REGEX_TEXT_END:
        return at == text.len;
    case CEL_REGEX_LINE_START:
        return at == 0 || text.data[at - 1] == '\n';
    case CEL_REGEX_LINE_END:
        return at == text.len || text.data[at] == '\n';
    case CEL_REGEX_WORD_EDGE:
        return edge;
    case CEL_REGEX_NO_WORD_EDGE:
        return !edge;
    }
    return false;
}

/* Adds the thread and all that it leads to without taking a character, preferred ones first. A step
 * is on the stack at most twice (by a split's two ways), and is followed once a generation. */
static void add(struct matcher *matcher, struct threads *threads, struct thread thread, size_t at)
{
    size_t depth = 0;
    matcher->stack[depth++] = thread;
    while (depth > 0) {
        thread = matcher->stack[--depth];
        const struct cel_regex_step *step = &matcher->regex->steps[thread.step];
        if (matcher->seen[thread.step] == matcher->generation) {
            continue;
        }
        matcher->seen[thread.step] = matcher->generation;
        switch (step->op) {
        case CEL_REGEX_OP_SPLIT:
            matcher->stack[depth++] = (struct thread){step->y, thread.start};
            matcher->stack[depth++] = (struct thread){step->x, thread.start};
            break;
        case CEL_REGEX_OP_JUMP:
            matcher->stack[depth++] = (struct thread){step->x, thread.start};
            break;
        case CEL_REGEX_OP_PLACE:
            if (is_at(matcher->text, at, step->place)) {
                matcher->stack[depth++] = (struct thread){thread.step + 1, thread.start};
            }
            break;
        case CEL_REGEX_OP_CLASS:
        case CEL_REGEX_OP_MATCH:
            threads->items[threads->count++] = thread;
            break;
        }
    }
}

static bool in_class(const struct cel_regex_step *step, uint32_t rune)
{
    for (size_t i = 0; i < step->range_count; i++) {
        if (rune >= step->ranges[i].first && rune <= step->ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* One character for all threads. Returns whether one of them has matched up to `at`; those that are
 * less preferred end then. */
static bool advance(struct matcher *matcher, size_t at, uint32_t rune, size_t width,
                    struct cel_regex_match *match)
{
    matcher->next.count = 0;
    matcher->generation++;
    for (size_t i = 0; i < matcher->now.count; i++) {
        struct thread thread = matcher->now.items[i];
        const struct cel_regex_step *step = &matcher->regex->steps[thread.step];
        if (step->op == CEL_REGEX_OP_MATCH) {
            *match = (struct cel_regex_match){thread.start, at};
            return true;
        }
        if (width > 0 && in_class(step, rune)) {
            add(matcher, &matcher->next, (struct thread){thread.step + 1, thread.start},
                at + width);
        }
    }
    return false;
}

static bool run(struct matcher *matcher, size_t from, struct cel_regex_match *ret_match)
{
    bool found = false;
    for (size_t at = from;;) {
        uint32_t rune = 0;
        size_t width =
            at < matcher->text.len
                ? utf8_get(matcher->text.data + at, matcher->text.data + matcher->text.len, &rune)
                : 0;
        if (!found) {
            if (matcher->now.count == 0) {
                matcher->generation++;
            }
            add(matcher, &matcher->now, (struct thread){0, at}, at);
        }
        struct cel_regex_match match;
        if (advance(matcher, at, rune, width, &match)) {
            found = true;
            if (ret_match == NULL) {
                return true;
            }
            *ret_match = match;
        }
        struct threads swap = matcher->now;
        matcher->now = matcher->next;
        matcher->next = swap;
        if (width == 0 || (found && matcher->now.count == 0)) {
            return found;
        }
        at += width;
    }
}

bool cel_regex_find(const struct cel_regex *regex, struct slice text, size_t from,
                    struct cel_regex_match *ret_match)
{
    size_t count = regex->count;
    CLEANUP(alloc_freep) struct thread *threads = alloc_array(4 * count + 2, sizeof(*threads));
    CLEANUP(alloc_freep) uint64_t *seen = alloc_array(count, sizeof(*seen));
    struct matcher matcher = {
        .regex = regex,
        .text = text,
        .now = {.items = threads},
        .next = {.items = threads + count},
        .seen = seen,
        .stack = threads + 2 * count,
    };
    return run(&matcher, from, ret_match);
}
