# A condition failed. The codes from 1 to 254 skip the service, and others are failures.
if [ "$1" -lt 255 ]; then
    : >skipped
    exit 0
fi
exit 255
