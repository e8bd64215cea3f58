# A published port as `podman run -p` and compose files write it.
{ lib }:
{
  address,
  host,
  container,
  protocol,
}:
lib.optionalString (address != null) "${address}:" + "${host}:${container}/${protocol}"
