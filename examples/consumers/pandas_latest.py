import json

import pandas
import pyarrow.fs

s3 = pyarrow.fs.S3FileSystem()
latest = json.load(s3.open_input_stream("acme-mdm-exports/reltio/_latest/mdm/changes.json"))
files = [
    f"{e['bucket']}/{e['prefix']}{name}" for e in latest["exports"] if e.get("objects") != 0 for name in e["files"]
]
records = pandas.concat(pandas.read_json(s3.open_input_stream(f), lines=True) for f in files)
people = records.sort_values("updatedTime").drop_duplicates("uri", keep="last")
print(len(people))
