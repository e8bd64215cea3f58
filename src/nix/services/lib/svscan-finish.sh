# The end of the container: s6-svscan becomes this script.
code=0
if [ -e ../exit-code ]; then
    read -r code <../exit-code
fi
exit "$code"
