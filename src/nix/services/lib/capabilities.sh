# capabilities NAME CAPABILITY:NUMBER…: writes those that the container has into the file "capabilities", in the form of
# setpriv. A runtime keeps most capabilities from containers, and asking for these fails.
name=$1
shift
[ -e ../../root ] || exit 0
bounding=$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)
list=-all
for capability; do
    if [ $(((0x$bounding >> ${capability#*:}) & 1)) = 1 ]; then
        list=$list,+${capability%:*}
    else
        echo "start-services: $name: going on without the capability ${capability%:*}, which the container does not have" >&2
    fi
done
echo "$list" >capabilities
