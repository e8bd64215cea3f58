# Decides what follows the end of a service. $1 is its exit code, or 256 after the signal $2. Exit code 125 tells s6
# that the service stays down.
code=$1
if [ "$code" -gt 255 ]; then
    code=$((128 + $2))
fi
if [ -e listener-pid ]; then
    kill -KILL "$(cat listener-pid)" 2>/dev/null
    rm -f listener-pid
fi
# Nothing starts again while the container stops.
if [ -e ../../stopping ] || [ -e skipped ]; then
    exit 125
fi
case " 0 $success " in
*" $code "*) result=success ;;
*) result=failure ;;
esac
if [ $result = success ] && [ $kind = oneshot ]; then
    : >done
    exit 125
fi

again=
case $restart-$result in
always-* | on-failure-failure) again=yes ;;
esac
if [ "$again" ] && [ "$burst" -gt 0 ]; then
    now=$(date +%s)
    echo "$now" >>ends
    if [ "$(awk -v since=$((now - interval)) '$1 >= since' ends | wc -l)" -ge "$burst" ]; then
        echo "start-services: $name: $burst starts in $interval s are the last" >&2
        again=
    fi
fi
if [ "$again" ]; then
    : >restarted
    # In short steps, because a stop cannot interrupt this script.
    while [ "$delay" -gt 0 ] && [ ! -e ../../stopping ]; do
        sleep 0.1
        delay=$((delay - 1))
    done
    [ ! -e ../../stopping ] || exit 125
    exit 0
fi

: >failed
if [ $result = success ]; then
    code=0
    echo "start-services: $name ended; the container ends" >&2
elif [ "${S6_DONT_TERMINATE_ON_ERROR+set}" ]; then
    echo "start-services: $name failed with $code; going on, because S6_DONT_TERMINATE_ON_ERROR is set" >&2
    exit 125
else
    echo "start-services: $name failed; the container ends with $code" >&2
fi
(set -C && echo "$code" >../../exit-code) 2>/dev/null
kill -TERM "$(cat ../../svscan-pid)"
exit 125
