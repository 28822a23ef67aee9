"""Frames of damo's record files: docs/FORMAT.md up to "INDEX", and nothing else."""

import struct

import zstandard

MAX = 2**64 - 1
U32 = 2**32 - 1
MAGIC = b"\x89DMOR\r\n\x1a"
SYNC = b"\xf5\xdfDMOF\r\n"
HEAD = 72
CRITICAL, SPLIT, CONTINUES = 1, 2, 4
META, TARGET, DATA, CLOCK, INDEX, END = 1, 2, 3, 5, 6, 7
CAUSES = ["ring_full", "unseen", "damaged", "unwritten"]
NOTES = {
    9: ("tuned", "kdamond", ["sample_us", "aggr_us", "update_us"]),
    10: ("scheme", "kdamond", ["context", "scheme", "nr_tried", "sz_tried", "nr_applied",
         "sz_applied", "sz_ops_filter_passed", "qt_exceeds", "nr_snapshots"]),
    11: ("footprint", "pid", ["virtual", "resident", "shared"]),
    12: ("system", None, ["total", "free", "available", "buffers", "cached", "swap_total",
         "swap_free"]),
    13: ("mapping", "pid", ["start", "length", "permissions", "offset", "name"]),
    14: ("cpu_time", "pid", ["kdamond", "user_us", "system_us"]),
    15: ("applied", "kdamond", ["target_id", "context", "scheme", "start", "length",
         "nr_accesses", "age"]),
    16: ("happened", "kdamond", ["target_id", "what", "value"]),
    17: ("quota", "kdamond", ["context", "scheme", "bytes"]),
    18: ("summed", "kdamond", ["target_id", "figure", "step", "value"]),
}
NARROW = {"context": U32, "scheme": U32, "nr_accesses": U32, "permissions": 255, "what": 255,
          "figure": 255, "step": U32}
KNOWN = {META: {1}, TARGET: {1}, DATA: set(range(1, 29)), CLOCK: {1, 2},
         INDEX: set(range(1, 6)), END: {1, 2}}
KNOWN.update({kind: set(range(1, 4 + len(note[2]))) for kind, note in NOTES.items()})


class Broken(Exception):
    """The columns of a frame break a rule."""


def check(holds, what):
    if not holds:
        raise Broken(what)


def crc_table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


CRC = list(crc_table())


def crc32c(data):
    crc = U32
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 255]
    return crc ^ U32


assert crc32c(b"123456789") == 0xE3069283


def unzigzag(number):
    return (number >> 1 ^ -(number & 1)) & MAX


