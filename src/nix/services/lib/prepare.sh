# Makes a fresh folder for this start of the container, and prints its path: of each service a directory with links to
# its files, because s6 writes beside them. Scripts stay in the store, so that the folder may forbid execution.
if [ "${SERVICES_DIRECTORY-}" ]; then
    mkdir -p "$SERVICES_DIRECTORY" 2>/dev/null
    set -- "$SERVICES_DIRECTORY"
else
    set -- /run /tmp /dev/shm
fi
dir=
for parent; do
    # A folder without the mark of an earlier start is not ours to delete.
    if [ -d "$parent/services/scan/.s6-svscan" ]; then
        rm -rf "$parent/services" 2>/dev/null
    fi
    # Only a directory that did not exist is surely ours.
    if mkdir -m 0755 "$parent/services" 2>/dev/null; then
        dir=$parent/services
        break
    fi
done
if [ -z "$dir" ]; then
    echo "start-services: cannot make the directory services in $*: mount a tmpfs on /run, or set SERVICES_DIRECTORY to an empty folder" >&2
    exit 111
fi
set -e
mkdir "$dir/scan" "$dir/scan/.s6-svscan"
ln -s @out@/svscan/* "$dir/scan/.s6-svscan/"
for service in @out@/services/*; do
    place=$dir/scan/${service##*/}
    mkdir "$place"
    ln -s "$service"/* "$place/"
done
for log in @out@/logs/*; do
    [ -e "$log" ] || continue
    place=$dir/scan/${log##*/}/log
    mkdir "$place"
    ln -s "$log"/* "$place/"
done
if [ "$(id -u)" = 0 ]; then
    : >"$dir/root"
fi
# Some builds of execlineb put a folder before PATH. Each script restores the PATH of the container from here.
probe=$(PATH=probe @execlineb@ -P -c '@sh@ -c "echo $PATH"')
mkdir "$dir/environment"
printf '%s\n' "${container_path#"${probe%probe}"}" >"$dir/environment/PATH"
printf '%s\n' "$dir"
