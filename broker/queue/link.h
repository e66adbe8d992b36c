#ifndef BROKER_QUEUE_LINK_H
#define BROKER_QUEUE_LINK_H

/*
 * link - doubly linked lists whose links lie inside the items
 *
 * A head is a link that points to itself when empty; an item that is in no list has NULL links.
 * Removing what is in no list does nothing, so callers need not know.
 */

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev;
    struct link *next;
};

#define LINK_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void link_init(struct link *head)
{
    head->prev = head;
    head->next = head;
}

static inline bool link_empty(const struct link *head)
{
    return head->next == head;
}

static inline bool link_in_list(const struct link *item)
{
    return item->next != NULL;
}

/* Put item, which is in no list, before where; before the head is the end. */
static inline void link_insert(struct link *where, struct link *item)
{
    item->prev = where->prev;
    item->next = where;
    where->prev->next = item;
    where->prev = item;
}

static inline void link_remove(struct link *item)
{
    if (item->next) {
        item->prev->next = item->next;
        item->next->prev = item->prev;
        item->prev = NULL;
        item->next = NULL;
    }
}

static inline void link_append(struct link *head, struct link *item)
{
    link_remove(item);
    link_insert(head, item);
}

#endif