class Bytes:
    """Takes numbers off the front of some bytes."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, length):
        check(length <= self.left(), "ends too early")
        self.at += length
        return self.data[self.at - length:self.at]

    def varint(self):
        number = 0
        for place in range(10):
            byte = self.take(1)[0]
            number |= (byte & 127) << 7 * place
            if byte < 128:
                check(number <= MAX, "more than 64 bits")
                return number
        raise Broken("more than 10 bytes in a varint")


def decompress(data, raw_len):
    """One zstd frame that gives exactly raw_len bytes."""
    try:
        size = zstandard.get_frame_parameters(data).content_size
        check(size in (raw_len, zstandard.CONTENTSIZE_UNKNOWN), "another size")
        reader = zstandard.ZstdDecompressor().decompressobj()
        raw = reader.decompress(data)
    except zstandard.ZstdError as error:
        raise Broken(str(error)) from error
    check(len(raw) == raw_len and reader.eof and not reader.unused_data, "not one zstd frame")
    return raw


class Columns:
    def __init__(self, head, payload):
        table = Bytes(payload)
        entries, seen = [], set()
        for _ in range(head.columns):
            number, codec = table.take(2)
            raw_len = table.varint()
            length = None if codec == 2 else table.varint()
            check(number not in seen, "a column twice")
            seen.add(number)
            entries.append((number, codec, raw_len, length))
        check(sum(entry[2] for entry in entries) == head.raw_len, "another raw_len")
        self.raw = {}
        known = KNOWN[head.kind]
        for number, codec, raw_len, length in entries:
            if codec == 2:
                continue
            body = table.take(length)
            if number not in known:
                continue
            check(codec in (0, 1), "unknown codec")
            if codec == 0:
                check(length == raw_len, "stored in another length")
            self.raw[number] = body if codec == 0 else decompress(body, raw_len)
        shared = sum(entry[2] for entry in entries if entry[1] == 2)
        rest = table.take(table.left())
        if shared:
            stream = Bytes(decompress(rest, shared))
            for number, codec, raw_len, _ in entries:
                if codec == 2:
                    self.raw[number] = stream.take(raw_len)
        else:
            check(not rest, "bytes after the columns")

    def table(self, number):
        """All varints of a column."""
        data, numbers = Bytes(self.raw.get(number, b"")), []
        while data.left():
            numbers.append(data.varint())
        return numbers

    def rows(self, number, count, most=MAX):
        """As many varints as there are rows."""
        if number not in self.raw:
            return [0] * count
        numbers = self.table(number)
        check(len(numbers) == count, f"column {number} has {len(numbers)} of {count} rows")
        check(all(n <= most for n in numbers), f"column {number} has too large a number")
        return numbers

    def names(self, number, longest):
        data, names = Bytes(self.raw.get(number, b"")), []
        while data.left():
            length = data.varint()
            check(length <= longest, "too long a name")
            try:
                names.append(data.take(length).decode())
            except UnicodeDecodeError as error:
                raise Broken("not UTF-8") from error
        return names


class Head:
    """A frame header."""

    def __init__(self, data):
        (_, self.kind, self.flags, self.columns, self.payload_len, self.raw_len, self.rows,
         self.samples, self.gaps, self.seq, self.first, self.last, self.lost,
         self.payload_crc, _) = struct.unpack("<8sBBHIIIIIQQQQII", data)

    @staticmethod
    def at(data, offset):
        part = data[offset:offset + HEAD]
        if len(part) < HEAD or part[:8] != SYNC:
            return None
        if crc32c(part[:68]) != struct.unpack("<I", part[68:])[0]:
            return None
        head = Head(part)
        fits = (head.payload_len <= 2**20 and head.raw_len <= 2**22 and head.rows <= 65536
                and head.samples <= 262144 and head.gaps <= 65536)
        return head if fits else None


def gap(start, end, events, target=None, cause="damaged"):
    return {"item": "gap", "target": target, "start_ns": start, "end_ns": end,
            "events": events, "cause": cause}


def groups(numbers, size):
    check(len(numbers) % size == 0, "half an entry in a table")
    return [numbers[at:at + size] for at in range(0, len(numbers), size)]


def pick(table, index):
    check(index < len(table), "an index outside its table")
    return table[index]


def decode_data(head, columns):
    """Rows and gaps of a DATA frame, in order."""
    rows, samples = head.rows, head.samples
    shift = columns.rows(1, 1, 63)[0]
    targets = groups(columns.table(2), 2)
    intervals = groups(columns.table(3), 3)
    check(all(kdamond <= U32 for kdamond, _ in targets), "a thread id of over 32 bits")
    check(max(len(targets), len(intervals)) <= rows + head.gaps, "too large a table")
    of_rows = zip(*(columns.rows(n, rows) for n in (4, 5, 6, 7)), columns.rows(8, rows, 524288),
                  columns.rows(9, rows, U32))
    of_rows = list(of_rows)
    left, counts = samples, []
    for row in of_rows:
        counts.append(min(row[4], left))
        left -= counts[-1]
    check(left == 0, "more samples than rows")
    check(all(row[4] == n for row, n in zip(of_rows[:-1], counts)), "a split row is not the last")
    split = bool(of_rows) and of_rows[-1][4] > counts[-1]
    check(split == bool(head.flags & SPLIT), "SPLIT is wrong")
    with_regions = sum(1 for n in counts if n)
    firsts = iter(columns.rows(10, with_regions))
    steps = iter(columns.rows(11, samples - with_regions))
    of_regions = zip(columns.rows(12, samples), columns.rows(13, samples, U32),
                     columns.rows(14, samples), columns.rows(21, samples))
    probes = columns.rows(22, samples)
    hits = iter(columns.rows(23, sum(probes), U32))
    probes = iter(probes)
    totals = columns.rows(24, rows)
    names = columns.names(25, 64)
    age_units = columns.rows(28, rows)
    nr_stats = columns.rows(26, rows)
    stats = groups(columns.table(27), 2)
    check(len(stats) <= 65536, "too many counters")
    check(len(stats) == sum(n - 1 for n in nr_stats if n), "another number of counters")
    stats = iter(stats)

    items, state = [], {}
    for row, count, total, age_unit, nr_stat in zip(of_rows, counts, totals, age_units, nr_stats):
        index, start, length, interval, nr_regions, missing = row
        kdamond, target = pick(targets, index)
        before = state.setdefault(index, {"end": head.first, "first": 0, "rows": 0})
        start = (before["end"] + unzigzag(start)) & MAX
        end = (start + length) & MAX
        regions, passed, hit = [], [], []
        at = None
        for _ in range(count):
            if at is None:
                at = before["first"] = (before["first"] + unzigzag(next(firsts))) & MAX
            else:
                at += next(steps)
            units, nr_accesses, age, ok = next(of_regions)
            first, at = at << shift, at + units
            check(at << shift <= MAX, "an address of over 64 bits")
            if age:
                age = (before["rows"] - unzigzag(age - 1)) & MAX
                check(age <= U32, "an age of over 32 bits")
            else:
                age = None
            regions.append([first, at << shift, nr_accesses, age])
            passed.append(ok - 1 if ok else None)
            hit.append([next(hits) for _ in range(next(probes))])
        before["end"] = end
        before["rows"] += 1
        counters = None
        if nr_stat:
            counters = {pick(names, name): value
                        for name, value in (next(stats) for _ in range(nr_stat - 1))}
        items.append({"item": "row", "target": [kdamond, target], "start_ns": start,
                      "end_ns": end, "intervals": pick(intervals, interval - 1) if interval else None,
                      "missing": missing, "regions": regions, "nr_regions": nr_regions,
                      "filter_passed": passed, "probe_hits": hit,
                      "total_bytes": total - 1 if total else None, "scheme_stats": counters,
                      "age_unit_us": age_unit or None})

    nr = head.gaps
    done, place, placed = [], 0, 0
    for more, index, start, length, lost, cause in zip(*(columns.rows(n, nr) for n in range(15, 21))):
        place += more
        check(place <= rows - (1 if split else 0), "a gap after the last row")
        done += items[placed:place]
        placed = place
        start = (head.first + unzigzag(start)) & MAX
        cause, known = cause >> 1, cause & 1
        done.append(gap(start, (start + length) & MAX, lost if known else None,
                        pick(targets, index - 1) if index else None,
                        CAUSES[cause] if cause < 4 else "damaged"))
    return done + items[placed:]


def decode_notes(head, columns):
    name, key_name, fields = NOTES[head.kind]
    names = columns.names(1, 4096)
    times = columns.table(2)
    check(len(times) <= 65536 and len(names) <= 65536, "too many rows")
    keys = columns.rows(3, len(times), U32)
    values = zip(*(columns.rows(4 + n, len(times)) for n in range(len(fields))))
    time, last = head.first, {}
    for step, key, row in zip(times, keys, values):
        time = (time + unzigzag(step)) & MAX
        before = last.get(key, [0] * len(fields))
        row = [(old + unzigzag(new)) & MAX for old, new in zip(before, row)]
        last[key] = row
        note = {"item": "note", "note": name, "time_ns": time}
        if key_name:
            note[key_name if head.kind != 14 else "pid"] = key
        for field, value in zip(fields, row):
            check(value <= NARROW.get(field, MAX), f"too large a {field}")
            note[field] = value
        if "length" in note:
            note["end"] = note["start"] + note.pop("length")
            check(note["end"] <= MAX, "an address of over 64 bits")
        if head.kind == 13:
            note["name"] = pick(names, note["name"] - 1) if note["name"] else ""
        if head.kind == 14:
            note["kdamond"] = bool(note["kdamond"])
        if head.kind == 15:
            check(note["age"] <= U32 + 1, "an age of over 32 bits")
            note["age"] = note["age"] - 1 if note["age"] else None
        if head.kind == 16:
            note["target_id"] = note["target_id"] - 1 if note["target_id"] else None
        yield note
