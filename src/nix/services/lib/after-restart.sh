# Runs what follows a start once the service is ready again. At the first start, `up` does this.
if [ -e restarted ]; then
    {
        exec 3>&-
        s6-svwait -U . 2>/dev/null && exec @out@/lib/with-main-pid ./post-start
    } &
fi
