# read-environment FILE…: reads variables as systemd does (systemd.exec(5), EnvironmentFile=), and writes each into a
# file of the directory "environment", for s6-envdir. A file may be missing if "-" precedes its path.
umask 077
rm -rf environment
mkdir environment || exit 111
for file; do
    case $file in
    -*)
        file=${file#-}
        [ -e "$file" ] || continue
        ;;
    esac
    LC_ALL=C awk '
        { text = text $0 "\n" }
        function put() {
            sub(/[ \t\r\n]+$/, "", key)
            if (state == "value") {
                value = substr(value, 1, kept)
            }
            if (key ~ /^[A-Za-z_][A-Za-z0-9_]*$/) {
                # s6-envdir removes a variable if its file is empty, and removes the last newline.
                printf "%s\n", value >("environment/" key)
                close("environment/" key)
            } else {
                print "start-services: " FILENAME ": not a name of a variable: " key | "cat >&2"
            }
            key = value = ""
            kept = 0
            state = "before"
        }
        function add(text, is_kept) {
            value = value text
            if (is_kept) {
                kept = length(value)
            }
        }
        END {
            state = "before"
            size = length(text)
            for (at = 1; at <= size; at++) {
                c = substr(text, at, 1)
                blank = c == " " || c == "\t" || c == "\r"
                if (state == "before") {
                    if (c == "#" || c == ";") {
                        state = "comment"
                    } else if (c != "\n" && !blank) {
                        state = "key"
                        key = c
                    }
                } else if (state == "comment") {
                    if (c == "\n") {
                        state = "before"
                    }
                } else if (state == "key") {
                    if (c == "\n") {
                        state = "before"
                        key = ""
                    } else if (c == "=") {
                        state = "start"
                    } else {
                        key = key c
                    }
                } else if (state == "start" || state == "value") {
                    if (c == "\n") {
                        put()
                    } else if (c == "\\") {
                        c = substr(text, ++at, 1)
                        if (c != "\n") {
                            add(c, 1)
                        }
                        state = "value"
                    } else if (state == "start" && c == "\047") {
                        state = "single"
                    } else if (state == "start" && c == "\"") {
                        state = "double"
                    } else if (state == "value" || !blank) {
                        state = "value"
                        add(c, !blank)
                    }
                } else if (state == "single") {
                    if (c == "\047") {
                        state = "start"
                    } else {
                        add(c, 1)
                    }
                } else if (c == "\"") {
                    state = "start"
                } else if (c == "\\") {
                    c = substr(text, ++at, 1)
                    if (index("\"\\`$", c)) {
                        add(c, 1)
                    } else if (c != "\n") {
                        add("\\" c, 1)
                    }
                } else {
                    add(c, 1)
                }
            }
            if (state == "single" || state == "double") {
                # Without the newline that was added to the last line.
                value = substr(value, 1, length(value) - 1)
                put()
            }
        }' "$file" || exit 111
done
