# What the script of a test calls. `container` becomes the container, and `root` has its files.

mount --rbind /dev "$root/dev"
ifconfig lo up
# A container that is not root may listen on any port, as with podman and Docker.
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
: >log
trap 'code=$?; [ "$code" = 0 ] || { echo "exit status $code; the container wrote:"; cat log; }; exit "$code"' EXIT

# Starts the image. Arguments replace its Cmd. Its output is in the file log.
start() {
    (container "$@") >log 2>&1 &
    started=$!
}

# Waits until the container ends, and returns its exit code.
finish() {
    wait "$started"
}

# Stops the image, and returns the exit code of the container: sends its signal, and after ten seconds SIGKILL, as
# runtimes do.
stop() {
    eventually first_process >/dev/null
    first=$(first_process)
    kill -s "$stop_signal" "$first"
    left=100
    while [ "$left" -gt 0 ] && readlink "/proc/$first/exe" >/dev/null; do
        left=$((left - 1))
        sleep 0.1
    done
    if [ "$left" = 0 ]; then
        kill -s KILL "$first"
        # Older versions of unshare end with 1.
        finish || return 137
    fi
    finish
}

# Prints the number of the container's first process, a child of the program that makes the namespaces.
first_process() {
    child=$(grep -l "^PPid:[[:space:]]$started\$" /proc/[0-9]*/status 2>/dev/null | head -n 1)
    [ "$child" ] && basename "${child%/status}"
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

