#include "agent/network/cni_config.h"

void cni_config_write(struct buffer *out, const char *bridge, const char *pod_cidr,
                      const char *state_dir)
{
    /* No ipMasq: our own rules masquerade, so that one table holds them all. hairpinMode: a pod may
     * reach itself through its Service. */
    buffer_printf(out,
                  "{\n"
                  "  \"cniVersion\": \"1.0.0\",\n"
                  "  \"name\": \"coracle\",\n"
                  "  \"plugins\": [\n"
                  "    {\n"
                  "      \"type\": \"bridge\",\n"
                  "      \"bridge\": \"%s\",\n"
                  "      \"isGateway\": true,\n"
                  "      \"isDefaultGateway\": true,\n"
                  "      \"hairpinMode\": true,\n"
                  "      \"ipam\": {\n"
                  "        \"type\": \"host-local\",\n"
                  "        \"dataDir\": \"%s\",\n"
                  "        \"ranges\": [[{\"subnet\": \"%s\"}]]\n"
                  "      }\n"
                  "    },\n"
                  "    {\"type\": \"portmap\", \"capabilities\": {\"portMappings\": true}}\n"
                  "  ]\n"
                  "}\n",
                  bridge, state_dir, pod_cidr);
}
