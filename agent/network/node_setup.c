#include "agent/network/node_setup.h"

#include "agent/network/cni_config.h"
#include "agent/network/dns_server.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 64 * 1024 };

static int set_switch(const char *path)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) {
        return -errno;
    }
    int result = write(file, "1", 1) < 0 ? -errno : 0;
    (void)close(file); /* It has taken effect, or write() said no. */
    return result;
}

bool node_set_forwarding(void)
{
    int result = set_switch("/proc/sys/net/ipv4/ip_forward");
    if (result < 0) {
        LOG_WARN("network", "cannot turn on IP forwarding: pods reach only this node",
                 KV_TEXT("error", strerror(-result)));
    }
    bool filtered = set_switch("/proc/sys/net/bridge/bridge-nf-call-iptables") == 0;
    if (!filtered) {
        LOG_INFO("network", "Service traffic within a node is masqueraded",
                 KV_TEXT("why", "br_netfilter is not there"));
    }
    return filtered;
}

/* The runtime watches the folder: it must never see half a file. */
int node_write_cni(const char *path, const char *bridge, const char *pod_cidr,
                   const char *state_dir)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, FILE_BYTES_MAX);
    cni_config_write(&text, bridge, pod_cidr, state_dir);
    return file_write(path, buffer_slice(&text), 0644, NULL);
}

size_t node_read_upstreams(struct in_addr *ret_upstreams, size_t max)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, FILE_BYTES_MAX);
    uint8_t *room = buffer_reserve(&text, FILE_BYTES_MAX);
    int file = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, room, FILE_BYTES_MAX);
    if (file >= 0) {
        (void)close(file); /* Only read. */
    }
    if (size > 0) {
        buffer_commit(&text, (size_t)size);
    }
    size_t count = dns_upstreams_parse(buffer_slice(&text), ret_upstreams, max);
    if (count == 0) {
        LOG_WARN("network", "no upstream resolver: pods resolve cluster names only",
                 KV_TEXT("file", "/etc/resolv.conf"));
    }
    return count;
}
