# within SECONDS COMMAND...: repeats the command until it succeeds; says so when it does not. What takes SECONDS at most on
# a machine that has nothing else to do has four times as many, up to two minutes: others may keep the processors busy.
within() {
    local limit=$((4 * $1)) end
    [ $limit -le 120 ] || limit=$(($1 > 120 ? $1 : 120))
    end=$((SECONDS + limit))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "not within the time: $*" >&2; return 1; }
        sleep 0.1
    done
}

# busy NUMBER: that of a quiet machine, times as many as there are to share its processors.
busy() {
    local load
    read -r load _ </proc/loadavg
    echo $(($1 * (1 + ${load%%.*} / $(nproc))))
}

# Milliseconds since the machine began for which something could not run: others had the processors, of this machine or of
# the one under it, or the disk. By what it grows a short limit is too short.
held_up_ms() {
    cat /proc/pressure/{cpu,io} /proc/stat 2>/dev/null |
        awk '/^some/ {sub(".*total=", ""); sum += $0 / 1000} /^cpu / {sum += $9 * 10} END {printf "%d\n", sum}'
}

# A place in memory, where no other's writing holds up a flush; a folder of temporary files where there is little of it.
ram_dir() {
    if [ -w /dev/shm ] && [ "$(df --output=avail -B1M /dev/shm | tail -1)" -gt 4096 ]; then
        echo /dev/shm
    else
        echo "${TMPDIR:-/tmp}"
    fi
}

has_ended() { ! kill -0 "$1" 2>/dev/null || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }

# ended PID...: waits for processes that were told to end; one that does not is killed, and that is a failure.
ended() {
    local pid status=0
    for pid in "$@"; do
        within 15 has_ended "$pid" || { kill -9 "$pid"; status=1; }
    done
    return $status
}
