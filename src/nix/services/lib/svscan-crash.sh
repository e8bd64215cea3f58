echo 'start-services: s6-svscan crashed' >&2
exit 111
