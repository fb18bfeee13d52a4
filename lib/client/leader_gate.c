#include "lib/client/leader_gate.h"

#include <assert.h>

void leader_gate_init(struct leader_gate *gate, void (*start)(void *data), void (*stop)(void *data),
                      void *data)
{
    *gate = (struct leader_gate){.start = start, .stop = stop, .data = data};
}

void leader_gate_set(struct leader_gate *gate, bool leader)
{
    gate->leader = leader;
    if (leader && gate->state == LEADER_GATE_STOPPED) {
        gate->state = LEADER_GATE_RUNNING;
        gate->start(gate->data);
    } else if (!leader && gate->state == LEADER_GATE_RUNNING) {
        gate->state = LEADER_GATE_STOPPING;
        gate->stop(gate->data);
    }
}

void leader_gate_stopped(struct leader_gate *gate)
{
    assert(gate->state == LEADER_GATE_STOPPING);
    gate->state = LEADER_GATE_STOPPED;
    leader_gate_set(gate, gate->leader);
}
