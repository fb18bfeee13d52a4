/* The functions that expressions may call in Kubernetes v1.32: those of lib/cel, and the libraries
 * that count on lib/api: quantities and named formats. Pure. */
#ifndef LIB_API_CEL_FUNCTIONS_H
#define LIB_API_CEL_FUNCTIONS_H
#include "lib/cel/function.h"

/* quantity(), isQuantity() and their methods. */
extern const struct cel_library api_cel_quantity;
/* format.dns1123Label().validate(text) and the like. */
extern const struct cel_library api_cel_formats;

/* The table of all of them, which costs some 100 KB: to be shared. The reference is the caller's:
 * cel_functions_unref(). */
MUST_USE struct cel_functions *api_cel_functions_new(void);
#endif
