# A container of podman, with the network of this program. `copy` copies the image to podman's storage, and `podman_options`
# are options of a container.

# podman and its programs are those of the caller.
path_of_caller=$PATH
podman() {
    PATH=$path_of_caller command podman "$@"
}

# Root is necessary to look into the container and for a network of one's own. podman gives it to a user.
if [ "$(PATH=$path id -u)" != 0 ]; then
    exec podman unshare "$0"
elif [ "${OCI_TEST_NETWORK-}" = "" ]; then
    OCI_TEST_NETWORK=own exec "$unshare" --net -- "$0"
fi
unset OCI_TEST_NETWORK
PATH=$path:$PATH
name=oci-test-$$-$(date +%s)

clean() {
    cd /
    podman rm --force --time 0 "$name" >/dev/null 2>&1 || :
    podman rmi --force "localhost/$name:changed" "localhost/$name:image" >/dev/null 2>&1 || :
    rm -rf "$folder"
}

# create TAG ARGUMENT…: makes the container, which does not run yet.
create() {
    tag=$1
    shift
    # shellcheck disable=SC2086
    podman create --quiet --network host --pull never --name "$name" $podman_options "localhost/$name:$tag" "$@" >/dev/null
    root=$(podman mount "$name")
}

# Starts the image. Arguments replace its Cmd. Its output is in the file log.
start() {
    if [ "$arguments" != 0 ] || [ $# != 0 ]; then
        # The container cannot change its arguments. Another one begins with its files. The image of a container has the
        # arguments of the container as its Cmd.
        podman commit --quiet --change "CMD $cmd" "$name" "localhost/$name:changed" >/dev/null
        podman rm "$name" >/dev/null
        create changed "$@"
        arguments=$#
    fi
    podman start --attach "$name" >log 2>&1 &
    started=$!
}

# Stops the image, and returns the exit code of the container.
stop() {
    eventually runs
    podman stop --time 10 "$name" >/dev/null
    finish
}

runs() {
    [ "$(podman inspect --format '{{.State.Running}}' "$name")" = true ]
}

folder=$(mktemp -d)
cd "$folder"
begin
trap 'exit 130' INT
trap 'exit 143' TERM
copy "localhost/$name:image"
cmd=$(podman image inspect --format '{{json .Config.Cmd}}' "localhost/$name:image")
[ "$cmd" != null ] || cmd='[]'
# The number of arguments of the container.
arguments=0
create image
