#include "cmd/version.h"
#include "cmd/commands.h"
#include <stdio.h>

int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("coracle %s (Kubernetes API %s, etcd API %s, %s)\n", CORACLE_VERSION,
           CORACLE_KUBERNETES_VERSION, CORACLE_ETCD_VERSION, CORACLE_COMMIT);
    return 0;
}
