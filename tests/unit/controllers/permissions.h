/* Whether a call that a control loop makes is one that v1.32's roles let its identity make. */
#ifndef TESTS_UNIT_CONTROLLERS_PERMISSIONS_H
#define TESTS_UNIT_CONTROLLERS_PERMISSIONS_H
#include "lib/client/client.h"

/* Fails the test when the default roles do not allow it. The server itself may do everything. */
void permissions_check(const struct client_request *request);
#endif
