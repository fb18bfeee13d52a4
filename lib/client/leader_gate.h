/* Leader gate: starts a part of the process when this member becomes leader and stops it when it is
 * no longer, never both at once, however fast leadership comes and goes. Pure; one thread. */
#ifndef LIB_CLIENT_LEADER_GATE_H
#define LIB_CLIENT_LEADER_GATE_H
#include <stdbool.h>

enum leader_gate_state { LEADER_GATE_STOPPED, LEADER_GATE_RUNNING, LEADER_GATE_STOPPING };

struct leader_gate {
    enum leader_gate_state state;
    bool leader; /* What was said last. */
    void (*start)(void *data);
    void (*stop)(void *data); /* Ends with leader_gate_stopped(), at once or later. */
    void *data;
};

void leader_gate_init(struct leader_gate *gate, void (*start)(void *data), void (*stop)(void *data),
                      void *data);
void leader_gate_set(struct leader_gate *gate, bool leader);
void leader_gate_stopped(struct leader_gate *gate); /* Starts again when leader meanwhile. */
#endif
