# The folder for the report.
reports=$PWD
if [ "${1-}" = --reports ]; then
    [ $# -ge 2 ] || { echo "$0: --reports: the folder is missing" >&2; exit 2; }
    mkdir -p -- "$2"
    reports=$(CDPATH= cd -- "$2" && pwd)
    shift 2
fi
