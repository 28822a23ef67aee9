#!/usr/bin/env python3
"""A second reader of damo's record files, written from docs/FORMAT.md alone.

reader.py [--from NS] [--to NS] FILE_OR_FOLDER...

Prints one json object per line, for each record: header, meta, then snapshots,
gaps and notes in order. With times, only what is about them, found by the index.
A record's last line says how many payloads of its frames were read.
"""

import argparse
import json
import os
import re
import struct

from frames import (CONTINUES, CRITICAL, DATA, CLOCK, END, HEAD, INDEX, KNOWN, MAGIC, MAX, META,
                    NOTES, SYNC, TARGET, Broken, Columns, Head, check, crc32c, decode_data,
                    decode_notes, gap)


# The happening whose value is a time.
SILENT = 2


class Refused(Exception):
    """Not a record, or one that needs a later version."""


def snapshot_of(parts):
    """A snapshot from all of its parts."""
    first = parts[0]
    whole = {key: first[key] for key in
             ("target", "start_ns", "end_ns", "intervals", "missing")}
    whole["item"] = "snapshot"
    for key in ("regions", "filter_passed", "probe_hits"):
        whole[key] = [one for part in parts for one in part[key]]
    # What is not known of any region is not told at all.
    if all(one is None for one in whole["filter_passed"]):
        whole["filter_passed"] = []
    if not any(whole["probe_hits"]):
        whole["probe_hits"] = []
    whole["total_bytes"] = first["total_bytes"]
    whole["scheme_stats"] = first["scheme_stats"]
    whole["age_unit_us"] = first["age_unit_us"]
    return whole


