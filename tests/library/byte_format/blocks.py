"""blocks.py COMPRESSION LEVEL TAR BLOB: a second implementation of the section "The blob" of docs/byte-format.md,
written from that page alone.

Finds the blocks of TAR, and checks that BLOB consists of these blocks: the headers, labels and trailers of gzip members
and zstd frames are those of the page. The contents of a gzip member are compared, those of a zstd frame are not, because
Python 3.11 cannot decompress them. Prints the ends of the blocks."""

import sys
import zlib


def entries(tar):
    """The offset of each entry, and its key."""
    offset = start = 0
    size = None
    while tar[offset:offset + 512].strip(b"\0"):
        header = tar[offset:offset + 512]
        stored = int(header[124:135], 8)
        records = tar[offset + 512:offset + 512 + stored]
        offset += 512 + (stored + 511) // 512 * 512
        if header[156:157] == b"x":
            while records:
                length = int(records.split(b" ", 1)[0])
                key, value = records[:length - 1].split(b" ", 1)[1].split(b"=", 1)
                size = int(value) if key == b"size" else size
                records = records[length:]
            continue
        assert size is None, "a file of this size is not in a test"
        yield start, zlib.crc32(header[:100] + header[345:500])
        start = offset


def ends(tar, limit):
    found = list(entries(tar))
    begin = 0
    while begin < len(tar):
        if len(tar) - begin <= limit:
            begin = len(tar)
        elif places := [(key, at) for at, key in found if begin + limit // 2 <= at <= begin + limit]:
            begin = min(places)[1]
        elif before := [at for at, _ in found if begin < at < begin + limit // 2]:
            begin = before[-1]
        else:
            begin += limit
        yield begin


def gzip_member(blob, at, block, level):
    """The end of the member at this offset."""
    inflate = zlib.decompressobj(-15)
    assert inflate.decompress(blob[at + 22:]) == block and inflate.eof, f"the member at {at}"
    end = len(blob) - len(inflate.unused_data) + 8
    extra = {1: 4, 2: 0, 3: 0, 4: 0, 5: 0, 6: 0, 7: 0}.get(level, 2)
    label = b"OL\x06\0" + (end - at).to_bytes(4, "little") + bytes([2, level])
    assert blob[at:at + 22] == bytes([31, 139, 8, 4, 0, 0, 0, 0, extra, 255, 10, 0]) + label, f"the header at {at}"
    trailer = zlib.crc32(block).to_bytes(4, "little") + len(block).to_bytes(4, "little")
    assert blob[end - 8:end] == trailer, f"the trailer at {end - 8}"
    return end


def zstd_frame(blob, at, block):
    """The end of the frame at this offset."""
    assert blob[at:at + 4] == b"\x28\xb5\x2f\xfd", f"the frame at {at}"
    descriptor = blob[at + 4]
    assert descriptor & 0b00111111 == 0b00100000, "a single segment, no checksum, no dictionary"
    size, more = {0: (1, 0), 1: (2, 256), 2: (4, 0), 3: (8, 0)}[descriptor >> 6]
    assert int.from_bytes(blob[at + 5:at + 5 + size], "little") + more == len(block), f"the size of the frame at {at}"
    at += 5 + size
    last = False
    while not last:
        header = int.from_bytes(blob[at:at + 3], "little")
        last = bool(header & 1)
        at += 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
    return at


def main():
    compression, level = sys.argv[1], int(sys.argv[2])
    tar, blob = (open(name, "rb").read() for name in sys.argv[3:])
    at = begin = 0
    for end in ends(tar, {"gzip": 1 << 20, "zstd": 1 << 22}[compression]):
        block = tar[begin:end]
        at = gzip_member(blob, at, block, level) if compression == "gzip" else zstd_frame(blob, at, block)
        begin = end
        print(end)
    label = b"" if compression == "gzip" else b"\x5a\x2a\x4d\x18\x0c\0\0\0oci-layout" + bytes([2, level])
    assert blob[at:] == label, "the end of the blob"


if __name__ == "__main__":
    main()
