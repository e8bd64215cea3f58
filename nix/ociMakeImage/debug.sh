# The entry point of a debug image, as `debug SIGNAL PROGRAM ARGUMENT…`: runs the program, says how it ended, and waits for
# somebody to look around. SIGNAL stops the container and the program. This is the first process of the container, for
# which signals do nothing unless it handles them.
signal=$1
shift
stop=
# What runs in the background loses its standard input unless it has it under another number, and ignores SIGINT and
# SIGQUIT.
exec 3<&0
(trap - "$signal"; exec "$@") <&3 3<&- &
program=$!
# Once is enough: a second signal would end the waiting below before the program has ended.
trap 'stop=yes; trap "" TERM INT "$signal"; kill -s "$signal" "$program" 2>/dev/null' TERM INT "$signal"
wait "$program"
status=$?

# Asked to stop, it has not waited to the end; and it stays no longer than the program.
if [ "$stop" ]; then
    wait "$program"
    exit
fi

if [ "$status" -gt 128 ] && killer=$(kill -l "$((status - 128))" 2>/dev/null); then
    how="was killed by SIG$killer"
else
    how="ended with exit status $status"
fi
echo "debug: $1 $how. This container waits for you to enter it, and ends when it is stopped." >&2
trap 'kill "$!"; exit "$status"' TERM INT "$signal"
sleep infinity &
wait
