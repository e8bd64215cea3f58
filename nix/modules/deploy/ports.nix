# Ports, read from options and written for podman and Docker.
{ lib }:
let
  number = "([0-9]{1,5})";
  protocol = "(/(tcp|udp|sctp))?";
  isNumber =
    text: builtins.match "0+" text == null && (builtins.stringLength text < 5 || text <= "65535");
  orTcp = text: if text == null then "tcp" else text;
in
{
  # A port that the machine passes on, or `null` if this is not one.
  published =
    port:
    let
      parts =
        if builtins.isInt port then
          [
            null
            null
            (toString port)
            (toString port)
            null
            null
          ]
        else
          builtins.match "(([0-9.]+|[[][0-9a-fA-F:]+]):)?${number}:${number}${protocol}" port;
      part = builtins.elemAt parts;
    in
    if parts == null || !(isNumber (part 2) && isNumber (part 3)) then
      null
    else
      {
        address = part 1;
        host = part 2;
        container = part 3;
        protocol = orTcp (part 5);
      };

  write =
    {
      address,
      host,
      container,
      protocol,
    }:
    lib.optionalString (address != null) "${address}:" + "${host}:${container}/${protocol}";

  # The ports of the image, without ranges.
  exposed =
    ports:
    lib.unique (
      builtins.concatMap (
        port:
        let
          parts = builtins.match "([1-9][0-9]*)(/([a-z]+))?" (toString port);
          part = builtins.elemAt parts;
        in
        lib.optional (parts != null) {
          number = builtins.fromJSON (part 0);
          protocol = orTcp (part 2);
        }
      ) ports
    );
}
