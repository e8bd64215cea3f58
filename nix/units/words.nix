# Words, quotes and escapes, by the rules that systemd has for most of its directives (systemd.syntax(7), "Quoting").
# Command lines are not split here: the program does so when it writes the start script.
{ lib }:
let
  hex = {
    a = 10;
    b = 11;
    c = 12;
    d = 13;
    e = 14;
    f = 15;
    A = 10;
    B = 11;
    C = 12;
    D = 13;
    E = 14;
    F = 15;
  };
  letters = text: builtins.genList (i: builtins.substring i 1 text) (builtins.stringLength text);
  numberOf =
    base: digits:
    builtins.foldl' (sum: digit: sum * base + (hex.${digit} or (builtins.fromJSON digit))) 0 (
      letters digits
    );

  ofCode =
    place: code:
    let
      digit = n: builtins.substring n 1 "0123456789abcdef";
    in
    if code == 0 || code > 127 then
      throw "oci-layout: ${place}: the escape of the byte ${toString code} is not supported; write the character itself"
    else
      builtins.fromJSON "\"\\u00${digit (code / 16)}${digit (code - code / 16 * 16)}\"";

  single = {
    a = builtins.fromJSON ''"\u0007"'';
    b = builtins.fromJSON ''"\b"'';
    f = builtins.fromJSON ''"\f"'';
    n = "\n";
    r = "\r";
    s = " ";
    t = "\t";
    v = builtins.fromJSON ''"\u000b"'';
    "\\" = "\\";
    "\"" = "\"";
    "'" = "'";
  };
  unescaped =
    place: escape:
    let
      kind = builtins.substring 0 1 escape;
      rest = builtins.substring 1 (-1) escape;
    in
    if single ? ${escape} then
      single.${escape}
    else if builtins.stringLength escape > 1 && kind == "x" then
      ofCode place (numberOf 16 rest)
    else if builtins.stringLength escape > 1 && (kind == "u" || kind == "U") then
      (builtins.fromTOML "text = \"\\${escape}\"").text
    else if builtins.stringLength escape == 3 then
      ofCode place (numberOf 8 escape)
    else
      throw "oci-layout: ${place}: systemd knows no escape \\${escape}; write two backslashes for one";

  # Blanks, a quote, or an escape.
  separator = "([ \t\n\r]+|[\"']|\\\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)?)";
in
{
  # The text with its escapes replaced.
  unescape =
    place: text:
    lib.addContextFrom text (
      builtins.concatStringsSep "" (
        map (
          part:
          if builtins.isString part then
            part
          else if builtins.head part == null then
            throw "oci-layout: ${place} ends with a backslash; write two"
          else
            unescaped place (builtins.head part)
        ) (builtins.split "\\\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)?" text)
      )
    );

  # The words of a text. Quotes may begin and end inside of a word.
  split =
    place: text:
    let
      append = state: addition: rec {
        inherit (state) words quote;
        word = (if state.word == null then "" else state.word) + addition;
        # Otherwise long texts would be deep thunks.
        forced = builtins.seq word null;
      };
      next =
        state: part:
        let
          token = builtins.head part;
          escape = builtins.elemAt part 1;
          isQuote = token == "\"" || token == "'";
        in
        if builtins.isString part then
          if part == "" then state else append state part
        else if builtins.substring 0 1 token == "\\" then
          if escape == null then
            throw "oci-layout: ${place} ends with a backslash; write two"
          else
            append state (unescaped place escape)
        else if isQuote && state.quote == null then
          append state "" // { quote = token; }
        else if isQuote && state.quote == token then
          state // { quote = null; }
        else if state.quote != null then
          append state token
        else if state.word == null then
          state
        else
          state
          // {
            words = state.words ++ [ state.word ];
            word = null;
          };
      end = builtins.foldl' next {
        words = [ ];
        word = null;
        quote = null;
      } (builtins.split separator text);
    in
    if end.quote != null then
      throw "oci-layout: ${place}: the quote ${end.quote} is not closed in: ${text}"
    else
      map (lib.addContextFrom text) (end.words ++ (if end.word == null then [ ] else [ end.word ]));

  # A word of a command line that stands for exactly this text.
  quote =
    text:
    "\"${
      builtins.replaceStrings [ "\\" "\"" "\n" "\t" "\r" "$" ] [ "\\\\" "\\\"" "\\n" "\\t" "\\r" "$$" ]
        text
    }\"";
}
