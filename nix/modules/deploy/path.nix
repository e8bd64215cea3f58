# Paths of directories that the formats can write. They are lines, separate fields by colons and commas, and take a
# backslash at the end of a line for its continuation.
{ lib }:
rec {
  isLine =
    text:
    builtins.replaceStrings [ "\n" "\r" "\t" ] [ "" "" "" ] text == text
    && builtins.match ".*[ \\\\]" text == null;

  # What is wrong with a path, or `null`.
  fault =
    path:
    if !(lib.hasPrefix "/" path) then
      "is not absolute; write it with / at the beginning"
    else if builtins.match "(/[^/]+)+" path == null then
      if builtins.match "/+" path != null then
        "is the root; choose a directory below it"
      else
        "has a slash too much; write one between names, and none at the end"
    else if builtins.match ".*/[.][.]?(/.*)?" path != null then
      "has . or .. in it; write the path without"
    else if builtins.match "[^:,]*" path == null then
      "has a colon or a comma; choose another path"
    else if !(isLine path) then
      "cannot be written in a line; choose another path"
    else
      null;
}
