/* LD_PRELOAD: TCP connections to port SHIM_PORT go to SHIM_PORT_TO of the same host instead, where
 * a proxy of the test listens. */
#undef _GNU_SOURCE /* With it connect() has a type that only the C library itself can define. */
#define _DEFAULT_SOURCE
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint16_t port_of(const char *variable)
{
    const char *value = getenv(variable);
    return value == NULL ? 0 : (uint16_t)strtoul(value, NULL, 10);
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_in to;
    if (address->sa_family != AF_INET || len < sizeof(to)) {
        return (int)syscall(SYS_connect, fd, address, len);
    }
    memcpy(&to, address, sizeof(to));
    if (ntohs(to.sin_port) == port_of("SHIM_PORT")) {
        to.sin_port = htons(port_of("SHIM_PORT_TO"));
    }
    return (int)syscall(SYS_connect, fd, &to, sizeof(to));
}
