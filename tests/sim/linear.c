#include "tests/sim/linear.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

/* A call or a return in the order of time; doubly linked so that both can be lifted out and put
 * back in constant time. */
struct moment {
    uint64_t at;
    size_t op;
    bool is_return;
    struct moment *previous, *next, *partner;
};

struct seen { /* What was tried before: the set of operations done, as a sum of keys, and the state.
               */
    uint64_t low, high;
};

struct search {
    const struct linear_op *ops;
    size_t count;
    struct moment head; /* Sentinel. */
    struct moment *moments;
    uint64_t state, low, high;
    struct {
        struct moment *moment;
        uint64_t state;
    } * stack;
    size_t depth;
    struct seen *table;
    size_t table_count, table_size; /* A power of two. */
};

static uint64_t scramble(uint64_t number)
{
    uint64_t z = number + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct seen *table_place(struct seen *table, size_t size, struct seen key)
{
    size_t at = key.low & (size - 1);
    while ((table[at].low != 0 || table[at].high != 0) &&
           (table[at].low != key.low || table[at].high != key.high)) {
        at = (at + 1) & (size - 1);
    }
    return &table[at];
}

/* False when this was tried before. */
static bool remember(struct search *search, uint64_t state)
{
    struct seen key = {search->low ^ scramble(state), search->high ^ scramble(~state)};
    if (search->table_count * 2 >= search->table_size) {
        size_t size = search->table_size * 2;
        struct seen *larger = alloc_zeroed(size * sizeof(*larger));
        for (size_t i = 0; i < search->table_size; i++) {
            if (search->table[i].low != 0 || search->table[i].high != 0) {
                *table_place(larger, size, search->table[i]) = search->table[i];
            }
        }
        free(search->table);
        search->table = larger;
        search->table_size = size;
    }
    struct seen *place = table_place(search->table, search->table_size, key);
    if (place->low == key.low && place->high == key.high) {
        return false;
    }
    *place = key;
    search->table_count++;
    return true;
}

static bool step(const struct linear_op *op, uint64_t state, uint64_t *ret_state)
{
    bool write = op->kind == LINEAR_WRITE || op->kind == LINEAR_SWAP;
    *ret_state = write ? op->value : state;
    switch (op->kind) {
    case LINEAR_READ:
        return state == op->value;
    case LINEAR_WRITE:
        return true;
    case LINEAR_SWAP:
        return state == op->expected;
    case LINEAR_KEEP:
        return state != op->expected;
    }
    return false;
}

static void lift(struct moment *call)
{
    call->previous->next = call->next;
    call->next->previous = call->previous;
    struct moment *end = call->partner;
    end->previous->next = end->next;
    end->next->previous = end->previous;
}

static void put_back(struct moment *call)
{
    struct moment *end = call->partner;
    end->previous->next = end;
    end->next->previous = end;
    call->previous->next = call;
    call->next->previous = call;
}

static void mark(struct search *search, const struct moment *call)
{
    search->low ^= scramble(2 * call->op + 1);
    search->high ^= scramble(~(2 * (uint64_t)call->op));
}

/* Adds the call to what is done, unless the search has been there before. */
static bool remember_with(struct search *search, const struct moment *call, uint64_t state)
{
    mark(search, call);
    if (remember(search, state)) {
        return true;
    }
    mark(search, call);
    return false;
}

static int by_time(const void *left, const void *right)
{
    const struct moment *a = left;
    const struct moment *b = right;
    if (a->at != b->at) {
        return a->at < b->at ? -1 : 1;
    }
    if (a->is_return != b->is_return) {
        return a->is_return ? 1 : -1; /* What touches, overlaps. */
    }
    return (a->op > b->op) - (a->op < b->op);
}

static void search_init(struct search *search, const struct linear_op *ops, size_t count)
{
    *search = (struct search){.ops = ops, .count = count, .table_size = 256};
    search->table = alloc_zeroed(search->table_size * sizeof(*search->table));
    search->stack = alloc_array(count + 1, sizeof(*search->stack));
    search->moments = alloc_array(2 * count + 1, sizeof(*search->moments));
    for (size_t i = 0; i < count; i++) {
        search->moments[2 * i] = (struct moment){.at = ops[i].call, .op = i};
        search->moments[2 * i + 1] = (struct moment){.at = ops[i].end, .op = i, .is_return = true};
    }
    qsort(search->moments, 2 * count, sizeof(*search->moments), by_time);
    struct moment **calls = alloc_array(count + 1, sizeof(*calls));
    struct moment *last = &search->head;
    for (size_t i = 0; i < 2 * count; i++) {
        struct moment *moment = &search->moments[i];
        moment->previous = last;
        last->next = moment;
        last = moment;
        if (!moment->is_return) {
            calls[moment->op] = moment;
        } else {
            moment->partner = calls[moment->op];
            moment->partner->partner = moment;
        }
    }
    last->next = &search->head;
    search->head.previous = last;
    free(calls);
}

static void search_release(struct search *search)
{
    free(search->table);
    free(search->stack);
    free(search->moments);
}

static enum linear_verdict search_run(struct search *search, uint64_t steps_max,
                                      struct linear_report *report)
{
    struct moment *at = search->head.next;
    size_t deepest = 0;
    uint64_t steps = 0;
    while (search->head.next != &search->head) {
        const struct linear_op *op = &search->ops[at->op];
        uint64_t next;
        report->steps++;
        if (++steps > steps_max) {
            return LINEAR_UNDECIDED;
        }
        if (at->is_return && op->end == LINEAR_PENDING) {
            return LINEAR_OK; /* All that came back has found its place. */
        }
        if (at->is_return) {
            if (search->depth >= deepest) {
                deepest = search->depth;
                report->call = op->call;
            }
            if (search->depth == 0) {
                return LINEAR_VIOLATION;
            }
            search->depth--;
            at = search->stack[search->depth].moment;
            search->state = search->stack[search->depth].state;
            mark(search, at);
            put_back(at);
            at = at->next;
            continue;
        }
        if (step(op, search->state, &next) && remember_with(search, at, next)) {
            search->stack[search->depth].moment = at;
            search->stack[search->depth++].state = search->state;
            search->state = next;
            lift(at);
            at = search->head.next;
        } else {
            at = at->next; /* Not, or not again. */
        }
    }
    return LINEAR_OK;
}

static int by_key(const void *left, const void *right)
{
    const struct linear_op *a = left;
    const struct linear_op *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return (a->call > b->call) - (a->call < b->call);
}

enum linear_verdict linear_check(struct linear_op *ops, size_t count, uint64_t steps_max,
                                 struct linear_report *ret_report)
{
    enum linear_verdict worst = LINEAR_OK;
    *ret_report = (struct linear_report){0};
    qsort(ops, count, sizeof(*ops), by_key);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && ops[to].key == ops[from].key; to++) {
            assert(ops[to].end >= ops[to].call);
        }
        struct search search;
        search_init(&search, &ops[from], to - from);
        enum linear_verdict verdict = search_run(&search, steps_max, ret_report);
        search_release(&search);
        if (verdict == LINEAR_VIOLATION) {
            ret_report->key = ops[from].key;
            return verdict;
        }
        worst = verdict == LINEAR_UNDECIDED ? verdict : worst;
    }
    return worst;
}