class File:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.data = file.read()
        self.read = 0
        data = self.data
        self.header = None
        if data[:8] == MAGIC:
            if len(data) < HEAD:
                raise Refused(f"{path}: ends within its header")
            if crc32c(data[:68]) == struct.unpack("<I", data[68:72])[0]:
                self.parse_header()
        elif not Head.at(data, HEAD):
            raise Refused(f"{path}: not a record")

    def parse_header(self):
        version, page, _, segment, incompat, compat, uuid, boot = struct.unpack(
            "<HBBIQQ16s16s", self.data[8:64])
        if version > 1 or incompat:
            raise Refused(f"{self.path}: needs format version {version}, features {incompat:#x}")
        self.header = {"version": version, "page_shift": page, "segment": segment,
                       "compat": compat, "uuid": uuid.hex(), "boot_id": boot.hex()}

    def meta(self):
        """META as the last one has it, with the targets told later."""
        index = self.index()
        head = index and index["meta"] and Head.at(self.data, index["meta"])
        try:
            if head and head.kind == META:
                return self.said(head, self.payload(head, index["meta"]), {})
        except Broken:
            pass
        meta = {}
        for offset, head, payload in self.walk(HEAD, 0, lambda it: it.kind not in (META, TARGET)):
            try:
                if payload and head.kind in (META, TARGET):
                    meta = self.said(head, payload, meta)
            except Broken:
                pass
        return meta

    @staticmethod
    def said(head, payload, meta):
        raw = Columns(head, payload).raw.get(1, b"")
        check(len(raw) <= 2**20, "too long a text")
        try:
            said = json.loads(raw.decode())
        except ValueError as error:
            raise Broken("not json") from error
        check(isinstance(said, dict), "not an object")
        if head.kind == META:
            return said
        key = lambda t: (t.get("target_id", 0), t.get("pid"), t.get("kdamond", 0))
        targets = [t if key(t) != key(said) else None for t in meta.get("targets", [])]
        if None in targets:
            targets[targets.index(None)] = said
        else:
            targets.append(said)
        return {**meta, "targets": targets}

    def payload(self, head, offset):
        """A frame's payload, if it is whole."""
        start = offset + HEAD
        payload = self.data[start:start + head.payload_len]
        if len(payload) < head.payload_len or crc32c(payload) != head.payload_crc:
            raise Broken("payload")
        self.read += 1
        return payload

    def index(self):
        """What INDEX says, found by the file's last 12 bytes."""
        if len(self.data) < 12 or self.data[-8:] != b"DMOR-END":
            return None
        length = struct.unpack("<I", self.data[-12:-8])[0]
        offset = len(self.data) - length
        try:
            check(offset >= HEAD, "outside")
            head = Head.at(self.data, offset)
            check(head and head.kind == END and HEAD + head.payload_len == length, "no END")
            totals = Columns(head, self.payload(head, offset)).raw.get(1, b"")
            check(len(totals) >= 48, "short totals")
            at = struct.unpack("<Q", totals[:8])[0]
            head = Head.at(self.data, at) if at else None
            check(head and head.kind == INDEX, "no INDEX")
            columns = Columns(head, self.payload(head, at))
            offsets = columns.table(1)
            nr = len(offsets)
            check(nr <= 4096, "too many entries")
            entries, entry = [], [0, 0, 0, 0]
            for step in zip(offsets, *(columns.rows(n, nr) for n in (2, 3, 5))):
                entry = [old + new for old, new in zip(entry, step)]
                entries.append(entry)
            return {"entries": entries, "meta": columns.rows(4, 1)[0]}
        except Broken:
            return None

    def closed(self):
        """The latest time, by the END that the file was closed with; None without one."""
        if len(self.data) < 12 or self.data[-8:] != b"DMOR-END":
            return None
        length = struct.unpack("<I", self.data[-12:-8])[0]
        offset = len(self.data) - length
        try:
            check(offset >= HEAD, "outside")
            head = Head.at(self.data, offset)
            check(head and head.kind == END and HEAD + head.payload_len == length, "no END")
            check(len(Columns(head, self.payload(head, offset)).raw.get(1, b"")) >= 48, "short")
            return head.last
        except Broken:
            return None

    def search(self, offset, expected):
        """The next frame header from here on."""
        while True:
            offset = self.data.find(SYNC, offset)
            if offset < 0:
                return len(self.data)
            head = Head.at(self.data, offset)
            if head and head.seq >= expected:
                return offset
            offset += 1

    def walk(self, offset, expected, unwanted=lambda head: False):
        """Frames and damaged places: (offset, header, payload), with None for a payload that is
        unwanted and False for one that is lost; (None, the next header, None) where a header is."""
        damaged = False
        while offset < len(self.data):
            head = Head.at(self.data, offset)
            if not head or head.seq < expected:
                offset = self.search(offset + 1, expected)
                damaged = True
                yield None, Head.at(self.data, offset), None
                continue
            if head.seq > expected and not damaged:
                yield None, head, None
            damaged = False
            expected = head.seq + 1
            end = offset + HEAD + head.payload_len
            try:
                payload = None if unwanted(head) else self.payload(head, offset)
                check(end <= len(self.data), "ends too early")
            except Broken:
                yield offset, head, False
                offset = self.search(offset + HEAD, expected)
                damaged = True
                continue
            yield offset, head, payload
            if head.kind == END:
                return
            offset = end

    def items(self, begin, end):
        seeks = begin > 0 or end <= MAX
        outside = lambda head: seeks and (head.last < begin or head.first >= end)
        offset, expected, until, latest = HEAD, 0, None, None
        for at, seq, before, after in self.index()["entries"] if seeks and self.index() else []:
            if before < begin:
                offset, expected, latest = at, seq, before
            if after >= end:
                until = at
                break
        header_damaged = self.header is None and not seeks
        parts = []
        for at, head, payload in self.walk(offset, expected, outside):
            if header_damaged:
                header_damaged = False
                time = head.first if at and payload is not False else 0
                yield gap(time, time, 0)
            if until is not None and at is not None and at >= until:
                break
            if at is None:
                start = latest if latest is not None else head.first if head else 0
                yield gap(start, max(start, head.first if head else start), None)
                continue
            lost = gap(head.first, head.last, min(MAX, head.samples + head.lost))
            latest = max(latest or 0, head.last)
            if payload is False:
                yield lost
                continue
            if head.kind not in KNOWN and head.flags & CRITICAL:
                raise Refused(f"{self.path}: a frame of type {head.kind}: needs a later version")
            if payload is None:
                if head.kind == DATA:
                    yield from lost_parts(parts)
                continue
            try:
                found = list(self.decode(head, payload))
            except Broken:
                yield lost
                continue
            yield from self.whole(head, found, parts) if head.kind == DATA else found
        if header_damaged:
            yield gap(0, 0, 0)
        yield from lost_parts(parts)

    def decode(self, head, payload):
        if head.kind not in (DATA, CLOCK) and head.kind not in NOTES:
            return []
        columns = Columns(head, payload)
        if head.kind == DATA:
            return decode_data(head, columns)
        if head.kind == CLOCK:
            mono, wall = columns.rows(1, 1)[0], columns.rows(2, 1)[0]
            return [{"item": "note", "note": "clock", "time_ns": mono, "wall_ns": wall}]
        return decode_notes(head, columns)

    @staticmethod
    def whole(head, items, parts):
        """Puts split snapshots together; `parts` keeps what the next frame goes on with."""
        goes_on = bool(head.flags & CONTINUES)
        row = next((item for item in items if item["item"] == "row"), None)
        if not (goes_on and row and parts and continues(parts, row)):
            yield from lost_parts(parts)
        for item in items:
            if item["item"] != "row":
                yield item
                continue
            if goes_on and item is row and not parts:
                yield from lost_parts([item])
                continue
            parts.append(item)
            if item["nr_regions"] == len(item["regions"]):
                yield snapshot_of(parts)
                parts.clear()


