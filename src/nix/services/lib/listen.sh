# Receives the messages of sd_notify(3) at the socket "notify", and tells s6 by the descriptor 3 when one says READY=1.
# s6-socklog writes each line of a datagram as a line of text, behind the words that a log message has.
rm -f notify messages
mkfifo messages
s6-socklog -x notify >messages 3>&- &
echo $! >listener-pid
{
    while read -r line; do
        case $line in
        *READY=1)
            echo >&3
            exec 3>&-
            ;;
        esac
    done
} <messages >/dev/null &
until [ -S notify ]; do
    kill -0 "$(cat listener-pid)" || exit 111
    sleep 0.01
done
chmod 0666 notify
