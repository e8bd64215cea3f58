# Runs what follows a start once the service is ready again. The first start is the matter of the script that starts all
# services.
if [ -e restarted ]; then
    {
        exec 3>&-
        s6-svwait -U . 2>/dev/null || exit
        MAINPID=$(s6-svstat -o pid .)
        export MAINPID
        exec ./post-start
    } &
fi
