# What the script of a test calls, wherever the container runs. The file after this one defines `start` and `stop`, which
# set the process `started`, and `clean`.

# Prepares what both ways have in common.
begin() {
    : >log
    trap 'code=$?; [ "$code" = 0 ] || { echo "exit status $code; the container wrote:"; cat log; }; clean; exit "$code"' EXIT
    # The network of the container is also that of the script. A container that is not root may listen on any port, as with
    # podman and Docker.
    ifconfig lo up
    echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
}

# Waits until the container ends, and returns its exit code.
finish() {
    wait "$started"
}

# Waits until a command succeeds, for at most a minute.
eventually() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        # A process that ended has no program any more.
        if ! readlink "/proc/$started/exe" >/dev/null; then
            echo "the container ended before this succeeded: $*"
            return 1
        elif [ "$tries" = 600 ]; then
            echo "this did not succeed in a minute: $*"
            return 1
        fi
        sleep 0.1
    done
}
