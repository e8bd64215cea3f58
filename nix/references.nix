# A package that refers to whatever the strings of a value refer to, or none: Nix finds the references in what is
# written there. Strings that refer to nothing are not in it, so that changing one of them changes nothing here.
{ ociFiles, ... }:
value:
let
  strings = value:
    if builtins.isString value then (if builtins.hasContext value then [ value ] else [ ])
    else if builtins.isList value then builtins.concatMap strings value
    else if builtins.isAttrs value && !(value ? outPath) then builtins.concatMap strings (builtins.attrValues value)
    else if builtins.isAttrs value || builtins.isPath value then [ "${value}" ]
    else [ ];
  all = strings value;
in
if all == [ ] then [ ]
else [ (ociFiles { name = "oci-references"; files = [ { destination = "/"; text = builtins.toJSON all; } ]; }) ]
