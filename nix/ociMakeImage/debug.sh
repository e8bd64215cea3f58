# The entry point of a debug image: runs its arguments, says how they ended, and waits for somebody to look around.
# It is the first process of the container, for which signals do nothing unless it handles them.
stop=
# What runs in the background loses its standard input unless it has it under another number.
exec 3<&0
"$@" <&3 3<&- &
program=$!
# Once is enough: a second signal would end the waiting below before the program has ended.
trap 'stop=yes; trap "" TERM INT; kill -TERM "$program" 2>/dev/null' TERM INT
wait "$program"
status=$?

# Asked to stop, it has not waited to the end; and it stays no longer than the program.
if [ "$stop" ]; then
    wait "$program"
    exit
fi

if [ "$status" -gt 128 ] && signal=$(kill -l "$((status - 128))" 2>/dev/null); then
    how="was killed by SIG$signal"
else
    how="ended with exit status $status"
fi
echo "debug: $1 $how. This container waits for you to enter it, and ends when it is stopped." >&2
trap 'kill "$!"; exit "$status"' TERM INT
sleep infinity &
wait
