/* Which time zones there are. Pure. */
#ifndef LIB_API_TIME_ZONES_H
#define LIB_API_TIME_ZONES_H
#include <stdbool.h>

/* "Europe/Berlin", "UTC"; upper and lower case differ. */
bool api_time_zone_exists(const char *name);
#endif
