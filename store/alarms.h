/* Alarms: what is wrong with which member, known to all of them. Replicated; at most one of a kind
 * for a member. Pure. */
#ifndef STORE_ALARMS_H
#define STORE_ALARMS_H
#include "lib/base/compiler.h"
#include "store/limits.h"
#include <stdbool.h>
#include <stddef.h>

enum store_alarm_kind { /* Values are etcd's AlarmType. */
                        STORE_ALARM_NONE = 0,
                        STORE_ALARM_NOSPACE = 1,
                        STORE_ALARM_CORRUPT = 2,
};

struct store_alarm {
    uint64_t member;
    enum store_alarm_kind kind;
    bool by_itself; /* The member found it out itself, and takes it back when it is over. */
};

struct alarm_table {                           /* Zeroed: empty. */
    struct store_alarm rows[STORE_ALARMS_MAX]; /* By member, then kind. */
    size_t count;
};

/* 0, also when it was raised before; STORE_TOO_MANY_REQUESTS at STORE_ALARMS_MAX. */
MUST_USE int alarm_table_raise(struct alarm_table *table, const struct store_alarm *alarm);
/* Whether it was there. */
bool alarm_table_clear(struct alarm_table *table, uint64_t member, enum store_alarm_kind kind);
/* Of that member (0: of any); NULL when there is none. */
const struct store_alarm *alarm_table_find(const struct alarm_table *table, uint64_t member,
                                           enum store_alarm_kind kind);
#endif
