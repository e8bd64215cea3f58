# A list with one package, which refers to the same store paths as the strings in `value`, or an empty list. The package
# contains only the strings that refer to something, so that a change of another string does not change it.
{ lib, ociFiles }:
value:
let
  strings =
    value:
    if builtins.isString value then
      lib.optional (builtins.hasContext value) value
    else if builtins.isList value then
      builtins.concatMap strings value
    # `builtins.toJSON` converts these to strings.
    else if builtins.isPath value || value ? outPath || value ? __toString then
      strings "${value}"
    else if builtins.isAttrs value then
      builtins.concatMap strings (builtins.attrValues value)
    else
      [ ];
  all = strings value;
in
lib.optional (all != [ ]) (ociFiles {
  name = "oci-references";
  files = [
    {
      destination = "/";
      text = builtins.toJSON all;
    }
  ];
})