def continues(parts, row):
    """Whether a row is what the parts before it lack."""
    last = parts[-1]
    lacking = last["nr_regions"] - len(last["regions"])
    same = all(last[key] == row[key] for key in ("target", "start_ns", "end_ns"))
    ascends = last["regions"] and row["regions"] and last["regions"][-1][1] <= row["regions"][0][0]
    return same and ascends and lacking == row["nr_regions"]


def lost_parts(parts):
    """What stands for parts that lack others."""
    if parts:
        events = sum(len(part["regions"]) + part["missing"] for part in parts)
        yield gap(parts[0]["start_ns"], parts[0]["end_ns"], events, parts[0]["target"])
    parts.clear()


def segments(path):
    """The files of a record, by number."""
    if not os.path.isdir(path):
        return [(None, path)]
    named = ((re.fullmatch(r"segment-(\d{8,})\.damo", name), name) for name in os.listdir(path))
    return sorted((int(match[1]), os.path.join(path, name)) for match, name in named if match)


def times_of(item):
    return item.get("start_ns", item.get("time_ns")), item.get("end_ns", item.get("time_ns"))


def touches(item, begin, end):
    first, last = times_of(item)
    return first < end and (last > begin or first >= begin)


def shift(item, later):
    """Puts an item on the record's clock."""
    put = lambda time: min(MAX, max(0, time + later))
    times = [key for key in ("start_ns", "end_ns", "time_ns") if key in item]
    if item.get("note") == "happened" and item.get("what") == SILENT:
        times.append("value")
    return {**item, **{key: put(item[key]) for key in times}}


def known(before, meta):
    """META with what only earlier segments tell of, before what it tells."""
    merged = dict(meta)
    for key, same in (("targets", lambda t: (t.get("kdamond", 0), t.get("target_id", 0), t.get("pid"))),
                      ("kdamonds", lambda k: k.get("tid", 0))):
        now = meta.get(key, [])
        has = {same(it) for it in now}
        merged[key] = [it for it in before.get(key, []) if same(it) not in has] + now
    return merged


def recordings(path, files):
    """Which recording each file is of, and how much later the record's clock is than its own."""
    seen, boot, later, base, latest = [], None, 0, None, 0
    for number, file in files:
        meta = file.meta()
        mono, wall = meta.get("mono_ns", 0), meta.get("wall_ns", 0)
        now = wall - mono if wall else None
        if file.header:
            if file.header["segment"] != number and number is not None:
                raise Refused(f"{path}: segment {number} is another")
            if not seen or seen[-1] != file.header["uuid"]:
                if file.header["uuid"] in seen:
                    raise Refused(f"{path}: segment {number} is of an earlier recording")
                seen.append(file.header["uuid"])
            here, none = file.header["boot_id"], "0" * 32
            if boot not in (None, none, here) and here != none:
                later = latest - mono
                if now is not None and base is not None:
                    later = max(later, now - base)
            boot = here
        base = now if base is None else base
        for time in (mono, file.closed()):
            latest = max(latest, time + later if time is not None else 0)
        yield seen[-1] if seen else None, later


def record(path, begin, end):
    files = [(number, File(path)) for number, path in segments(path)]
    if not files:
        raise Refused(f"{path}: no segments")
    of = list(recordings(path, files))
    yield {"item": "header", "header": files[0][1].header}
    first, meta = files[0][1].meta(), {}
    for _, file in files:
        meta = known(meta, file.meta())
    times = {"wall_ns": first.get("wall_ns", 0), "mono_ns": first.get("mono_ns", 0),
             "boot_id": first.get("boot_id", "")}
    yield {"item": "meta", "meta": {**meta, **times}}
    before, latest, whose, closed = None, None, None, True
    for (number, file), (recording, later) in zip(files, of):
        file.read = 0
        missing = before is not None and number != before + 1
        missing = missing or (not closed and recording != whose)
        whose, closed = recording, number is None or file.closed() is not None
        file.read = 0
        back = (begin - later if begin else 0, end - later if end <= MAX else end)
        for item in file.items(*back):
            item = shift(item, later)
            if not touches(item, begin, end):
                continue
            first, last = times_of(item)
            if missing:
                start = first if latest is None else latest
                yield gap(start, max(start, first), None)
                missing = False
            latest = max(latest or 0, last)
            yield item
        if missing:
            yield gap(latest or 0, latest or 0, None)
        before = number
    yield {"item": "read", "payloads": sum(file.read for _, file in files)}


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--from", type=int, default=0, dest="begin")
    args.add_argument("--to", type=int, default=MAX + 1, dest="end")
    args.add_argument("path", nargs="+")
    args = args.parse_args()
    for path in args.path:
        try:
            for line in record(path, args.begin, args.end):
                print(json.dumps(line))
        except Refused as error:
            print(json.dumps({"item": "refused", "why": str(error)}))


if __name__ == "__main__":
    main()
