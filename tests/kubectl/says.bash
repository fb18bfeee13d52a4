# What commands of a test have to print.

# says PATTERN COMMAND...: it succeeds, and its output has what the pattern says.
says() {
    local pattern=$1 output
    shift
    output=$("$@" 2>&1) || { echo "$*: $output"; return 1; }
    grep -qE -- "$pattern" <<<"$output" || { echo "$*: no /$pattern/ in: $output"; return 1; }
}

# refuses PATTERN COMMAND...: it fails, and says so.
refuses() {
    local pattern=$1 output
    shift
    ! output=$("$@" 2>&1) || { echo "$*: did not fail: $output"; return 1; }
    grep -qE -- "$pattern" <<<"$output" || { echo "$*: no /$pattern/ in: $output"; return 1; }
}

# prints COMMAND...: it succeeds, and its output, without times and ids, is what comes in.
prints() {
    local expected output
    expected=$(cat)
    output=$("$@" 2>&1) || { echo "$*: $output"; return 1; }
    diff <(echo "$expected") <(sed -E '/^ *(resourceVersion|uid):/d; s/creationTimestamp: "[^"]*"/creationTimestamp: TIME/' <<<"$output") ||
        { echo "$* printed otherwise"; return 1; }
}
