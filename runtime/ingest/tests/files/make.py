"""Writes the same rows as Parquet, Arrow IPC, Avro and XLSX, with other people's writers.

    pip install pyarrow fastavro openpyxl && python make.py
"""

import datetime as dt
import decimal

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

UTC = dt.timezone.utc
ROWS = [
    {
        "code": "NO",
        "name": "Norge ☃",
        "population": 5_400_000,
        "share": 0.25,
        "price": decimal.Decimal("12.50"),
        "active": True,
        "since": dt.date(1814, 5, 17),
        "at": dt.datetime(2026, 1, 31, 23, 59, 59, 250_000, UTC),
        "alarm": dt.time(6, 30, 15),
        "tags": ["nordic", None, 'a,"b'],
        "extra": {"area": 385_207, "capital": "Oslo"},
    },
    {
        "code": "NA",
        "name": "Namibia",
        "population": 2_600_000,
        "share": -1.5,
        "price": decimal.Decimal("-0.01"),
        "active": False,
        "since": dt.date(1990, 3, 21),
        "at": dt.datetime(1969, 12, 31, 23, 0, 0, 1, UTC),
        "alarm": dt.time(0, 0, 0),
        "tags": [],
        "extra": {"area": 825_615, "capital": "Windhoek"},
    },
    {"code": "XX", **{k: None for k in "name population share price active since at alarm tags extra".split()}},
]

schema = pa.schema(
    [
        ("code", pa.dictionary(pa.int8(), pa.string())),
        ("name", pa.large_string()),
        ("population", pa.uint32()),
        ("share", pa.float32()),
        ("price", pa.decimal128(10, 2)),
        ("active", pa.bool_()),
        ("since", pa.date32()),
        ("at", pa.timestamp("ns", "UTC")),
        ("alarm", pa.time64("us")),
        ("tags", pa.list_(pa.string())),
        ("extra", pa.struct([("area", pa.int64()), ("capital", pa.string())])),
    ]
)
table = pa.Table.from_pylist(ROWS, schema)
pq.write_table(table, "rows.parquet", compression="zstd")
pa.feather.write_feather(table, "rows.arrow", compression="zstd")
with pa.ipc.new_stream("rows.arrows", schema) as stream:
    stream.write_table(table)

avro = {
    "type": "record",
    "name": "row",
    "fields": [
        {"name": "code", "type": {"type": "enum", "name": "code", "symbols": ["NO", "NA", "XX"]}},
        {"name": "name", "type": ["null", "string"]},
        {"name": "population", "type": ["null", "long"]},
        {"name": "share", "type": ["null", "float"]},
        {
            "name": "price",
            "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}],
        },
        {"name": "active", "type": ["null", "boolean"]},
        {"name": "since", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "alarm", "type": ["null", {"type": "long", "logicalType": "time-micros"}]},
        {"name": "tags", "type": ["null", {"type": "array", "items": ["null", "string"]}]},
        {
            "name": "extra",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "extra",
                    "fields": [{"name": "area", "type": "long"}, {"name": "capital", "type": "string"}],
                },
            ],
        },
    ],
}
with open("rows.avro", "wb") as file:
    fastavro.writer(file, avro, ROWS, codec="deflate")

book = openpyxl.Workbook()
book.active.title = "About"
book.active.append(["nothing to see here"])
sheet = book.create_sheet("Data")
sheet.append(["Code", "Name", "Population", "Share", "Price", "Active", "Since", "At", "Alarm", "Tags", "Extra"])
for row in ROWS:
    sheet.append(
        [
            row["code"],
            row["name"],
            row["population"],
            row["share"],
            float(row["price"]) if row["price"] is not None else None,
            row["active"],
            row["since"],
            row["at"].replace(tzinfo=None) if row["at"] and row["at"].year > 1990 else None,
            row["alarm"],
            '["nordic", null, "a,\\"b"]' if row["code"] == "NO" else None,
            '{"area": 385207, "capital": "Oslo"}' if row["code"] == "NO" else None,
        ]
    )
book.save("rows.xlsx")

# the same sheet, with days counted from 1904: what old Macs wrote, and what a setting of Excel still does
book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
book.save("rows-1904.xlsx")
