# split NAME: prints the words in the value of a variable, one per line, as systemd splits $NAME: at white space, with
# quotes around words, which are removed.
awk -v name="$1" 'BEGIN {
    text = ENVIRON[name]
    size = length(text)
    for (at = 1; at <= size; at++) {
        c = substr(text, at, 1)
        if (quote != "") {
            if (c == quote) {
                quote = ""
            } else {
                word = word c
            }
        } else if (c == "\"" || c == "\047") {
            quote = c
            is_word = 1
        } else if (c == " " || c == "\t" || c == "\n" || c == "\r") {
            if (is_word) {
                print word
            }
            word = ""
            is_word = 0
        } else {
            word = word c
            is_word = 1
        }
    }
    if (is_word) {
        print word
    }
}'
