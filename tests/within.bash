# within SECONDS COMMAND...: repeats the command until it succeeds; says so when it does not.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "not within the time: $*" >&2; return 1; }
        sleep 0.1
    done
}
