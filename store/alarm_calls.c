/* Alarms at run time: what is over the quota is refused where it comes in, and the alarm that this
 * member then raises is taken back by it as soon as there is room again. */
#include "store/store_private.h"

/* Both kinds of function pointer are only carried. */
typedef void (*any_done)(void);

enum { QUOTA_CLEAR_SHARE = 50 }; /* Cleared at a fiftieth below it, so that it does not flap. */

void store_alarm_set(struct store *store, const struct store_alarm *alarm, bool raised,
                     store_done *done, void *data)
{
    struct store_command command = {.kind = STORE_COMMAND_ALARM,
                                    .alarm = {.raised = raised, .row = *alarm}};
    store_command_start(store, &command, ANSWER_PLAIN, (any_done)done, data);
}

size_t store_alarms(const struct store *store, struct store_alarm ret_alarms[STORE_ALARMS_MAX])
{
    const struct alarm_table *alarms = &store->state.alarms;
    memcpy(ret_alarms, alarms->rows, alarms->count * sizeof(struct store_alarm));
    return alarms->count;
}

int store_health(const struct store *store)
{
    return store->rebuild.active ? STORE_CORRUPT : store_state_alarm_status(&store->state);
}

static void own_alarm(struct store *store, enum store_alarm_kind kind, bool raised)
{
    struct store_command command = {
        .kind = STORE_COMMAND_ALARM,
        .alarm = {.raised = raised,
                  .row = {.member = store->config.member_id, .kind = kind, .by_itself = true}}};
    store_command_say(store, &command);
}

void store_corrupt_alarm(struct store *store)
{
    own_alarm(store, STORE_ALARM_CORRUPT, /* raised= */ true);
}

static const struct store_alarm *own_row(const struct store *store, enum store_alarm_kind kind)
{
    const struct store_alarm *row =
        alarm_table_find(&store->state.alarms, store->config.member_id, kind);
    return row != NULL && row->by_itself ? row : NULL;
}

int store_admit(struct store *store, size_t bytes)
{
    uint64_t quota = store->config.quota_bytes;
    if (quota == 0 || mvcc_bytes(store->state.mvcc) + bytes <= quota) {
        return 0;
    }
    uint64_t now = env_now_ns(store->env);
    if (own_row(store, STORE_ALARM_NOSPACE) == NULL &&
        now - store->alarm_said_ns >= STORE_ALARM_TICK_MS * NS_PER_MS) {
        store->alarm_said_ns = now;
        own_alarm(store, STORE_ALARM_NOSPACE, /* raised= */ true);
    }
    return STORE_NO_SPACE;
}

static void tick(void *data)
{
    struct store *store = data;
    uint64_t quota = store->config.quota_bytes;
    bool room = quota == 0 || mvcc_bytes(store->state.mvcc) <= quota - quota / QUOTA_CLEAR_SHARE;
    if (room && own_row(store, STORE_ALARM_NOSPACE) != NULL) {
        own_alarm(store, STORE_ALARM_NOSPACE, /* raised= */ false);
    }
    if (!store->rebuild.active && own_row(store, STORE_ALARM_CORRUPT) != NULL) {
        own_alarm(store, STORE_ALARM_CORRUPT, /* raised= */ false);
    }
    store_alarms_changed(store);
}

void store_alarms_changed(struct store *store)
{
    bool own =
        own_row(store, STORE_ALARM_NOSPACE) != NULL || own_row(store, STORE_ALARM_CORRUPT) != NULL;
    if (own && store->alarm_timer.position == 0) {
        store->alarm_timer.fire = tick;
        store->alarm_timer.data = store;
        env_timer_start(store->env, &store->alarm_timer, STORE_ALARM_TICK_MS * NS_PER_MS);
    }
}
