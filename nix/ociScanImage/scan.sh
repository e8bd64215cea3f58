# Gives an image to a tool in a form that it reads, and puts the report into the folder `reports`. The lines before these
# define the function `tool` and the variables. `in_build` is empty in a program that a user starts.

say() {
    echo "$name: $*" >&2
}

# Recipes of lazy layers read the store.
oci_layout() {
    "$builder/bin/oci-layout" "$@" --recipe-root "$store"
}

# The image for the platform, without what is attached to it.
export_to() {
    oci_layout export "$layout:$digest" --no-sync --format "$1" --output "$2" >/dev/null
}

folder=$(mktemp -d)
loaded=
clean() {
    [ ! "$loaded" ] || podman rmi --force "$loaded" >/dev/null 2>&1 || :
    rm -rf "$folder"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$reads" != registry ]; then
    digest=$(oci_layout digest "$image" --platform "$platform")
fi
case $reads in
layout)
    input=$folder/image
    export_to oci-archive "$folder/image.tar"
    mkdir "$input"
    tar -xf "$folder/image.tar" -C "$input"
    rm "$folder/image.tar"
    ;;
docker-archive)
    input=$folder/image.tar
    export_to docker-archive "$input"
    ;;
configuration)
    input=$folder/config.json
    oci_layout config "$layout:$digest" >"$input"
    data=$folder/image.json
    printf '{"manifest":%s}' "$(oci_layout manifest "$layout:$digest")" >"$data"
    ;;
podman)
    input=localhost/oci-scan:$(date +%s)-$$
    oci_layout export "$layout:$digest" --format oci-archive --tag "$input" --output "$folder/image.tar" >/dev/null
    loaded=$input
    podman load --quiet --input "$folder/image.tar" >/dev/null
    rm "$folder/image.tar"
    export CONTAINER_RUNTIME=podman GOSS_OPTS="--format $format"
    GOSS_FILES_PATH=$(dirname "$config")
    GOSS_FILE=$(basename "$config")
    export GOSS_FILES_PATH GOSS_FILE
    ;;
registry)
    # All platforms are signed together, by the digest that Nix built and not by a tag.
    case ${1-} in
    "" | -*) ;;
    *)
        repository=$1
        shift
        ;;
    esac
    if [ ! "$repository" ]; then
        say "the layout does not say where the image is; give the name of the image as the first argument"
        exit 2
    fi
    input=$repository@$(oci_layout digest "$image")
    ;;
esac

report=$reports/$report
rm -f "$report"
code=0
if [ "$prints" ]; then
    tool "$@" >"$report" || code=$?
    cat "$report"
else
    tool "$@" || code=$?
fi
if [ ! -s "$report" ]; then
    say "the tool wrote no report, and ended with exit code $code"
    # Without a report, there is no success.
    [ "$code" != 0 ] || code=1
elif [ "$in_build" ] && [ "$code" != 0 ]; then
    # The build fails, and nothing of its output remains but the log.
    [ "$prints" ] || cat "$report"
    say "the tool ended with exit code $code"
else
    say "the report is $report"
    [ ! "$note" ] || say "$note"
fi
exit "$code"
