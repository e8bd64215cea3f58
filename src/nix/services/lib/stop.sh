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
        pid=$(s6-svstat -o pid "$service" 2>/dev/null)
        [ "$pid" != -1 ] || pid=
        (
            cd "$service" || exit
            MAINPID=$pid
            export MAINPID
            if [ "$2" = 0 ]; then
                exec ./stop
            fi
            exec timeout "$2" ./stop
        ) || :
    fi
    s6-svc -d "$service" 2>/dev/null && s6-svwait -D "$service" 2>/dev/null
}

