# Exits with the code of a command, as execline reports it: 256 and the signal, if one ended it.
if [ "$1" -gt 256 ]; then
    exit $(($1 - 128))
fi
exit "$1"
