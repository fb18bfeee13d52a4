#include "store/alarms.h"

#include "store/status.h"
#include <assert.h>
#include <string.h>

static bool is_before(const struct store_alarm *a, uint64_t member, enum store_alarm_kind kind)
{
    return a->member != member ? a->member < member : a->kind < kind;
}

static size_t place_of(const struct alarm_table *table, uint64_t member, enum store_alarm_kind kind)
{
    size_t at = 0;
    while (at < table->count && is_before(&table->rows[at], member, kind)) {
        at++;
    }
    return at;
}

static bool is_at(const struct alarm_table *table, size_t at, uint64_t member,
                  enum store_alarm_kind kind)
{
    return at < table->count && table->rows[at].member == member && table->rows[at].kind == kind;
}

int alarm_table_raise(struct alarm_table *table, const struct store_alarm *alarm)
{
    size_t at = place_of(table, alarm->member, alarm->kind);
    if (is_at(table, at, alarm->member, alarm->kind)) {
        /* What somebody raised by hand stays until somebody clears it. */
        table->rows[at].by_itself = table->rows[at].by_itself && alarm->by_itself;
        return 0;
    }
    if (table->count == STORE_ALARMS_MAX) {
        return STORE_TOO_MANY_REQUESTS;
    }
    memmove(&table->rows[at + 1], &table->rows[at],
            (table->count - at) * sizeof(struct store_alarm));
    table->rows[at] = *alarm;
    table->count++;
    return 0;
}

bool alarm_table_clear(struct alarm_table *table, uint64_t member, enum store_alarm_kind kind)
{
    size_t at = place_of(table, member, kind);
    if (!is_at(table, at, member, kind)) {
        return false;
    }
    table->count--;
    memmove(&table->rows[at], &table->rows[at + 1],
            (table->count - at) * sizeof(struct store_alarm));
    return true;
}

const struct store_alarm *alarm_table_find(const struct alarm_table *table, uint64_t member,
                                           enum store_alarm_kind kind)
{
    assert(table->count <= STORE_ALARMS_MAX);
    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].kind == kind && (member == 0 || table->rows[i].member == member)) {
            return &table->rows[i];
        }
    }
    return NULL;
}
