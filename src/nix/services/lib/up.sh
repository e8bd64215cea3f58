# Starts the services in their order, which the lines below list. The parent is s6-svscan.
dir=$1
svscan=$PPID
echo "$svscan" >"$dir/svscan-pid"
echo $$ >"$dir/up-pid"
running=0

# Before it supervises services, s6-svscan does not know what to do at a signal. A failure would be lost.
set -- "$dir"/scan/*
until [ -p "$1/supervise/control" ]; do
    sleep 0.02
done

# A stop is under way: its script has not seen the process ID that was just written.
if [ -e "$dir/stopping" ]; then
    exit 0
fi

# Users other than the creator of a pipe can only open it by /dev/stdout if others may write to it. The descriptor 5 is
# the pipe, also where chmod's own output goes elsewhere.
for fd in 1 2; do
    if [ -p "/proc/self/fd/$fd" ]; then
        chmod o+w /proc/self/fd/5 5>&"$fd" 2>/dev/null || :
    fi
done

# Ends the container with this code, unless another service has already decided.
end() {
    (set -C && echo "$1" >"$dir/exit-code") 2>/dev/null || :
    kill -TERM "$svscan"
    exit 0
}

# fail NAME CODE WHAT: ends the container, if failures do.
fail() {
    if [ "${S6_DONT_TERMINATE_ON_ERROR+set}" ]; then
        echo "start-services: $1: $3; going on, because S6_DONT_TERMINATE_ON_ERROR is set" >&2
    else
        echo "start-services: $1: $3; the container ends with $2" >&2
        end "$2"
    fi
}

# attributes PATH MODE UID GID [-R]: changes what is different, because even root cannot write to some volumes.
attributes() {
    mode=${2#0}
    if [ -e "$dir/root" ] && [ "$(stat -c %u:%g "$1")" != "$3:$4" ]; then
        chown $5 -h "$3:$4" "$1" || return
    fi
    if [ "$(stat -c %a "$1")" != "$mode" ]; then
        chmod "$2" "$1" || [ ! -e "$dir/root" ]
    fi
}

# directory NAME PATH MODE UID GID [-R]
directory() {
    if ! { [ -d "$2" ] || mkdir -p "$2"; } || ! attributes "$2" "$3" "$4" "$5" "$6"; then
        if [ -e "$dir/root" ]; then
            fail "$1" 1 "cannot make the directory $2"
        else
            echo "start-services: $1: cannot make the directory $2 without root" >&2
        fi
    fi
}

# file NAME SOURCE PATH MODE UID GID
file() {
    if ! mkdir -p "${3%/*}" || ! (umask 077 && cp -- "$2" "$3.new") || ! attributes "$3.new" "$4" "$5" "$6" ||
        ! mv -f "$3.new" "$3"; then
        fail "$1" 1 "cannot copy $2 to $3"
    fi
}

# Whether the service is over, before or instead of being ready. Another script may end the container because of it, and
# then nothing more starts.
is_over() {
    if [ -e "$service/failed" ] && [ -z "${S6_DONT_TERMINATE_ON_ERROR+set}" ]; then
        exit 0
    fi
    [ -e "$service/failed" ] || [ -e "$service/skipped" ]
}

# begin NAME: starts it.
begin() {
    service=$dir/scan/$1
    : >"$service/started"
    # It fails until s6-supervise listens, which s6-svok reports too early.
    until s6-svc -u "$service" 2>/dev/null; do
        sleep 0.02
    done
}

# oneshot NAME: starts it, and waits for its end.
oneshot() {
    begin "$1"
    until [ -e "$service/done" ] || is_over; do
        sleep 0.02
    done
    after "$1"
}

# longrun NAME [TIMEOUT [INTERVAL]]: starts it, and waits until it is ready. 0 waits for ever. With an interval, its check
# has to succeed too.
longrun() {
    begin "$1"
    deadline=$(($(date +%s) + ${2:-0}))
    until s6-svwait -U -t 200 "$service" 2>/dev/null; do
        if is_over; then
            return 0
        fi
        if is_late "$2"; then
            running=1
            fail "$1" 1 "it is not ready after $2 s"
            return 0
        fi
    done
    running=1
    if [ $# = 3 ]; then
        poll "$@"
    fi
    after "$1"
}

# is_late TIMEOUT: whether the deadline has passed, if there is one.
is_late() {
    [ "${1:-0}" != 0 ] && [ "$(date +%s)" -ge "$deadline" ]
}

# poll NAME TIMEOUT INTERVAL: waits until its check succeeds. A check may hang.
poll() {
    until (
        limit=
        if [ "$2" != 0 ]; then
            left=$((deadline - $(date +%s)))
            limit="timeout $((left > 0 ? left : 1))"
        fi
        cd "$service" && exec $limit ./check
    ) >/dev/null 2>&1; do
        if is_over; then
            return 0
        fi
        if is_late "$2"; then
            fail "$1" 1 "it is not ready after $2 s"
            return 0
        fi
        sleep "$3"
    done
}

# after NAME: runs the commands that follow its start.
after() {
    if [ -e "$service/post-start" ] && ! is_over; then
        (
            cd "$service" && exec @out@/lib/with-main-pid ./post-start
        )
        code=$?
        if [ $code != 0 ]; then
            fail "$1" $code "a command after its start failed with $code"
        fi
    fi
}

# Without a service that goes on, the container has done its work.
finished() {
    rm "$dir/up-pid"
    if [ $running = 0 ] && [ -z "${S6_DONT_TERMINATE_ON_ERROR+set}" ]; then
        end 0
    fi
}

