# Stops the services in the reverse order, which the lines below list. s6-svscan runs this in its folder, at every
# signal that stops the container, and at the end of a service that the container ends with.
scan=$PWD
mkdir "$scan/../stopping" 2>/dev/null || exit 0
up=$(cat "$scan/../up-pid" 2>/dev/null) && kill -TERM -- "-$up" 2>/dev/null

# stop NAME SECONDS: 0 waits for ever.
stop() {
    service=$scan/$1
    if [ ! -e "$service/started" ]; then
        return
    fi
    if [ -e "$service/stop" ] && [ ! -e "$service/failed" ] && [ ! -e "$service/skipped" ]; then
        limit=
        if [ "$2" != 0 ]; then
            limit="timeout $2"
        fi
        (cd "$service" && exec $limit @out@/lib/with-main-pid ./stop) || :
    fi
    # At the time-out, s6 kills the program that watches a daemon, and not the daemon.
    daemon=
    if [ -e "$service/pid-file" ]; then
        read -r file <"$service/pid-file"
        daemon=$(cat "$file" 2>/dev/null)
    fi
    s6-svc -d "$service" 2>/dev/null && s6-svwait -D "$service" 2>/dev/null
    [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null
}

