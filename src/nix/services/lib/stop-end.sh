
s6-svscanctl -t "$scan"
# Loggers end with their input. A process that a service left behind may keep that open.
sleep 2
for log in "$scan"/*/log; do
    [ ! -e "$log" ] || s6-svc -dxk "$log" 2>/dev/null
done
