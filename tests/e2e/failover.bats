# The leader and a node are killed; nothing that was acknowledged may be lost.
bats_require_minimum_version 1.5.0

@test "failover loses no acknowledged write and the pods come back" {
    load cluster
    run -0 "$TOP/deploy/quickstart" failover
    [[ $output == *"lost: 0"* ]]
    report=$(tail -1 <<<"$output")
    [ "$(jq .outage_ms <<<"$report")" -lt "$(busy 2500)" ]
    well() { "$CORACLE" status --dir "$E2E_DIR" | grep -q "all is well"; }
    within 15 well
}
