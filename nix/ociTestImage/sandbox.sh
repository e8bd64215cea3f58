# A container in the sandbox of a build. `container` becomes it, and the folder `root` has its files.

# Starts the image. Arguments replace its Cmd. Its output is in the file log.
start() {
    (container "$@") >log 2>&1 &
    started=$!
}

# Stops the image, and returns the exit code of the container: sends its signal, and after ten seconds SIGKILL, as
# runtimes do.
stop() {
    eventually first_process >/dev/null
    first=$(first_process)
    kill -s "$stop_signal" "$first"
    left=100
    while [ "$left" -gt 0 ] && readlink "/proc/$first/exe" >/dev/null; do
        left=$((left - 1))
        sleep 0.1
    done
    if [ "$left" = 0 ]; then
        kill -s KILL "$first"
        # Older versions of unshare end with 1.
        finish || return 137
    fi
    finish
}

# Prints the number of the container's first process, a child of the program that makes the namespaces.
first_process() {
    child=$(grep -l "^PPid:[[:space:]]$started\$" /proc/[0-9]*/status 2>/dev/null | head -n 1)
    [ "$child" ] && basename "${child%/status}"
}

# The sandbox ends with the build.
clean() {
    :
}

begin
mount --rbind /dev "$root/dev"
