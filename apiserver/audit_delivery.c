#include "apiserver/audit_delivery.h"

#include "lib/base/alloc.h"
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

struct audit_delivery {
    struct loop *home;
    void (*done)(void *data, int status); /* Home's; NULL: forgotten. */
    void *data;
    atomic_size_t expected; /* Ends that have not come. */
    atomic_int status;
};

struct audit_delivery *audit_delivery_new(struct loop *home, void (*done)(void *data, int status),
                                          void *data)
{
    struct audit_delivery *delivery = alloc_zeroed(sizeof(*delivery));
    *delivery = (struct audit_delivery){.home = home, .done = done, .data = data};
    atomic_init(&delivery->expected, 1);
    return delivery;
}

void audit_delivery_expect(struct audit_delivery *delivery)
{
    atomic_fetch_add(&delivery->expected, 1);
}

static void finish(void *data)
{
    struct audit_delivery *delivery = data;
    if (delivery->done != NULL) {
        delivery->done(delivery->data, atomic_load(&delivery->status));
    }
    free(delivery);
}

void audit_delivery_end(struct audit_delivery *delivery, int status)
{
    if (delivery == NULL) {
        return;
    }
    int none = 0;
    if (status < 0) {
        (void)atomic_compare_exchange_strong(&delivery->status, &none, status);
    }
    if (atomic_fetch_sub(&delivery->expected, 1) == 1) {
        loop_post(delivery->home, finish, delivery);
    }
}

void audit_delivery_forget(struct audit_delivery *delivery)
{
    delivery->done = NULL;
}
