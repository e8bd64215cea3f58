# with-main-pid PROGRAM…: runs a program in the directory of a service, with the number of the service's process in MAINPID.
# It is empty if there is none.
if [ -e pid-file ]; then
    read -r file <pid-file
    MAINPID=$(cat "$file" 2>/dev/null)
else
    MAINPID=$(s6-svstat -o pid . 2>/dev/null)
    # Signals to this number would reach all processes.
    [ "$MAINPID" != -1 ] || MAINPID=
fi
export MAINPID
exec "$@"
