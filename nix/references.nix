# A package that refers to whatever the strings of a value refer to, or none: Nix finds the references in what is
# written there. Strings that refer to nothing are not in it, so that changing one of them changes nothing here.
{ ociFiles, ... }:
value:
let
  strings = value:
    if builtins.isString value then (if builtins.hasContext value then [ value ] else [ ])
    else if builtins.isList value then builtins.concatMap strings value
    # Nix makes strings of these in JSON.
    else if builtins.isPath value || value ? outPath || value ? __toString then strings "${value}"
    else if builtins.isAttrs value then builtins.concatMap strings (builtins.attrValues value)
    else [ ];
  all = strings value;
in
if all == [ ] then [ ]
else [ (ociFiles { name = "oci-references"; files = [ { destination = "/"; text = builtins.toJSON all; } ]; }) ]
