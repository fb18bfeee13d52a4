/* Intrusive doubly linked list, circular, with the head as sentinel. The list owns nothing. */
#ifndef LIB_BASE_LIST_H
#define LIB_BASE_LIST_H
#include "lib/base/compiler.h"
#include <assert.h>
#include <stdbool.h>

struct list {
    struct list *next;
    struct list *prev;
};

/* Both a head and an unlinked node are made with list_init(). */
static inline void list_init(struct list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_before(struct list *position, struct list *node)
{
    assert(!list_linked(node));
    node->prev = position->prev;
    node->next = position;
    position->prev->next = node;
    position->prev = node;
}

static inline void list_push_back(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

static inline void list_push_front(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

/* Unlinking a node that is not linked is a no-op. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
/* The body may remove `node`, and nothing else. `next` is a scratch name. */
#define LIST_FOREACH(node, next_node, head)                                                        \
    for (struct list *node = (head)->next, *next_node = node->next; node != (head);                \
         node = next_node, next_node = node->next)
#endif
