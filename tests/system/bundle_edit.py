# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes a bundle apart and puts it together again, to make wrong ones.

Written from the format's definition in common/bundle.h alone, and not from the code that
makes bundles: the two check each other.
"""
import struct

HEADER = struct.Struct("<QIIQQ32sIIIIIIII64s128s64s32sIIIIIIII128s")
HEADER_FIELDS = ("magic version header_size total_size generation build_id "
                 "build_id_len functions hunks relocs string_bytes "
                 "payload_bytes flags bases name description module "
                 "module_build_id module_build_id_len consistency links writes "
                 "watches shadow_bytes probation_s reserved reason").split()
FUNCTION = struct.Struct("<IIIIII")
FUNCTION_FIELDS = "text_offset old_size arena_offset new_size name reserved"
HUNK = struct.Struct("<II16s16s")
HUNK_FIELDS = "text_offset len expected replacement"
RELOC = struct.Struct("<IBBBBq")
RELOC_FIELDS = "where where_space type target_space base target"
BASE = struct.Struct("<II64s")
BASE_FIELDS = "kind area module"
LINK = struct.Struct("<II32s64s")
LINK_FIELDS = "kind reserved bundle_id name"
WRITE = struct.Struct("<BBBBIQII16s16s")
WRITE_FIELDS = ("when flags space base len offset name reserved expected "
                "replacement")
WATCH = struct.Struct("<QQII")
WATCH_FIELDS = "offset allowed len name"


def pad8(data):
    return data + bytes(-len(data) % 8)


def unpack_table(data, offset, count, layout, fields):
    names = fields.split()
    rows = []
    for index in range(count):
        values = layout.unpack_from(data, offset + index * layout.size)
        rows.append(dict(zip(names, values)))
    end = offset + count * layout.size
    return rows, end + -end % 8


def pack_table(rows, layout, fields):
    names = fields.split()
    return pad8(b"".join(layout.pack(*[row[name] for name in names])
                         for row in rows))


class Bundle:
    """A bundle's parts, open to every change."""

    def __init__(self, data):
        self.header = dict(zip(HEADER_FIELDS, HEADER.unpack_from(data)))
        head = self.header
        offset = HEADER.size
        self.functions, offset = unpack_table(
            data, offset, head["functions"], FUNCTION, FUNCTION_FIELDS)
        self.hunks, offset = unpack_table(
            data, offset, head["hunks"], HUNK, HUNK_FIELDS)
        self.relocs, offset = unpack_table(
            data, offset, head["relocs"], RELOC, RELOC_FIELDS)
        self.bases, offset = unpack_table(
            data, offset, head["bases"], BASE, BASE_FIELDS)
        self.links, offset = unpack_table(
            data, offset, head["links"], LINK, LINK_FIELDS)
        self.writes, offset = unpack_table(
            data, offset, head["writes"], WRITE, WRITE_FIELDS)
        self.watches, offset = unpack_table(
            data, offset, head["watches"], WATCH, WATCH_FIELDS)
        end = offset + head["string_bytes"]
        self.strings = data[offset:end]
        offset = end + -end % 8
        self.payload = data[offset:offset + head["payload_bytes"]]

    def regions(self):
        """Name -> (start, end) of each part in the file."""
        sizes = [("header", HEADER.size),
                 ("functions", FUNCTION.size * len(self.functions)),
                 ("hunks", HUNK.size * len(self.hunks)),
                 ("relocations", RELOC.size * len(self.relocs)),
                 ("bases", BASE.size * len(self.bases)),
                 ("links", LINK.size * len(self.links)),
                 ("writes", WRITE.size * len(self.writes)),
                 ("watches", WATCH.size * len(self.watches)),
                 ("strings", len(self.strings)),
                 ("payload", len(self.payload))]
        offset, regions = 0, {}
        for name, size in sizes:
            if size:
                regions[name] = (offset, offset + size)
            offset += size + -size % 8
        return regions

    def data(self, **header):
        """The file, with counts as they are unless @header says otherwise."""
        parts = (pack_table(self.functions, FUNCTION, FUNCTION_FIELDS) +
                 pack_table(self.hunks, HUNK, HUNK_FIELDS) +
                 pack_table(self.relocs, RELOC, RELOC_FIELDS) +
                 pack_table(self.bases, BASE, BASE_FIELDS) +
                 pack_table(self.links, LINK, LINK_FIELDS) +
                 pack_table(self.writes, WRITE, WRITE_FIELDS) +
                 pack_table(self.watches, WATCH, WATCH_FIELDS) +
                 pad8(self.strings) + pad8(self.payload))
        head = dict(self.header, functions=len(self.functions),
                    hunks=len(self.hunks), relocs=len(self.relocs),
                    bases=len(self.bases), links=len(self.links),
                    writes=len(self.writes), watches=len(self.watches),
                    string_bytes=len(self.strings),
                    payload_bytes=len(self.payload),
                    total_size=HEADER.size + len(parts))
        head.update(header)
        return HEADER.pack(*[head[name] for name in HEADER_FIELDS]) + parts
