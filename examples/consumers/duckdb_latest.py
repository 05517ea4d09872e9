import json

import duckdb
import pyarrow
import pyarrow.fs
import pyarrow.json

s3 = pyarrow.fs.S3FileSystem()
latest = json.load(s3.open_input_stream("acme-mdm-exports/reltio/_latest/mdm/changes.json"))
files = [
    f"{e['bucket']}/{e['prefix']}{name}" for e in latest["exports"] if e.get("objects") != 0 for name in e["files"]
]
records = pyarrow.concat_tables(
    [pyarrow.json.read_json(s3.open_input_stream(f)) for f in files], promote_options="default"
)
people = duckdb.sql("from records qualify row_number() over (partition by uri order by updatedTime desc) = 1")
print(people.count("*").fetchall()[0][0])
