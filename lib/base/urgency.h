/* How soon the kernel runs a thread once it has something to do. */
#ifndef LIB_BASE_URGENCY_H
#define LIB_BASE_URGENCY_H

/* The calling thread computes at length and nobody waits for each step: it gets a tenth of the
 * share of the others. For good: to go back takes a privilege. A wish: refused, all stays as it
 * was. */
void urgency_lower(void);

#endif
