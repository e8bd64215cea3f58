"""chunked.py LEVEL TAR BLOB: a second implementation of the section "zstd:chunked" of docs/byte-format.md, written from that
page alone, on top of blocks.py.

Checks that BLOB consists of the pieces of TAR, and of the skippable frames that the page describes: the program zstd
decompresses the two texts, which are compared with those made of TAR. Prints the annotations as JSON."""

import base64
import datetime
import hashlib
import json
import subprocess
import sys

import blocks

TYPES = dict(zip("0123456", ["reg", "hardlink", "symlink", "char", "block", "dir", "fifo"]))


def text(field):
    return field.split(b"\0", 1)[0].decode()


def entries(tar):
    """The members of each entry, its headers, and its contents: their begin and end."""
    at = start = 0
    pax = {}
    while tar[at:at + 512].strip(b"\0"):
        header = tar[at:at + 512]
        size = int(header[124:135], 8)
        at += 512
        if header[156:157] == b"x":
            records = tar[at:at + size]
            while records:
                length = int(records.split(b" ", 1)[0])
                key, value = records[:length - 1].split(b" ", 1)[1].split(b"=", 1)
                pax[key.decode()] = value
                records = records[length:]
            at += (size + 511) // 512 * 512
            continue
        number = lambda key, begin, end: int(pax.get(key) or header[begin:end], 10 if key in pax else 8)
        name = "/".join(filter(None, [text(header[345:500]), text(header[:100])]))
        time = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=number("mtime", 136, 147))
        entry = {
            "type": TYPES[chr(header[156])], "name": pax.get("path", name.encode()).decode(),
            "linkName": pax.get("linkpath", text(header[157:257]).encode()).decode(),
            "mode": int(header[100:107], 8), "size": size, "uid": number("uid", 108, 115), "gid": number("gid", 116, 123),
            "modtime": time.isoformat() + "Z", "devMajor": int(header[329:336], 8), "devMinor": int(header[337:344], 8),
            "xattrs": {key.removeprefix("SCHILY.xattr."): base64.b64encode(value).decode()
                       for key, value in sorted(pax.items()) if key.startswith("SCHILY.xattr.")},
        }
        yield entry, (start, at), (at, at + size)
        at += (size + 511) // 512 * 512
        start, pax = at, {}


def crc64_of_byte(byte):
    """Bit by bit: the lowest bit first, so that the polynomial is reversed."""
    for _ in range(8):
        byte = byte >> 1 ^ (0xd800000000000000 if byte & 1 else 0)
    return byte


CRC64 = [crc64_of_byte(byte) for byte in range(256)]


def crc64(data):
    crc = (1 << 64) - 1
    for byte in data:
        crc = crc >> 8 ^ CRC64[(crc ^ byte) & 255]
    return crc ^ (1 << 64) - 1


def pieces(found, begin, end):
    """The pieces of a block: begin, end, and whether it has contents."""
    for _, _, (first, last) in found:
        first, last = max(first, begin), min(last, end)
        if first < last:
            if begin < first:
                yield begin, first
            yield first, last
            begin = last
    if begin < end:
        yield begin, end


def dumps(document):
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def tar_split(tar, found):
    lines = []

    def line(document):
        lines.append(dumps(document | {"position": len(lines)}) + b"\n")

    between = 0
    for entry, (_, headers_end), (first, last) in found:
        line({"type": 2, "payload": base64.b64encode(tar[between:headers_end]).decode()})
        contents = tar[first:last]
        size = {"size": len(contents)} if contents else {}
        payload = base64.b64encode(crc64(contents).to_bytes(8, "big")).decode() if contents else None
        line({"type": 1, "name": entry["name"], **size, "payload": payload})
        between = last
    for at in range(between, len(tar), 1 << 20):
        line({"type": 2, "payload": base64.b64encode(tar[at:at + (1 << 20)]).decode()})
    return b"".join(lines)


def skippable(blob, at):
    """The contents of the frame, and its end."""
    assert blob[at:at + 4] == b"\x50\x2a\x4d\x18", f"the skippable frame at {at}"
    size = int.from_bytes(blob[at + 4:at + 8], "little")
    assert at + 8 + size <= len(blob)
    return blob[at + 8:at + 8 + size], at + 8 + size


def unpacked(frames, expected):
    """Checks that the text has this form, and that its frames end where the page says."""
    at = 0
    for begin in range(0, len(expected), 1 << 22):
        at = blocks.zstd_frame(frames, at, expected[begin:begin + (1 << 22)])
    assert at == len(frames)
    found = subprocess.run(["zstd", "-dcq"], input=frames, stdout=subprocess.PIPE, check=True).stdout
    assert found == expected, (found[:2000], expected[:2000])


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def main():
    level = int(sys.argv[1])
    tar, blob = (open(name, "rb").read() for name in sys.argv[2:])
    found = list(entries(tar))
    places = {}
    at = begin = 0
    for end in blocks.ends(tar, 1 << 22):
        for first, last in pieces(found, begin, end):
            start, at = at, blocks.zstd_frame(blob, at, tar[first:last])
            places[first] = start
            places[-last] = at
        begin = end
    label = b"\x5a\x2a\x4d\x18\x0c\0\0\0oci-layout" + bytes([2, level])
    assert blob[at:at + 20] == label, "the label"
    at += 20

    table = []
    for entry, _, (first, last) in found:
        if first < last:
            entry |= {"digest": digest(tar[first:last]), "offset": places[first], "endOffset": places[-last]}
        table.append({key: value for key, value in entry.items() if value})
    table_at = at + 8
    table_frames, at = skippable(blob, at)
    split_at = at + 8
    split_frames, at = skippable(blob, at)
    split = tar_split(tar, found)
    unpacked(split_frames, split)
    table = dumps({"version": 1, "entries": table, "tarSplitDigest": digest(split_frames)})
    unpacked(table_frames, table)
    footer, at = skippable(blob, at)
    numbers = [table_at, len(table_frames), len(table), 1, split_at, len(split_frames), len(split)]
    assert footer == b"".join(number.to_bytes(8, "little") for number in numbers) + b"GNUlInUx", "the footer"
    assert at == len(blob), "the end of the blob"
    prefix = "io.github.containers.zstd-chunked."
    print(json.dumps({
        prefix + "manifest-checksum": digest(table_frames),
        prefix + "manifest-position": ":".join(map(str, numbers[:4])),
        prefix + "tarsplit-position": ":".join(map(str, numbers[4:])),
    }))


if __name__ == "__main__":
    main()
